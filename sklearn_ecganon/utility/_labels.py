"""Whether a classifier can learn labels of the user from a release, and predict them in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_classifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.utils import check_random_state

from sklearn_ecganon.metrics import strip_embedding
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import Strips, cut_strips
from sklearn_ecganon.training import StripSize, apply_strip_net, fit_strip_net
from sklearn_ecganon.utility._pairs import check_pairs

# Samples of a training window: 8 s, because many labels depend on the rhythm.
WINDOW = 1000
#: What is trained on and tested on: S is the (synthetic) release, R the originals.
CROSSINGS = {
    "trtr": ("before", "before"),
    "tstr": ("after", "before"),
    "trts": ("before", "after"),
    "tsts": ("after", "after"),
}


def label_utility(
    before: Sequence[ECGRecord] | BeatSet,
    after: Sequence[ECGRecord] | BeatSet,
    labels: ArrayLike,
    groups: ArrayLike,
    *,
    train: ArrayLike | None = None,
    label_names: Sequence[str] | None = None,
    classifier: Any = "net",
    leads: Sequence[str | int] | None = None,
    size: str | StripSize = "small",
    n_folds: int = 3,
    device: str = "auto",
    random_state: int | np.random.RandomState | None = 0,
) -> dict[str, float]:
    """Train a classifier of labels on a release, test it on originals, and crosswise.

    Parameters
    ----------
    before, after : sequence of ECGRecord, or BeatSet
        The same recordings in the same order, of any length and rate.
    labels : array-like of shape (n_records,) or (n_records, n_labels)
        One class of each record, or an indicator of each of several labels, any number of
        which may apply.
    groups : array-like of shape (n_records,)
        The person of each record. No person is both trained on and tested on.
    train : array-like of bool of shape (n_records,), optional
        True for records to train on; all others are tested. By default every record is
        tested once, in `n_folds` folds over the people.
    label_names : sequence of str, optional
        Names of the columns of an indicator.
    classifier : "net" or classifier, default="net"
        ``"net"`` is a residual net on strips of 10 s. Any scikit-learn classifier with
        `predict_proba` or `decision_function` is trained once for each label on
        :func:`~sklearn_ecganon.metrics.strip_embedding` of every lead.
    leads : sequence of str or int, optional
        Leads to use; by default all.
    size : {"small", "large", "auto"} or StripSize, default="small"
        Size of the net.
    n_folds : int, default=3
        Folds if `train` is not given.
    device : str, default="auto"
        Where to train the net.
    random_state : int, RandomState or None, default=0
        Seeds the classifier; the same in all crossings.

    Returns
    -------
    figures : dict of str to float
        Area under the ROC curve of each label, for example ``"tstr_NORM"``, and their mean,
        ``"tstr"``. The first letters denote the training data and the last the test
        data: TR-TR real on real, TS-TR release on real, TR-TS real on release, TS-TS release
        on release. 0.5 is chance. A label that has no positive or no negative record in
        training or test is NaN and left out of the mean. ``"n_test"`` counts records.

    Raises
    ------
    ValueError
        If the inputs do not fit each other, a person is on both sides, or no label can be
        measured.

    Notes
    -----
    The crossings are those of train on synthetic, test on real [1]_. Logits are averaged
    over the strips of a record.

    References
    ----------
    .. [1] C. Esteban, S. L. Hyland, G. Ratsch, "Real-valued (medical) time series
       generation with recurrent conditional GANs", arXiv:1706.02633, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.utility import label_utility
    >>> bunch = make_ecg_records(n_subjects=12, n_sessions=1, duration=10.0, random_state=0)
    >>> is_fast = [len(record.r_peaks) > 11 for record in bunch.data]
    >>> figures = label_utility(
    ...     bunch.data, bunch.data, is_fast, bunch.subject, classifier=RandomForestClassifier()
    ... )
    >>> figures["tstr"] == figures["trtr"]
    True
    """
    check_pairs(before, after)
    targets, names = _indicator(labels, label_names)
    groups = np.asarray(groups)
    if not len(targets) == len(groups) == len(before):
        raise ValueError(
            f"{len(before)} records, {len(targets)} labels and {len(groups)} groups; give one "
            "label row and one group for each record."
        )
    is_net = isinstance(classifier, str) and classifier == "net"
    if not is_net and (isinstance(classifier, str) or not is_classifier(classifier)):
        raise ValueError(f"classifier is {classifier!r}; give 'net' or a classifier.")
    splits = _splits(groups, train, n_folds)
    strips = {
        "before": cut_strips(before, leads=leads),
        "after": cut_strips(after, leads=leads),
    }
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    scores = {name: np.full(targets.shape, np.nan) for name in CROSSINGS}
    for train_rows, test_rows in splits:
        for side in ("before", "after"):
            model = _fit(classifier, strips[side], targets, train_rows, size, device, seed)
            for crossing, (trained_on, tested_on) in CROSSINGS.items():
                if trained_on == side:
                    scores[crossing][test_rows] = model(strips[tested_on], test_rows)
    tested = np.concatenate([rows for _, rows in splits])
    figures = {"n_test": float(len(tested))}
    for crossing, table in scores.items():
        aucs = [_auc(targets[:, i], table[:, i], splits) for i in range(len(names))]
        if np.isnan(aucs).all():
            raise ValueError(
                "no label has positive and negative records in both training and test."
            )
        figures[crossing] = float(np.nanmean(aucs))
        figures |= {f"{crossing}_{name}": auc for name, auc in zip(names, aucs, strict=True)}
    return figures


def _indicator(
    labels: ArrayLike, label_names: Sequence[str] | None
) -> tuple[NDArray[np.bool_], list[str]]:
    """Return one column for each label, and the names of the columns."""
    array = np.asarray(labels)
    if array.ndim == 1:
        classes = np.unique(array)
        return array[:, np.newaxis] == classes, [str(value) for value in classes]
    if array.ndim != 2 or not np.isin(array, [0, 1]).all():
        raise ValueError(
            f"labels has shape {array.shape}; give one class for each record, or an indicator "
            "of zeros and ones of shape (n_records, n_labels)."
        )
    names = [str(i) for i in range(array.shape[1])] if label_names is None else label_names
    if len(names) != array.shape[1]:
        raise ValueError(f"{len(names)} label_names for {array.shape[1]} labels.")
    return array.astype(bool), list(names)


def _splits(
    groups: NDArray, train: ArrayLike | None, n_folds: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    if train is None:
        return list(GroupKFold(n_folds).split(groups, groups=groups))
    mask = np.asarray(train, dtype=bool)
    if mask.shape != groups.shape or mask.all() or not mask.any():
        raise ValueError("train must hold True or False for each record, and both of them.")
    both = np.intersect1d(groups[mask], groups[~mask])
    if len(both):
        raise ValueError(
            f"{len(both)} people have records in training and in test, for example "
            f"'{both[0]}'; assign each person to one side."
        )
    return [(np.flatnonzero(mask), np.flatnonzero(~mask))]


def _fit(
    classifier: Any,
    strips: Strips,
    targets: NDArray[np.bool_],
    rows: NDArray[np.intp],
    size: str | StripSize,
    device: str,
    seed: int,
) -> Any:
    """Return a function of strips and records that gives scores (n_rows, n_labels)."""
    chosen = np.isin(strips.record, rows)
    if isinstance(classifier, str):
        net = fit_strip_net(
            strips.values[chosen],
            targets[strips.record[chosen]].astype(np.float32),
            n_outputs=targets.shape[1],
            criterion=torch.nn.BCEWithLogitsLoss,
            window=WINDOW,
            size=size,
            device=device,
            seed=seed,
        )
        return lambda tested, records: _by_record(
            lambda values: apply_strip_net(net, values), tested, records
        )
    X = _by_record(_features, strips, rows)
    models = []
    for column in targets[rows].T:
        model = clone(classifier)
        if model.get_params().get("random_state", 0) is None:
            model.set_params(random_state=seed)
        models.append(model.fit(X, column) if 0 < column.sum() < len(column) else None)
    return lambda tested, records: np.column_stack(
        [_decision(model, _by_record(_features, tested, records)) for model in models]
    )


def _by_record(function: Any, strips: Strips, rows: NDArray[np.intp]) -> NDArray:
    """Return the mean of a function over the strips of each record, (n_records, ...)."""
    chosen = np.isin(strips.record, rows)
    values = function(strips.values[chosen])
    order = np.searchsorted(rows, strips.record[chosen])
    sums = np.zeros((len(rows), values.shape[1]))
    np.add.at(sums, order, values)
    return sums / np.bincount(order, minlength=len(rows))[:, np.newaxis]


def _features(values: NDArray[np.float32]) -> NDArray[np.float64]:
    return strip_embedding(values, 125.0, by_lead=True)


def _decision(model: Any, X: NDArray) -> NDArray[np.float64]:
    if model is None:
        return np.full(len(X), np.nan)
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)[:, 1]
    return model.decision_function(X)


def _auc(target: NDArray[np.bool_], scores: NDArray[np.float64], splits: list) -> float:
    """Return the mean AUC over the folds in which the label can be measured."""
    aucs = []
    for train_rows, test_rows in splits:
        sides = target[train_rows], target[test_rows]
        if all(0 < side.sum() < len(side) for side in sides):
            aucs.append(roc_auc_score(sides[1], scores[test_rows]))
    return float(np.mean(aucs)) if aucs else float("nan")
