"""A release of images, evaluated by verifiers that were trained against it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length
from torch.nn import functional as F

from sklearn_ecganon.exceptions import WeakAttackWarning
from sklearn_ecganon.images._matching import MatchingVerifier
from sklearn_ecganon.images._pair_verifier import VerificationRow, verification_row
from sklearn_ecganon.images._pairs import verification_pairs
from sklearn_ecganon.images._validation import check_images
from sklearn_ecganon.images._verifier import SiameseVerifier

# Side of the images whose pixels are correlated.
SIDE = 32

Verifier = SiameseVerifier | MatchingVerifier


@dataclass(frozen=True)
class VerificationResult:
    """How well verifiers recognize people in a release.

    Several verifiers of a kind show the spread.

    Parameters
    ----------
    rows : tuple of VerificationRow
        One for each verifier, level of knowledge and evidence, and those of the correlation
        of pixels.
    n_train, n_test : int
        People that verifiers learned from, and others on whom they were evaluated.
    """

    rows: tuple[VerificationRow, ...]
    n_train: int
    n_test: int

    @property
    def weak(self) -> bool:
        """True if no verifier did better on originals than the correlation of pixels."""
        return self._best_verifier <= self.auc("original", "pixels").mean()

    @property
    def attackers(self) -> tuple[str, ...]:
        """Names of the attackers, without repetition."""
        return tuple(dict.fromkeys(row.attacker for row in self.rows))

    def auc(
        self, knowledge: str, attacker: str = "siamese", evidence: str = "single"
    ) -> NDArray[np.float64]:
        """Return the AUC of each verifier at a level of knowledge.

        Parameters
        ----------
        knowledge : {"original", "ignorant", "lazy-informed", "semi-informed"}
            The level.
        attacker : {"siamese", "matching", "pixels"}, default="siamese"
            Which attacker.
        evidence : {"single", "linked"}, default="single"
            One original of a person, or all of them.

        Returns
        -------
        auc : ndarray of shape (n_verifiers,)
            In the order of the seeds; empty if there was no such attack.
        """
        return np.array(
            [r.auc for r in self.rows if _attack(r) == (attacker, knowledge, evidence)]
        )

    @property
    def worst(self) -> tuple[str, str, str, float]:
        """Attacker, knowledge, evidence and mean AUC of the strongest attack on the release."""
        attacks = dict.fromkeys(_attack(r) for r in self.rows if r.knowledge != "original")
        means = [
            (attacker, knowledge, evidence, self._mean(attacker, knowledge, evidence))
            for attacker, knowledge, evidence in attacks
        ]
        return max(means, key=lambda attack: attack[-1])

    @property
    def fall(self) -> float:
        """Fraction of the AUC above guessing, on originals, that the strongest attack loses.

        NaN where no attack on originals does better than guessing.
        """
        pixels = self._mean("pixels", "original", "single")
        before = max(self._best_verifier, pixels) - 0.5
        return float(1 - (self.worst[-1] - 0.5) / before) if before > 0 else np.nan

    @property
    def privacy(self) -> float:
        """1 where the strongest attack does no better than guessing, 0 where it is certain."""
        return float(np.clip(2 - 2 * self.worst[-1], 0, 1))

    @property
    def _best_verifier(self) -> float:
        """Mean AUC on originals of the strongest verifier."""
        attacks = dict.fromkeys(_attack(r) for r in self.rows if r.knowledge == "original")
        return max(self._mean(*attack) for attack in attacks if attack[0] != "pixels")

    def _mean(self, attacker: str, knowledge: str, evidence: str) -> float:
        return float(self.auc(knowledge, attacker, evidence).mean())

    def to_records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries.

        Returns
        -------
        records : list of dict
            One dictionary for each row, ready for ``pandas.DataFrame``.
        """
        return [row._asdict() for row in self.rows]

    def __str__(self) -> str:
        first = self.rows[0]
        lines = [
            f"verification: trained on {self.n_train} people, evaluated on {self.n_test} "
            f"others, {first.n_subjects} of them with {first.n_pairs // 2} genuine pairs",
            f"{'attacker':<10}{'knowledge':<15}{'originals':<11}{'AUC, mean (SD)':<18}"
            f"{'EER':<8}verifiers",
        ]
        for attack in dict.fromkeys(_attack(r) for r in self.rows):
            rows = [r for r in self.rows if _attack(r) == attack]
            auc = np.array([r.auc for r in rows])
            spread = f" ({auc.std(ddof=1):.3f})" if len(auc) > 1 else ""
            lines.append(
                f"{attack[0]:<10}{attack[1]:<15}{attack[2]:<11}"
                f"{f'{auc.mean():.3f}{spread}':<18}"
                f"{np.mean([r.eer for r in rows]):<8.3f}{len(rows)}"
            )
        attacker, knowledge, evidence, mean = self.worst
        lines.append(
            f"worst: AUC {mean:.3f} by {attacker}, {knowledge}, {evidence}; "
            f"{1 - self.fall:.0%} of the AUC above guessing on originals is left; "
            f"privacy {self.privacy:.2f}"
        )
        if self.weak:
            lines.append(
                "WEAK ATTACK: no better on originals than pixels, so that this proves nothing."
            )
        return "\n".join(lines)


def verify_release(
    attackers: Verifier | Sequence[Verifier],
    originals: ArrayLike,
    released: ArrayLike,
    y: ArrayLike,
    test: ArrayLike,
    *,
    match: ArrayLike | None = None,
    n_retrain: int = 5,
) -> VerificationResult:
    """Train verifiers from scratch against a release, and evaluate them on other people.

    The attacker holds originals of known people, and wants to find out which released
    images are of the same people. What they know of the anonymizer differs:

    - ``ignorant``: their verifier was trained on originals, and compares an original with a
      released image.
    - ``lazy-informed``: the same verifier, but they anonymize their originals with the same
      software before it compares.
    - ``semi-informed``: they train on pairs of an original and a released image, from
      scratch. This is the figure to report, unless another one is higher.

    Each attacker compares a released image with one original of a person (``single``), and
    with all originals of this person that have the same values of `match` (``linked``).

    Parameters
    ----------
    attackers : SiameseVerifier, MatchingVerifier, or sequence of them
        Settings; they are cloned, not trained. Give both kinds: the strongest attack
        counts.
    originals : array-like of shape (n, h, w), or (n, h * w)
        Images, as the attackers take them.
    released : array-like of the shape of `originals`
        The same after the anonymizer. The attacker's, which are those not in `test`, may
        come from the same software with another secret.
    y : array-like of shape (n,)
        The person in each.
    test : array-like of bool of shape (n,)
        Images on which verifiers are evaluated and never trained: all images of a person,
        or none.
    match : array-like of shape (n,) or (n, n_columns), optional
        View and sex, as in :func:`verification_pairs`.
    n_retrain : int, default=5
        How many networks are trained of each :class:`SiameseVerifier`, with different
        seeds. A :class:`MatchingVerifier` hardly depends on its seed and is trained once.

    Returns
    -------
    result : VerificationResult
        AUC and EER of all of them on originals (``"original"``) and on the release, and
        those of the correlation of 32 x 32 pixels.

    Raises
    ------
    ValueError
        If a person is on both sides, one side is empty, no pairs can be formed, there is no
        attacker, or there are two of one kind.

    Warns
    -----
    WeakAttackWarning
        If verifiers do no better on originals than the correlation of pixels.

    Notes
    -----
    The evaluation of [1]_, where verifiers are trained from scratch on pairs of two released
    images, and evaluated on pairs of a released image and an original. Deviation: here they
    are trained on the kind of pair on which they are evaluated, as an attacker would do.

    What is ``lazy-informed`` here compares two images of one release, and so of one secret;
    if each image has its own draw, this is equivalent to two secrets. A genuine pair is
    never an image and its release, except in training for people with a single image.

    References
    ----------
    .. [1] K. Packhäuser et al., "Deep learning-based anonymization of chest radiographs: a
       utility-preserving measure for patient privacy", MICCAI, 262-272, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.images import SiameseVerifier, verify_release
    >>> rng = np.random.default_rng(0)
    >>> y, t = np.repeat(np.arange(40), 4), np.arange(16)
    >>> rate, start = rng.uniform(0.2, 1.5, 40)[y, None], rng.uniform(0, 6, (160, 1))
    >>> stripes = np.sin(rate * t + start)
    >>> X = stripes[:, :, None] + stripes[:, None, :]
    >>> noise = rng.normal(size=X.shape)
    >>> verifier = SiameseVerifier(width=4, max_epochs=6, batch_size=16, random_state=0)
    >>> result = verify_release(verifier, X, noise, y, test=y >= 20, n_retrain=2)
    >>> sorted({row.knowledge for row in result.rows})
    ['ignorant', 'lazy-informed', 'original', 'semi-informed']
    """
    originals, released, y = np.asarray(originals), np.asarray(released), np.asarray(y)
    test = np.asarray(test, dtype=bool)
    _check_sides(originals, released, y, test)
    if n_retrain < 1:
        raise ValueError(f"n_retrain is {n_retrain}; give 1 or more.")
    verifiers = [attackers] if isinstance(attackers, Verifier) else list(attackers)
    names = [verifier.attacker for verifier in verifiers]
    if not names or len(names) > len(set(names)):
        raise ValueError(
            f"attackers holds {names or 'nothing'}; give one SiameseVerifier, one "
            "MatchingVerifier, or one of each."
        )
    match = None if match is None else np.asarray(match)
    left, right, people = originals[test], released[test], y[test]
    settings: dict[str, Any] = {
        "match": None if match is None else match[test],
        "random_state": 0,
    }
    pairs, is_genuine = verification_pairs(people, **settings)
    rows = []
    for knowledge, one, other in (
        ("original", left, left),
        ("ignorant", left, right),
        ("lazy-informed", right, right),
    ):
        scores = _correlations(verifiers[0], one, other, pairs)
        row = verification_row(scores, pairs, is_genuine, people)
        rows.append(row._replace(attacker="pixels", knowledge=knowledge))
    for verifier in verifiers:
        n_fits = n_retrain if isinstance(verifier, SiameseVerifier) else 1
        seeds = check_random_state(verifier.random_state).randint(2**31 - 1, size=n_fits)
        known: dict[str, Any] = {}
        if isinstance(verifier, MatchingVerifier) and match is not None:
            known["match"] = match[~test]
        for seed in seeds.tolist():
            naive = clone(verifier).set_params(random_state=seed)
            naive.fit(originals[~test], y[~test], **known)
            informed = clone(naive).fit(originals[~test], y[~test], released[~test], **known)
            for knowledge, fitted, one, other in (
                ("original", naive, left, left),
                ("ignorant", naive, left, right),
                ("lazy-informed", naive, right, right),
                ("semi-informed", informed, left, right),
            ):
                for row in fitted._evaluate(one, people, other, **settings):
                    rows.append(row._replace(knowledge=knowledge, seed=seed))
    result = VerificationResult(tuple(rows), len(np.unique(y[~test])), len(np.unique(people)))
    if result.weak:
        warnings.warn(
            f"verifiers reach an AUC of {result._best_verifier:.3f} on originals, no more "
            f"than the correlation of pixels, {result.auc('original', 'pixels')[0]:.3f}: "
            "their failure on a release proves nothing. Train them longer, on more people.",
            WeakAttackWarning,
            stacklevel=2,
        )
    return result


def _attack(row: VerificationRow) -> tuple[str, str, str]:
    return row.attacker, row.knowledge, row.evidence


def _check_sides(
    originals: NDArray, released: NDArray, y: NDArray, test: NDArray[np.bool_]
) -> None:
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


def _correlations(
    verifier: Verifier, left: NDArray, right: NDArray, pairs: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the correlation of the pixels of each pair, of images reduced in size first."""
    sides = []
    for X in (left, right):
        images = check_images(
            clone(verifier), X, reset=True, image_shape=verifier.image_shape, dtype=np.float32
        )
        rows = torch.from_numpy(images)[:, None]
        if max(rows.shape[2:]) > SIDE:
            rows = F.adaptive_avg_pool2d(rows, SIDE)
        flat = rows.flatten(1).double().numpy()
        centered = flat - flat.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(centered, axis=1, keepdims=True)
        sides.append(centered / np.maximum(norms, 1e-12))
    return (sides[0][pairs[:, 0]] * sides[1][pairs[:, 1]]).sum(axis=1)
