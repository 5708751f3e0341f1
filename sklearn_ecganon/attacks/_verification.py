"""The attacker on images, who tells whether two are of one person."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)
from skorch import NeuralNet

from sklearn_ecganon._validation import is_records
from sklearn_ecganon.attacks._pairs import check_people, verification_pairs
from sklearn_ecganon.networks._verifier import PairLoss, VerificationNet
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training._nets import (
    FIXED,
    NetStateMixin,
    one_cycle,
    resolve_device,
    seeded,
    single_thread,
    train,
)
from sklearn_ecganon.training._subjects import ResidentSubjects

CHUNK = 256


class VerificationRow(NamedTuple):
    """How well pairs of one person were told from pairs of two.

    Attributes
    ----------
    auc : float
        Area under the receiver operating characteristic: 0.5 for guessing.
    eer : float
        Rate at which false matches and false non-matches are equal: 0.5 for guessing.
    n_pairs : int
        Genuine and impostor pairs, half of each.
    n_subjects : int
        People with genuine pairs.
    attacker : {"siamese", "pixels"}
        A trained verifier, or the correlation of pixels, which needs no training.
    knowledge : {"original", "ignorant", "lazy-informed", "semi-informed"}
        What the attacker was trained on and is asked about, as in :func:`verify_release`.
    seed : int or None
        Of the verifier.
    """

    auc: float
    eer: float
    n_pairs: int
    n_subjects: int
    attacker: str = "siamese"
    knowledge: str = "original"
    seed: int | None = None


class SiameseVerifier(NetStateMixin, BaseEstimator):
    """Learn to tell whether two images, or two signals, are of one person.

    One residual network makes a point of each side of a pair; the closer the points, the
    likelier one person. It is trained from scratch, on pairs of all the people in X, and
    asked about people it has never seen: split by patient first. Trained on
    ``released=``, it is the attacker who knows the anonymizer.

    :class:`ReidentificationScorer` is the attacker on ECG: it names people of a known
    gallery, with beats as evidence, on the full ladder. A chest X-ray archive has hundreds
    of patients with an image or two of each: nothing to learn a person from, and the
    question is rather whether two images belong together. This is the attacker for it.
    :meth:`score_matrix` gives the scores of a gallery, if people are to be named.

    Parameters
    ----------
    kind : {"auto", "signals", "images"}, default="auto"
        What X holds. ``"auto"``: (n, n_times) are signals unless `image_shape` is given,
        (n, h, w) are images; for (n, n_leads, n_times) say ``"signals"``.
    image_shape : tuple of int, optional
        Height and width of images that come flattened, one a row.
    width : int, default=8
        Channels of the first stage of the network, ResNet-18 but narrower.
    augment : bool, default=True
        Change images and signals while training as another visit would: other place, size
        and exposure; other drift and noise. Images are not flipped.
    max_epochs : int, default=20
        Passes over the training data, as many pairs as there are images each.
    batch_size : int, default=64
        Pairs of a step; each left side is compared with each right side.
    lr : float, default=0.003
        Largest learning rate of AdamW, on a one-cycle schedule.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or whichever is there.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, pairs and changes.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The network.
    device_ : str
        Where it was trained.
    history_ : dict of str to ndarray of shape (max_epochs,)
        ``train_loss`` and ``dur`` (seconds).
    n_iter_ : int
        Epochs trained.
    n_features_in_ : int
        Columns of X, or its second dimension.

    See Also
    --------
    verify_release : Trains it anew, several times, against a release.
    verification_pairs : The pairs it is asked about.
    ReidentificationScorer : The attacker on ECG.

    Notes
    -----
    After [1]_ and the source code of [2]_: a ResNet-50, pretrained on ImageNet, makes 128
    numbers of either image of 256 pixels a side, and a dense layer takes their absolute
    differences; Adam 1e-4, batches of 32 out of 10,000 pairs that were drawn once.
    Deviations, all of them because there are a thousand images here and not a hundred
    thousand: a ResNet-18 with fewer channels and no pretraining; its last stage averaged
    over 3 x 3 cells (8 stretches of a signal) and not as a whole; the scaled cosine of both
    points; every left side of a batch against every right side, genuine and impostor pairs
    weighing alike, so that the answer is a probability where both are equally frequent;
    people of whom there is one image paired with themselves, changed.

    On 1000 images of 128 pixels of NIH ChestX-ray14, three folds by patient, pairs of the
    same view and sex, five verifiers a fold: AUC 0.831 (0.817 to 0.836 by seed, standard
    deviation within a fold 0.016), where the correlation of pixels has 0.721
    (``benchmarks/verification.py auc``, 2026-11-22).

    References
    ----------
    .. [1] K. Packhäuser et al., "Deep learning-based patient re-identification is able to
       exploit the biometric nature of medical chest X-ray data", Scientific Reports 12,
       14851, 2022.
    .. [2] K. Packhäuser et al., "Deep learning-based anonymization of chest radiographs: a
       utility-preserving measure for patient privacy", MICCAI, 262-272, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.attacks import SiameseVerifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(40), 4)
    >>> X = rng.normal(size=(40, 8))[y].repeat(8, axis=1) + 0.3 * rng.normal(size=(160, 64))
    >>> known = y < 20
    >>> verifier = SiameseVerifier(width=4, max_epochs=5, batch_size=16, random_state=0)
    >>> row = verifier.fit(X[known], y[known]).evaluate(X[~known], y[~known])
    >>> row.auc > 0.9
    True
    """

    _parameter_constraints: dict = {
        "kind": [StrOptions({"auto", "signals", "images"})],
        "image_shape": [tuple, list, None],
        "width": [Interval(Integral, 1, None, closed="left")],
        "augment": ["boolean"],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        kind: str = "auto",
        *,
        image_shape: tuple[int, int] | None = None,
        width: int = 8,
        augment: bool = True,
        max_epochs: int = 20,
        batch_size: int = 64,
        lr: float = 3e-3,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.kind = kind
        self.image_shape = image_shape
        self.width = width
        self.augment = augment
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, released: ArrayLike | None = None) -> Self:
        """Learn from images of known people.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h * w), (n, n_times) or (n, n_leads, n_times)
            Images, or signals; originals.
        y : array-like of shape (n,)
            The person in each. Two people or more, one of them with two images or more.
        released : array-like of the shape of X, optional
            The same images after an anonymizer. If given, the left side of every pair is an
            original and the right side a released image: the semi-informed attacker.

        Returns
        -------
        self : SiameseVerifier
            The trained verifier.

        Raises
        ------
        ValueError
            If there is one person, nobody with two images, or X and `released` differ in
            shape or are no images or signals.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        rows = self._rows(X, reset=True)
        subjects = self._subjects(y, rows)
        self._layout = rows.shape[1:]
        self._low = float(rows.min())
        self._range = float(rows.max()) - self._low or 1.0
        # A subject's rows lie together, so that batches are drawn without a search.
        order = np.argsort(subjects, kind="stable")
        views = [rows] if released is None else [rows, self._released(released, rows)]
        self._n_steps = self.max_epochs * -(-len(rows) // self.batch_size)
        self.device_ = resolve_device(self.device)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with seeded(seed):
            self.net_ = self._build_net()
            stacked = torch.stack([self._tensor(view[order]) for view in views], dim=1)
            owners = torch.from_numpy(subjects[order]).to(self.device_)
            self.history_ = train(self.net_, stacked, owners)
        self.n_iter_ = len(self.history_["train_loss"])
        return self

    def embed(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return where in the learnt space images lie.

        Parameters
        ----------
        X : array-like
            Images or signals as in `fit`.

        Returns
        -------
        points : ndarray of shape (n, 64)
            Of length 1.
        """
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        net = self.net_.module_.eval()
        with torch.no_grad(), single_thread():
            parts = [net.embed(self._tensor(rows[b])) for b in gen_batches(len(rows), CHUNK)]
            return torch.cat(parts).cpu().numpy()

    def score_pairs(self, X_left: ArrayLike, X_right: ArrayLike) -> NDArray[np.float64]:
        """Return how likely each pair is of one person.

        Parameters
        ----------
        X_left, X_right : array-like
            Images or signals as in `fit`, as many of each.

        Returns
        -------
        scores : ndarray of shape (n,)
            Probabilities, where half of all pairs are of one person.
        """
        left, right = self.embed(X_left), self.embed(X_right)
        check_consistent_length(left, right)
        return self._probability((left * right).sum(axis=1))

    def score_matrix(self, X: ArrayLike, gallery: ArrayLike) -> NDArray[np.float64]:
        """Return how likely each probe and each gallery image are of one person.

        With one image of each person in the gallery these are the scores that
        :func:`sklearn_ecganon.metrics.cmc_curve` and
        :func:`sklearn_ecganon.metrics.rank_k` take.

        Parameters
        ----------
        X, gallery : array-like
            Images or signals as in `fit`.

        Returns
        -------
        scores : ndarray of shape (n_probes, n_gallery)
            Probabilities as those of :meth:`score_pairs`.
        """
        return self._probability(self.embed(X) @ self.embed(gallery).T)

    def evaluate(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        released: ArrayLike | None = None,
        match: ArrayLike | None = None,
        max_per_subject: int | None = 10,
        random_state: int | np.random.RandomState | None = 0,
    ) -> VerificationRow:
        """Ask about pairs of people who were not in `fit`.

        Parameters
        ----------
        X : array-like
            Images or signals as in `fit`, of other people.
        y : array-like of shape (n,)
            The person in each.
        released : array-like of the shape of X, optional
            The same images after an anonymizer, from which the right sides then come. A
            pair is never an image and its own release.
        match, max_per_subject, random_state
            As in :func:`verification_pairs`.

        Returns
        -------
        row : VerificationRow
            AUC and EER.

        Raises
        ------
        ValueError
            If no pairs can be made of these people.
        """
        check_is_fitted(self)
        pairs, is_genuine = verification_pairs(
            y, match=match, max_per_subject=max_per_subject, random_state=random_state
        )
        points = self.embed(X)
        check_consistent_length(points, y)
        others = points if released is None else self.embed(released)
        check_consistent_length(points, others)
        scores = (points[pairs[:, 0]] * others[pairs[:, 1]]).sum(axis=1)
        return verification_row(scores, pairs, is_genuine, y)

    def _build_net(self) -> NeuralNet:
        net = NeuralNet(
            VerificationNet,
            module__n_dims=len(self._layout) - 1,
            module__n_channels=self._layout[0],
            module__width=self.width,
            module__augment=self.augment,
            criterion=PairLoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=0.05,
            lr=self.lr,
            callbacks=[one_cycle(self.lr, self._n_steps)],
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            device=self.device_,
            **{**FIXED, "iterator_train": ResidentSubjects},
        )
        return net.initialize()

    def _probability(self, cosines: NDArray) -> NDArray[np.float64]:
        net = self.net_.module_
        with torch.no_grad():
            scale, bias = float(net.log_scale.exp()), float(net.bias)
        return 1 / (1 + np.exp(-(scale * cosines.astype(np.float64) + bias)))

    def _tensor(self, rows: NDArray) -> torch.Tensor:
        """Return rows on the device, training images from 0 to 1."""
        scaled = (rows - np.float32(self._low)) / np.float32(self._range)
        return torch.from_numpy(scaled).to(self.device_)

    def _subjects(self, y: ArrayLike, rows: NDArray) -> NDArray[np.intp]:
        y = np.asarray(column_or_1d(y, warn=True))
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity.")
        check_consistent_length(rows, y)
        subjects = np.unique(y, return_inverse=True)[1]
        check_people(subjects)
        return subjects

    def _rows(self, X: ArrayLike, *, reset: bool) -> NDArray[np.float32]:
        """Return images as (n, 1, h, w) and signals as (n, n_leads, n_times)."""
        if isinstance(X, BeatSet) or is_records(X):
            raise ValueError(
                f"X is made of ECG records; {type(self).__name__} takes arrays of images or "
                "signals. Give the windows of a BeatSet, beats.beats with kind='signals', or "
                "take ReidentificationScorer."
            )
        rows = validate_data(self, X, reset=reset, allow_nd=True, dtype=np.float32)
        rows = self._arranged(rows)
        if not reset and rows.shape[1:] != self._layout:
            raise ValueError(
                f"X has {_words(rows.shape[1:])}, but {type(self).__name__} was fitted on "
                f"{_words(self._layout)}."
            )
        return rows

    def _arranged(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        shape = None if self.image_shape is None else tuple(self.image_shape)
        if shape is not None and rows.ndim == 2:
            if len(shape) != 2 or np.prod(shape) != rows.shape[1]:
                raise ValueError(
                    f"image_shape={shape} does not fit X with {rows.shape[1]} columns; want "
                    "(height, width), their product."
                )
            return rows.reshape(-1, 1, *shape)
        signals = self.kind == "signals" or (self.kind == "auto" and rows.ndim == 2)
        if signals and rows.ndim == 2:
            return rows[:, np.newaxis]
        if rows.ndim == 3 and 0 not in rows.shape:
            return rows if signals else rows[:, np.newaxis]
        raise ValueError(
            f"X has shape {rows.shape}; want images (n, h, w), or flattened with "
            "image_shape=, or signals (n, n_times) or (n, n_leads, n_times), as kind= says."
        )

    def _released(self, released: ArrayLike, rows: NDArray) -> NDArray[np.float32]:
        others = self._rows(released, reset=False)
        if len(others) != len(rows):
            raise ValueError(
                f"released has {len(others)} rows, X has {len(rows)}; give one for each."
            )
        return others

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        return tags


def verification_row(
    scores: NDArray, pairs: NDArray[np.intp], is_genuine: NDArray[np.bool_], y: ArrayLike
) -> VerificationRow:
    """Return AUC and EER of the scores of pairs."""
    false, true, _ = roc_curve(is_genuine, scores, drop_intermediate=False)
    return VerificationRow(
        auc=float(roc_auc_score(is_genuine, scores)),
        # Where false matches become more than false non-matches.
        eer=float(np.interp(0, false - (1 - true), false)),
        n_pairs=len(pairs),
        n_subjects=len(np.unique(np.asarray(y)[pairs[is_genuine, 0]])),
    )


def _words(layout: tuple[int, ...]) -> str:
    if len(layout) == 3:
        return f"images of {layout[1]} x {layout[2]} pixels"
    return f"signals of {layout[0]} lead(s) and {layout[1]} samples"
