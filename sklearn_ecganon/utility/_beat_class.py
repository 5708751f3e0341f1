"""Whether a classifier can learn beat classes from a release, and from originals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import confusion_matrix
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from sklearn_ecganon.datasets import DS1, DS2
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.utility._beat_classifiers import make_classifier
from sklearn_ecganon.utility._beat_features import describe_beats
from sklearn_ecganon.utility._pairs import check_pairs

# What a classifier is trained and tested on: S is the (synthetic) release, R the original.
CROSSINGS = {
    "trtr": ("before", "before"),
    "tstr": ("after", "before"),
    "trts": ("before", "after"),
    "tsts": ("after", "after"),
}


class _Sample(NamedTuple):
    """Beats to train or test on."""

    shapes: NDArray[np.float32]
    numbers: NDArray[np.float32]
    y: NDArray[np.intp]
    weight: NDArray[np.float64]


class BeatClassUtility(BaseEstimator):
    """Train a classifier of AAMI beat classes on a release, test on originals, and crosswise.

    Parameters
    ----------
    classifier : {"conv", "forest"}, default="conv"
        ``"conv"``: three convolutions on the beat, with RR ratios and comparisons with the
        record's median beat beside them. ``"forest"``: a random forest on these numbers.
    classes : sequence of str, default=("N", "S", "V", "F")
        Classes to separate. Beats of other classes (paced, unknown) are neither trained on
        nor tested, but RR intervals include them.
    crossings : sequence of str, default=("trtr", "tstr", "trts", "tsts")
        Train on real or synthetic (anonymized), test on real or synthetic.
    device : str, default="auto"
        Device of the net: ``"cpu"``, ``"cuda"``, or ``"auto"`` for whichever is available.
    random_state : int, RandomState instance or None, default=0
        Seeds the classifier. Fixed by default: the same release gets the same figures.

    Notes
    -----
    The split, the classes and the RR features (previous and next interval, over the mean of
    the record and of some ten beats) follow [1]_; ANSI/AAMI EC57 defines the classes.
    Deviations: means over a record include later beats. More numbers compare a beat with the
    median beat of its record, as in [2]_, because normal beats differ from person to person.
    The weight of a beat is one over the square root of the number of beats of its class in
    its record, so that common classes and records with many ectopic beats do not dominate.

    Records 201 (DS1) and 202 (DS2) are of one person; the published split has this flaw. The
    features were designed with knowledge of the errors on DS2, like most features for this
    split. The figures on originals show that the classifier is good enough to compare
    releases with; they do not estimate its performance on new patients.

    References
    ----------
    .. [1] P. de Chazal, M. O'Dwyer, R. B. Reilly, "Automatic classification of heartbeats
       using ECG morphology and heartbeat interval features", IEEE Transactions on
       Biomedical Engineering 51(7), 1196-1206, 2004.
    .. [2] V. Mondéjar-Guerra et al., "Heartbeat classification fusing temporal and
       morphological information of ECGs via ensemble of classifiers", Biomedical Signal
       Processing and Control 47, 41-48, 2019.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.utility import BeatClassUtility
    >>> bunch = make_ecg_records(
    ...     n_subjects=4, duration=40.0, arrhythmia="ectopic", random_state=0
    ... )
    >>> beats = QRSSegmenter("annotated").fit_transform(bunch.data)
    >>> utility = BeatClassUtility("forest", classes=["N", "V"], crossings=["trtr"])
    >>> figures = utility.evaluate(
    ...     beats, beats, bunch.subject, train=["s001", "s002"], test=["s003", "s004"]
    ... )
    >>> figures["trtr_sensitivity_V"]
    1.0
    """

    _parameter_constraints: dict = {
        "classifier": [StrOptions({"conv", "forest"})],
        "classes": [list, tuple],
        "crossings": [list, tuple],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        classifier: str = "conv",
        *,
        classes: Sequence[str] = ("N", "S", "V", "F"),
        crossings: Sequence[str] = tuple(CROSSINGS),
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.classifier = classifier
        self.classes = classes
        self.crossings = crossings
        self.device = device
        self.random_state = random_state

    def evaluate(
        self,
        before: BeatSet,
        after: BeatSet,
        groups: ArrayLike | None = None,
        *,
        train: Sequence[str] = DS1,
        test: Sequence[str] = DS2,
    ) -> dict[str, float]:
        """Return the figures of each crossing.

        Parameters
        ----------
        before, after : BeatSet
            Originals and release: the same records in the same order, with labels.
        groups : array-like of shape (n_records,), optional
            The groups that `train` and `test` list, for example subjects; by default the
            names of the records.
        train, test : sequence of str
            Groups to train on and to test on; by default de Chazal's DS1 and DS2. Records
            of other groups are left out.

        Returns
        -------
        figures : dict of str to float
            For each crossing, as ``trtr_accuracy``: ``accuracy``, ``balanced_accuracy`` and
            ``macro_f1`` over the classes, and for each class ``sensitivity_S`` and
            ``precision_S`` (+P). All in [0, 1], greater is better.

        Raises
        ------
        ValueError
            If `before` and `after` are not of the same records and layout, if one of them
            has no labels, if a group is on both sides or unknown, or if a class has no beats
            on one side.
        """
        self._validate_params()
        unknown = sorted(set(self.crossings) - set(CROSSINGS))
        if unknown or not len(self.crossings):
            raise ValueError(f"crossings={self.crossings!r}; choose among {list(CROSSINGS)}.")
        sets = self._check(before, after)
        groups = np.asarray(before.names if groups is None else groups).astype(str)
        if groups.shape != (len(before),):
            raise ValueError(f"groups has shape {groups.shape} for {len(before)} records.")
        sides = _sides(groups, train, test)
        # All crossings use one seed, so that only the data differ between them.
        seed = int(check_random_state(self.random_state).randint(2**31))
        crossings = {crossing: CROSSINGS[crossing] for crossing in self.crossings}
        described = {
            name: describe_beats(sets[name]) for name in set(sum(crossings.values(), ()))
        }
        figures: dict[str, float] = {}
        for source in dict.fromkeys(source for source, _ in crossings.values()):
            training = self._sample(
                sets[source], described[source], sides["train"], f"{source}'s train"
            )
            classifier = make_classifier(self.classifier, device=self.device, seed=seed)
            classifier.fit(training.shapes, training.numbers, training.y, training.weight)
            for crossing, (origin, target) in crossings.items():
                if origin == source:
                    tested = self._sample(
                        sets[target], described[target], sides["test"], f"{target}'s test"
                    )
                    predicted = classifier.predict(tested.shapes, tested.numbers)
                    scores = self._scores(tested.y, predicted).items()
                    figures |= {f"{crossing}_{name}": value for name, value in scores}
        return figures

    def _check(self, before: BeatSet, after: BeatSet) -> dict[str, BeatSet]:
        sets = {"before": before, "after": after}
        for name, beats in sets.items():
            if not isinstance(beats, BeatSet):
                raise ValueError(f"{name} is a {type(beats).__name__}; give a BeatSet.")
            if beats.labels is None:
                raise ValueError(
                    f"{name} has no labels; give records with beat_labels to QRSSegmenter."
                )
        check_pairs(before, after)
        layouts = [(b.n_leads, b.n_times, b.sampling_rate) for b in sets.values()]
        if layouts[0] != layouts[1]:
            raise ValueError(
                f"before and after differ in (leads, samples, rate): {layouts[0]} and "
                f"{layouts[1]}; use the same layout before and after."
            )
        return sets

    def _sample(
        self,
        beats: BeatSet,
        described: tuple[NDArray, NDArray],
        chosen: NDArray[np.bool_],
        where: str,
    ) -> _Sample:
        """Return the beats of the chosen records that are of the classes."""
        assert beats.labels is not None
        rows = np.flatnonzero(chosen[beats.record] & np.isin(beats.labels, self.classes))
        labels = beats.labels[rows]
        absent = [name for name in self.classes if name not in labels]
        if absent:
            raise ValueError(
                f"class {absent[0]!r} has no beats in {where} groups; choose other "
                "groups, or give classes= without it."
            )
        y = np.array([list(self.classes).index(label) for label in labels])
        _, class_in_record, n_beats = np.unique(
            np.c_[y, beats.record[rows]], axis=0, return_inverse=True, return_counts=True
        )
        weight = 1 / np.sqrt(n_beats)[class_in_record]
        shapes, numbers = described
        return _Sample(shapes[rows], numbers[rows], y, weight / weight.mean())

    def _scores(self, y: NDArray, predicted: NDArray) -> dict[str, float]:
        counts = confusion_matrix(y, predicted, labels=range(len(self.classes)))
        hits, n_true, n_predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
        sensitivity, precision = hits / n_true, hits / np.maximum(n_predicted, 1)
        figures = {
            "accuracy": hits.sum() / counts.sum(),
            "balanced_accuracy": sensitivity.mean(),
            "macro_f1": np.mean(2 * hits / (n_true + n_predicted)),
        }
        for i, name in enumerate(self.classes):
            figures |= {
                f"sensitivity_{name}": sensitivity[i],
                f"precision_{name}": precision[i],
            }
        return {name: float(value) for name, value in figures.items()}


def _sides(
    groups: NDArray, train: Sequence[str], test: Sequence[str]
) -> dict[str, NDArray[np.bool_]]:
    """Return for each record whether it is trained on, and whether it is tested."""
    both = sorted(set(train) & set(test))
    if both:
        raise ValueError(
            f"group {both[0]!r} is in train and in test; assign it to one of them."
        )
    for side, names in (("train", train), ("test", test)):
        absent = [name for name in names if name not in groups]
        if absent or not len(names):
            raise ValueError(
                f"{side} asks for {absent or 'nothing'}, but there are "
                f"{sorted(set(groups.tolist()))}; give {side}= (by default de Chazal's "
                "records of MIT-BIH)."
            )
    return {"train": np.isin(groups, list(train)), "test": np.isin(groups, list(test))}
