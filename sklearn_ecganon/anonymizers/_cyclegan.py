"""Beats, or images, translated from one group of people to another and back."""

from __future__ import annotations

import copy
import hashlib
import os
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_ecganon._validation import as_input
from sklearn_ecganon.anonymizers._gan_image._pictures import check_image_size
from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.networks._cycle import TwoDiscriminators, TwoTranslators
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training._adversarial import train_watched
from sklearn_ecganon.training._cycle import (
    CrossEntropyLoss,
    CycleNet,
    CycleWatch,
    LeastSquaresLoss,
    ResidentPairs,
)
from sklearn_ecganon.training._nets import (
    FIXED,
    NetStateMixin,
    resolve_device,
    seeded,
    single_thread,
)

CRITERIA = {"least-squares": LeastSquaresLoss, "cross-entropy": CrossEntropyLoss}
DIRECTIONS = ("a-to-b", "b-to-a")
# Pixels translated at a time.
CHUNK = 2**18
# Examples of each domain that are at hand for previews, during training.
N_SHOWN = 20
# Share of the samples of beats below -1, and above 1; of images, none.
OUTSIDE = 0.01
# No translator sees more than this: artefacts of many times a beat's size pass through.
LIMIT = 3.0


class Scale(NamedTuple):
    """Takes beats, or images, to images between -1 and 1 and back.

    Attributes
    ----------
    shape : tuple of int
        Channels, height and width.
    low, high : ndarray of shape (n_channels, 1, 1)
        What becomes -1 and 1.
    limits : tuple of float
        What comes back lies between these.
    """

    shape: tuple[int, int, int]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    limits: tuple[float, float]

    @classmethod
    def learn(cls, values: NDArray, size: tuple[int, int] | None) -> Scale:
        """Return the scale of images of that size, or of beats (n, n_leads, n_times)."""
        if size is not None:
            limits = float(values.min()), float(values.max())
            low, high = (np.full((1, 1, 1), limit) for limit in limits)
            return cls((1, *size), low, high, limits)
        n_leads, n_times = values.shape[1:]
        by_lead = np.moveaxis(values, 1, 0).reshape(n_leads, -1)
        low, high = np.quantile(by_lead, [OUTSIDE, 1 - OUTSIDE], axis=1)[:, :, None, None]
        # A lead that says nothing has no range: any will do.
        high = np.where(high > low, high, low + 1)
        return cls((n_leads, 1, n_times), low, high, (-np.inf, np.inf))

    def forward(self, values: NDArray) -> NDArray[np.float64]:
        """Return images (n, channels, height, width)."""
        images = values.reshape(-1, *self.shape).astype(np.float64)
        return 2 * (images - self.low) / (self.high - self.low) - 1

    def backward(self, images: NDArray) -> NDArray[np.float64]:
        """Undo `forward`, but for the shape."""
        return np.clip((images + 1) / 2 * (self.high - self.low) + self.low, *self.limits)


class CycleGANAnonymizer(NetStateMixin, BaseAnonymizer):
    """Translate beats, or images, from one domain to another, one to one.

    Two U-Nets are trained on unpaired examples: one makes A look like B, the other B like
    A, and each undoes the other. Domains are groups of people, or kinds of images such as
    two contrasts of a scanner.

    What a translation hides is to be measured, not assumed: it is trained so that the
    original can be had back, see the Notes.

    Parameters
    ----------
    strength : float, default=1.0
        Between the input (0, bit for bit) and its translation (1).
    direction : {"a-to-b", "b-to-a"}, default="a-to-b"
        What `transform` does. It may be changed after `fit`.
    image_shape : (int, int), optional
        Says that X holds images of this height and width, as (n, h, w) or flattened. By
        default X holds beats: leads are channels, and convolutions run along time.
    adversarial : {"least-squares", "cross-entropy"}, default="least-squares"
        Loss of the judges, and of the translators before them.
    cycle : float, default=10.0
        Weight of the error after there and back, beside the adversarial loss.
    identity : float, default=0.5
        Weight of the error on what already is of the target domain, as a share of `cycle`.
    n_latent : int, default=4
        Length of the secret draw of a record that its translations depend on.
    n_filters : int, default=16
        Channels of the convolutions at full size.
    buffer_size : int, default=50
        Translated images that a judge sees again.
    max_epochs : int, default=50
        Epochs. Over the second half of them the learning rates go down to 0.
    epoch_size : int, default=1600
        Pairs of images drawn in an epoch, or as many as the larger domain has.
    batch_size : int, default=8
        Pairs of a step.
    lr, discriminator_lr : float, default=0.0002 and 0.0002
        Learning rates of Adam.
    checkpoint : str or path, default=None
        File that is written after every epoch, and gone on from if it is there: a training
        that was interrupted ends with the same weights, bit for bit. It holds weights and
        a hash of the data, no sample.
    sampling_rate : float, default=250.0
        Rate of array input in Hz. A BeatSet brings its own.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or whichever is there.
    random_state : int, RandomState instance or None, default=None
        Seeds training, and makes the salt. A salt made from a number can be made again by
        anyone who guesses the number: leave None for a release.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The fitted net. `module_` holds both translators.
    domains_ : ndarray of shape (2,)
        Names of A and of B.
    scale_ : object
        Takes beats or images to the net's and back.
    history_ : dict of str to ndarray of shape (n_epochs,)
        ``generator_loss`` and ``discriminator_loss``, of both sides together;
        ``cycle_error``, mean absolute error after there and back, and ``identity_error``,
        on what is of the target domain, both as a share of the range (of beats: between
        the 1 % and 99 % quantiles); ``lr``; ``dur``, seconds.
    n_iter_ : int
        Epochs done.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    device_ : str
        Where the net lives.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the beats seen in `fit`.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    GANImageAnonymizer : Makes images of nobody.
    PseudoIdentityAnonymizer : What to release beats with.
    ReidentificationScorer : Measures what an attacker still recognises.

    Notes
    -----
    Source: [1]_, applied to medical images by the works on one-to-one translation.
    Deviations: U-Nets with skip connections take the place of residual nets, and the draw
    of a record scales and shifts their coarsest channels; batches of 8 instead of 1;
    normalization spares the full size; the judges' buffer starts empty in each epoch, so
    that no checkpoint holds an image. Beats are scaled by the 1 % and 99 % quantiles of each
    lead; artefacts beyond three times that range pass through.

    Read this before a release:

    - A translation is one to one: what is peculiar to a beat stays peculiar. Nothing random
      is drawn for a single beat, and so there is nothing to average away; but all beats of
      a person are translated alike, and an attacker who holds translations of his own
      learns to recognise them.
    - The fitted model is a key. That there and back ends at the original is what it was
      trained for: who has the model has the people. Keep it as the originals are kept.
    - Between groups of people drawn by chance there is nothing to translate, and little is
      changed: on ECG-ID 98 % of 45 people were recognised in originals and in translations
      alike, on NIH X-rays verifiers reached an AUC of 0.84 on both
      (``benchmarks/cyclegan.py``, seed 0, 2026-11-22).
    - What already looks like the target domain is left nearly as it is, as the identity
      loss asks for. Translate B from B to A.

    A draw keyed by salt and content differs between two records, and is shared by all beats
    of one. :meth:`translate` and :meth:`round_trip` leave it out.

    References
    ----------
    .. [1] J.-Y. Zhu, T. Park, P. Isola and A. A. Efros, "Unpaired image-to-image translation
       using cycle-consistent adversarial networks", ICCV, 2223-2232, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.anonymizers import CycleGANAnonymizer
    >>> rng = np.random.default_rng(0)
    >>> dark, light = rng.uniform(0, 0.5, (20, 8, 8)), rng.uniform(0.5, 1, (30, 8, 8))
    >>> model = CycleGANAnonymizer(image_shape=(8, 8), n_filters=4, max_epochs=8, lr=0.005)
    >>> model = model.set_params(random_state=0).fit(
    ...     np.concatenate([dark, light]), domain=["dark"] * 20 + ["light"] * 30
    ... )
    >>> bool(model.transform(dark).mean() > dark.mean() + 0.1)
    True
    >>> model.translate(light, "b-to-a").shape
    (30, 8, 8)
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        "direction": [StrOptions(set(DIRECTIONS))],
        "image_shape": ["array-like", None],
        "adversarial": [StrOptions(set(CRITERIA))],
        "cycle": [Interval(Real, 0, None, closed="left")],
        "identity": [Interval(Real, 0, None, closed="left")],
        "n_latent": [Interval(Integral, 1, None, closed="left")],
        "n_filters": [Interval(Integral, 1, None, closed="left")],
        "buffer_size": [Interval(Integral, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "epoch_size": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "discriminator_lr": [Interval(Real, 0, None, closed="left")],
        "checkpoint": [str, os.PathLike, None],
        "sampling_rate": [Interval(Real, 0, None, closed="neither")],
        "device": [str],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        direction: str = "a-to-b",
        image_shape: tuple[int, int] | None = None,
        adversarial: str = "least-squares",
        cycle: float = 10.0,
        identity: float = 0.5,
        n_latent: int = 4,
        n_filters: int = 16,
        buffer_size: int = 50,
        max_epochs: int = 50,
        epoch_size: int = 1600,
        batch_size: int = 8,
        lr: float = 2e-4,
        discriminator_lr: float = 2e-4,
        checkpoint: str | os.PathLike | None = None,
        sampling_rate: float = 250.0,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.direction = direction
        self.image_shape = image_shape
        self.adversarial = adversarial
        self.cycle = cycle
        self.identity = identity
        self.n_latent = n_latent
        self.n_filters = n_filters
        self.buffer_size = buffer_size
        self.max_epochs = max_epochs
        self.epoch_size = epoch_size
        self.batch_size = batch_size
        self.lr = lr
        self.discriminator_lr = discriminator_lr
        self.checkpoint = checkpoint
        self.sampling_rate = sampling_rate
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: BeatSet | ArrayLike,
        y: Any = None,
        labels: ArrayLike | None = None,
        domain: ArrayLike | None = None,
    ) -> Self:
        """Learn to translate from unpaired examples of two domains.

        Parameters
        ----------
        X : BeatSet, or array-like of shape (n_beats, n_times) or (n_beats, n_leads, n_times)
            Beats in mV, R peak at column ``n_times // 2``; or images, see `image_shape`.
        y : array-like of shape (n_records,), optional
            Subject of each record, or of each row of an array. Without `domain`, half of
            the subjects make up A and the others B.
        labels : array-like of shape (n_beats,), optional
            Clinical class of each beat; left aside here.
        domain : array-like of shape (n_records,), optional
            Domain of each record, or of each row of an array: two different values, of
            which the first in sorting order is A. By default the records are parted by
            subject, and if `y` is not known either, half of them against the others.

        Returns
        -------
        self : object
            The fitted anonymizer.

        Raises
        ------
        ValueError
            If X is not made of finite real beats or images, if there are not two domains
            with something to learn from in each, or if the training diverges.
        """
        # The frame of `fit` is the base's and knows of no domains.
        self._domain = domain
        try:
            return super().fit(X, y, labels)
        finally:
            for name in ("_domain", "_shown"):
                self.__dict__.pop(name, None)

    def translate(
        self, X: BeatSet | ArrayLike, direction: str | None = None
    ) -> BeatSet | NDArray:
        """Translate at full strength, and without the secret draw.

        Parameters
        ----------
        X : BeatSet, or array-like as in `fit`
            Beats in mV, or images.
        direction : {"a-to-b", "b-to-a"}, optional
            The parameter of that name by default.

        Returns
        -------
        X_new : BeatSet or ndarray
            What came in, translated: same shape, same dtype.
        """
        return self._apply(X, self.direction if direction is None else direction)

    def round_trip(self, X: BeatSet | ArrayLike) -> BeatSet | NDArray:
        """Translate in the direction of `transform` and back again.

        Parameters
        ----------
        X : BeatSet, or array-like as in `fit`
            Beats in mV, or images.

        Returns
        -------
        X_back : BeatSet or ndarray
            What came in, there and back: same shape, same dtype. How near it is to X is how
            much of the original the holder of the model gets back from a release.
        """
        back = DIRECTIONS[self.direction == DIRECTIONS[0]]
        return self._apply(X, self.direction, back)

    def _apply(self, X: BeatSet | ArrayLike, *directions: str) -> BeatSet | NDArray:
        check_is_fitted(self)
        beats = self._validated(X)
        values = beats.beats
        for direction in directions:
            values = self._translated(values, direction)
        new = beats.with_beats(values)
        return new if isinstance(X, BeatSet) else as_input(new, X, beats.beats.dtype)

    def _learn(self, beats: BeatSet, y: Any, seed: int, context: Any) -> None:
        size = check_image_size(beats, self.image_shape)
        of_b = self._in_b(beats, y)[beats.record]
        self._check_learnable(beats, of_b)
        self.scale_ = Scale.learn(beats.beats, size)
        images = np.clip(self.scale_.forward(beats.beats), -LIMIT, LIMIT)
        self.device_ = resolve_device(self.device)
        self._n_drawn = min(self.epoch_size, int(max(of_b.sum(), (~of_b).sum())))
        self._shown = [
            beats.beats[np.flatnonzero(rows)[:: -(-int(rows.sum()) // N_SHOWN)]]
            for rows in (~of_b, of_b)
        ]
        with seeded(seed):
            self.net_ = self._build_net()
            X = {
                "images": torch.as_tensor(images, dtype=torch.float32).to(self.device_),
                "of_b": torch.from_numpy(of_b).to(self.device_),
            }
            watch = self._watch(images, of_b)
            self.history_ = train_watched(self.net_, X, watch, estimator=self, context=context)
        self.n_iter_ = len(self.history_["dur"])
        # What the judges have learnt of the training data is not kept.
        with seeded(0):
            trained, self.net_ = self.net_.module_, self._build_net()
        self.net_.module_.load_state_dict(trained.state_dict())

    def _in_b(self, beats: BeatSet, y: Any) -> NDArray[np.bool_]:
        """Tell which records are of domain B."""
        n_records = len(beats)
        if self._domain is not None:
            domain = np.asarray(self._domain)
            if domain.shape != (n_records,):
                raise ValueError(
                    f"domain has shape {domain.shape}; want one for each of the "
                    f"{n_records} records (rows)."
                )
            self.domains_ = np.unique(domain)
            if len(self.domains_) != 2:
                raise ValueError(
                    f"domain names {len(self.domains_)} domain(s), "
                    f"{self.domains_.tolist()[:5]}; there must be two, A and B."
                )
            return domain == self.domains_[1]
        if y is None:
            y = np.arange(n_records)
        y = np.asarray(column_or_1d(y))
        check_consistent_length(np.empty(n_records), y)
        subjects = np.unique(y)
        if len(subjects) < 2:
            raise ValueError(
                f"X is of 1 subject only (n_samples={n_records}), who cannot be parted into "
                "two domains; give domain, or records of two subjects or more."
            )
        self.domains_ = np.array(["a", "b"])
        # The same whatever the seed, so that a checkpoint can be gone on with.
        mixed = np.random.default_rng(0).permutation(subjects)
        return np.isin(y, mixed[len(mixed) // 2 :])

    def _check_learnable(self, beats: BeatSet, of_b: NDArray[np.bool_]) -> None:
        """Refuse what nothing can be learnt from."""
        if beats.beats[0].size < 2:
            raise ValueError("X has windows of 1 sample; a translation needs 2 or more.")
        for name, rows in zip(self.domains_.tolist(), (~of_b, of_b), strict=True):
            part = beats.beats[rows]
            if len(part) == 0:
                raise ValueError(
                    f"domain {name!r} is empty: its records have no beats; leave them out, "
                    "and see that some are left."
                )
            if part.min() == part.max():
                raise ValueError(
                    f"every value of domain {name!r} is {part.flat[0]:g}; there is nothing "
                    "to learn from constant images."
                )

    def _build_net(self) -> CycleNet:
        n_channels, height, width = self.scale_.shape
        shape = {"n_channels": n_channels, "height": height, "width": width}
        shape["n_filters"] = self.n_filters
        settings: dict[str, Any] = {
            **{f"module__{name}": value for name, value in shape.items()},
            **{f"discriminator__{name}": value for name, value in shape.items()},
            **FIXED,
            "iterator_train": ResidentPairs,
            "iterator_train__n_drawn": self._n_drawn,
        }
        net = CycleNet(
            TwoTranslators,
            discriminator=TwoDiscriminators,
            module__n_latent=self.n_latent,
            criterion=CRITERIA[self.adversarial],
            optimizer=torch.optim.Adam,
            optimizer__betas=(0.5, 0.999),
            lr=self.lr,
            discriminator_lr=self.discriminator_lr,
            cycle=self.cycle,
            identity=self.identity * self.cycle,
            n_latent=self.n_latent,
            buffer_size=self.buffer_size,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            device=self.device_,
            **settings,
        )
        return net.initialize()

    def _watch(self, images: NDArray, of_b: NDArray) -> CycleWatch:
        parameters = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if name not in ("strength", "direction", "checkpoint", "device")
        }
        if not isinstance(self.random_state, Integral):
            del parameters["random_state"]
        data = hashlib.blake2b(np.ascontiguousarray(images).data, digest_size=16)
        data.update(of_b.data)
        return CycleWatch(
            lr=self.lr,
            discriminator_lr=self.discriminator_lr,
            max_epochs=self.max_epochs,
            checkpoint=self.checkpoint,
            stamp={"data": data.hexdigest(), "parameters": repr(parameters)},
        )

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        latents = draws.for_records(self.n_latent)[beats.record]
        new = self._translated(beats.beats, self.direction, latents)
        return beats.with_beats((1 - self.strength) * beats.beats + self.strength * new)

    def _translated(
        self, values: NDArray, direction: str, drawn: NDArray | None = None
    ) -> NDArray[np.float64]:
        """Return translations of windows; draws are 0 by default."""
        if direction not in DIRECTIONS:
            raise ValueError(f"direction is {direction!r}; give one of {list(DIRECTIONS)}.")
        if drawn is None:
            drawn = np.zeros((len(values), self.n_latent))
        new = np.empty(values.shape)
        translate = _Inference(self.net_.module_, direction, self.device_)
        for rows in gen_batches(len(values), max(CHUNK // values[0].size, 1)):
            images = self.scale_.forward(values[rows])
            inside = np.clip(images, -LIMIT, LIMIT)
            images += translate(inside, drawn[rows]) - inside
            new[rows] = self.scale_.backward(images).reshape(new[rows].shape)
        return new

    def _preview_rows(self, n_columns: int) -> dict[str, NDArray]:
        """Return examples with their translations, there and back, while training goes on."""
        rows: dict[str, NDArray] = {}
        for here, other, values in zip("AB", "BA", self._shown, strict=True):
            few = values[:: -(-len(values) // n_columns)]
            there, back = DIRECTIONS if here == "A" else DIRECTIONS[::-1]
            new = self._translated(few, there)
            rows |= {here: few, f"{here} to {other}": new}
            rows[f"{here}, back"] = self._translated(new, back)
        return rows


class _Inference:
    """Runs a translator on arrays, in float64: no row depends on the batch it came in."""

    def __init__(self, module: nn.Module, direction: str, device: str) -> None:
        one = getattr(module, direction.replace("-", "_"))
        self.module = copy.deepcopy(one).double().eval()
        self.device = device

    def __call__(self, images: NDArray, drawn: NDArray) -> NDArray[np.float64]:
        x, z = (torch.from_numpy(part).to(self.device) for part in (images, drawn))
        with torch.no_grad(), single_thread():
            return self.module(x, z).cpu().numpy()
