"""Training of skorch nets at the speed of a plain loop; other rooms import from here."""

from sklearn_ecganon.training._adversarial import AdversarialNet, Watch, train_watched
from sklearn_ecganon.training._batches import ResidentBatches
from sklearn_ecganon.training._cycle import (
    CrossEntropyLoss,
    CycleNet,
    CycleWatch,
    ImageBuffer,
    LeastSquaresLoss,
    ResidentPairs,
)
from sklearn_ecganon.training._gan import (
    MAX_WATCHED,
    GANNet,
    GANTrainingWarning,
    GANWatch,
    NonSaturatingLoss,
    ResidentGroups,
    WassersteinLoss,
    diversity_of,
    mean_discrepancy,
    train_gan,
)
from sklearn_ecganon.training._losses import NegativeELBO
from sklearn_ecganon.training._nets import (
    FIXED,
    NetStateMixin,
    Untrained,
    in_float64,
    infer,
    one_cycle,
    resolve_device,
    seeded,
    single_thread,
    train,
)
from sklearn_ecganon.training._perturbation import (
    PerturbationNet,
    PerturbationWatch,
    ResidentPartners,
)
from sklearn_ecganon.training._strips import (
    STRIP_SIZES,
    ArcFace,
    StripSize,
    apply_strip_net,
    fit_strip_net,
)
from sklearn_ecganon.training._subjects import ResidentSubjects

__all__ = [
    "FIXED",
    "MAX_WATCHED",
    "STRIP_SIZES",
    "AdversarialNet",
    "ArcFace",
    "CrossEntropyLoss",
    "CycleNet",
    "CycleWatch",
    "GANNet",
    "GANTrainingWarning",
    "GANWatch",
    "ImageBuffer",
    "LeastSquaresLoss",
    "NegativeELBO",
    "NetStateMixin",
    "NonSaturatingLoss",
    "PerturbationNet",
    "PerturbationWatch",
    "ResidentBatches",
    "ResidentGroups",
    "ResidentPairs",
    "ResidentPartners",
    "ResidentSubjects",
    "StripSize",
    "Untrained",
    "WassersteinLoss",
    "Watch",
    "apply_strip_net",
    "diversity_of",
    "fit_strip_net",
    "in_float64",
    "infer",
    "mean_discrepancy",
    "one_cycle",
    "resolve_device",
    "seeded",
    "single_thread",
    "train",
    "train_gan",
    "train_watched",
]
