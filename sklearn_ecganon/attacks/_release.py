"""A release of images against verifiers that were trained for it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length
from torch.nn import functional as F

from sklearn_ecganon.attacks._pairs import verification_pairs
from sklearn_ecganon.attacks._result import WeakAttackWarning
from sklearn_ecganon.attacks._verification import (
    SiameseVerifier,
    VerificationRow,
    verification_row,
)

# Side of the images whose pixels are correlated.
SIDE = 32


@dataclass(frozen=True)
class VerificationResult:
    """What verifiers make of a release: several of a kind, for their spread.

    Parameters
    ----------
    rows : tuple of VerificationRow
        One for each verifier and rung, and those of the correlation of pixels.
    n_train, n_test : int
        People that verifiers learnt from, and others whom they were asked about.
    """

    rows: tuple[VerificationRow, ...]
    n_train: int
    n_test: int

    @property
    def weak(self) -> bool:
        """True if verifiers did no better on originals than the correlation of pixels."""
        return bool(self.auc("original").mean() <= self.auc("original", "pixels").mean())

    def auc(self, knowledge: str, attacker: str = "siamese") -> NDArray[np.float64]:
        """Return the AUC of each verifier of a rung.

        Parameters
        ----------
        knowledge : {"original", "ignorant", "lazy-informed", "semi-informed"}
            The rung.
        attacker : {"siamese", "pixels"}, default="siamese"
            Who.

        Returns
        -------
        auc : ndarray of shape (n_verifiers,)
            In the order of the seeds; empty if nobody tried.
        """
        return np.array(
            [r.auc for r in self.rows if (r.attacker, r.knowledge) == (attacker, knowledge)]
        )

    @property
    def worst(self) -> tuple[str, str, float]:
        """Attacker, knowledge and mean AUC of the strongest attack on the release."""
        rungs = dict.fromkeys(
            (r.attacker, r.knowledge) for r in self.rows if r.knowledge != "original"
        )
        means = [(who, knows, float(self.auc(knows, who).mean())) for who, knows in rungs]
        return max(means, key=lambda found: found[2])

    @property
    def fall(self) -> float:
        """Share of the AUC above guessing, on originals, that the strongest attack loses.

        NaN where there is nothing to lose.
        """
        before = max(self.auc("original", who).mean() for who in ("siamese", "pixels")) - 0.5
        return float(1 - (self.worst[2] - 0.5) / before) if before > 0 else np.nan

    @property
    def privacy(self) -> float:
        """1 where the strongest attack does no better than guessing, 0 where it is sure."""
        return float(np.clip(2 - 2 * self.worst[2], 0, 1))

    def to_records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries, ready for ``pandas.DataFrame``."""
        return [row._asdict() for row in self.rows]

    def __str__(self) -> str:
        first = self.rows[0]
        lines = [
            f"verification: {self.n_train} people to learn from, {self.n_test} others, "
            f"{first.n_subjects} of them with {first.n_pairs // 2} genuine pairs",
            f"{'attacker':<10}{'knowledge':<15}{'AUC, mean (SD)':<18}{'EER':<8}verifiers",
        ]
        for who, knows in dict.fromkeys((r.attacker, r.knowledge) for r in self.rows):
            found = self.auc(knows, who)
            rates = [r.eer for r in self.rows if (r.attacker, r.knowledge) == (who, knows)]
            spread = f" ({found.std(ddof=1):.3f})" if len(found) > 1 else ""
            lines.append(
                f"{who:<10}{knows:<15}{f'{found.mean():.3f}{spread}':<18}"
                f"{np.mean(rates):<8.3f}{len(found)}"
            )
        who, knows, mean = self.worst
        lines.append(
            f"worst: AUC {mean:.3f} by {who}, {knows}; of what originals give beyond guessing "
            f"{1 - self.fall:.0%} is left; privacy {self.privacy:.2f}"
        )
        if self.weak:
            lines.append("WEAK ATTACK: no better on originals than pixels; proves nothing.")
        return "\n".join(lines)


def verify_release(
    verifier: SiameseVerifier,
    originals: ArrayLike,
    released: ArrayLike,
    y: ArrayLike,
    test: ArrayLike,
    *,
    match: ArrayLike | None = None,
    n_retrain: int = 5,
) -> VerificationResult:
    """Train verifiers from scratch for a release, and ask them about other people.

    An attacker holds originals of named people, and wants to know which released images are
    of the same people. On the ladder of :class:`ReidentificationScorer`:

    - ``ignorant``: his verifier was trained on originals, and compares an original with a
      released image.
    - ``lazy-informed``: the same verifier, but he anonymizes his originals with the same
      software before it compares.
    - ``semi-informed``: he trains on pairs of an original and a released image, from
      scratch. This one is the figure to report, unless another is higher.

    Parameters
    ----------
    verifier : SiameseVerifier
        Settings; it is cloned, not trained.
    originals : array-like of shape (n, ...)
        Images or signals, as `verifier` takes them.
    released : array-like of the shape of `originals`
        The same after the anonymizer. The attacker's own, those not in `test`, may come
        from the same software with another secret.
    y : array-like of shape (n,)
        The person in each.
    test : array-like of bool of shape (n,)
        Whom verifiers are asked about and never trained on: all images of a person, or
        none.
    match : array-like of shape (n,) or (n, n_columns), optional
        View, sex: as in :func:`verification_pairs`.
    n_retrain : int, default=5
        Verifiers of each kind.

    Returns
    -------
    result : VerificationResult
        AUC and EER of all of them on originals (``"original"``) and on the release, and
        those of the correlation of 32 x 32 pixels.

    Raises
    ------
    ValueError
        If a person is on both sides, there is nobody on one of them, or no pairs can be
        made.

    Warns
    -----
    WeakAttackWarning
        If verifiers do no better on originals than the correlation of pixels.

    Notes
    -----
    The evaluation of [1]_, where verifiers are trained from scratch on pairs of two released
    images, and asked about pairs of a released image and an original. Deviation: here they
    are trained on the kind of pair that they are asked about, as an attacker would.

    What is ``lazy-informed`` here compares two images of one release, and so of one secret,
    which is as good as two where each image is drawn for on its own. A genuine pair is never
    an image and its own release, but in training for people of whom there is a single
    image.

    References
    ----------
    .. [1] K. Packhäuser et al., "Deep learning-based anonymization of chest radiographs: a
       utility-preserving measure for patient privacy", MICCAI, 262-272, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.attacks import SiameseVerifier, verify_release
    >>> rng = np.random.default_rng(0)
    >>> y, t = np.repeat(np.arange(40), 4), np.arange(64)
    >>> rhythm, start = rng.uniform(0.1, 1, 40)[y, None], rng.uniform(0, 6, (160, 1))
    >>> X = np.sin(rhythm * t + start)
    >>> noisy = X + 2 * rng.normal(size=X.shape)
    >>> verifier = SiameseVerifier(width=4, max_epochs=6, batch_size=16, random_state=0)
    >>> result = verify_release(verifier, X, noisy, y, test=y >= 20, n_retrain=2)
    >>> bool(result.auc("original").mean() > result.auc("semi-informed").mean())
    True
    """
    originals, released, y = np.asarray(originals), np.asarray(released), np.asarray(y)
    test = np.asarray(test, dtype=bool)
    check_consistent_length(originals, released, y, test)
    if originals.shape != released.shape:
        raise ValueError(
            f"released has shape {released.shape}, originals {originals.shape}; give the same "
            "images, in the same order."
        )
    both = np.intersect1d(y[test], y[~test])
    if len(both) or test.all() or not test.any():
        raise ValueError(
            f"{len(both)} people are on both sides of test, with {test.sum()} of {len(y)} "
            "images in it; a person must be on one side, and neither may be empty."
        )
    if n_retrain < 1:
        raise ValueError(f"n_retrain is {n_retrain}; want 1 or more.")
    left, right, people = originals[test], released[test], y[test]
    asked: dict[str, Any] = {
        "match": None if match is None else np.asarray(match)[test],
        "random_state": 0,
    }
    pairs, is_genuine = verification_pairs(people, **asked)
    rows = []
    for knowledge, one, other in (
        ("original", left, left),
        ("ignorant", left, right),
        ("lazy-informed", right, right),
    ):
        scores = _correlations(verifier, one, other, pairs)
        row = verification_row(scores, pairs, is_genuine, people)
        rows.append(row._replace(attacker="pixels", knowledge=knowledge))
    seeds = check_random_state(verifier.random_state).randint(2**31 - 1, size=n_retrain)
    for seed in seeds.tolist():
        naive = clone(verifier).set_params(random_state=seed)
        naive.fit(originals[~test], y[~test])
        informed = clone(naive).fit(originals[~test], y[~test], released[~test])
        for knowledge, net, one, other in (
            ("original", naive, left, left),
            ("ignorant", naive, left, right),
            ("lazy-informed", naive, right, right),
            ("semi-informed", informed, left, right),
        ):
            row = net.evaluate(one, people, released=other, **asked)
            rows.append(row._replace(knowledge=knowledge, seed=seed))
    found = VerificationResult(tuple(rows), len(np.unique(y[~test])), len(np.unique(people)))
    if found.weak:
        warnings.warn(
            f"verifiers reach an AUC of {found.auc('original').mean():.3f} on originals, no "
            f"more than the correlation of pixels, {found.auc('original', 'pixels')[0]:.3f}: "
            "their failure on a release proves nothing. Train them longer, on more people.",
            WeakAttackWarning,
            stacklevel=2,
        )
    return found


def _correlations(
    verifier: SiameseVerifier, left: NDArray, right: NDArray, pairs: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the correlation of the pixels of each pair, of images made smaller first."""
    shapes = []
    for side in (left, right):
        rows = torch.from_numpy(verifier._arranged(side.astype(np.float32)))
        if rows.ndim == 4 and max(rows.shape[2:]) > SIDE:
            rows = F.adaptive_avg_pool2d(rows, SIDE)
        flat = rows.flatten(1).double().numpy()
        centred = flat - flat.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        shapes.append(centred / np.maximum(norms, 1e-12))
    return (shapes[0][pairs[:, 0]] * shapes[1][pairs[:, 1]]).sum(axis=1)
