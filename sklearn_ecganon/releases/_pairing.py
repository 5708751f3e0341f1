"""Tests of the pairing: a release that is paired with a wrong original looks private."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from sklearn_ecganon.records import BeatSet, ECGRecord

SAME_MV = 0.005  # the step of common recorders; another format rounds by as much
TRACE_RATE, TRACE_S, MIN_TRACE_S = 50.0, 30.0, 5.0
MAX_LAG_S, WANDER_S = 0.5, 0.6
MIN_CORRELATION = 0.9  # different recordings of 10 s and more reach 0.7
MARGIN = 0.1
MIN_SUSPECTS = 2  # whoever swaps recordings swaps two
MAX_P, N_DRAWS = 1e-3, 2000
MAX_RECORDS = 2000  # the comparison of all with all takes seconds for as many


def identical_samples(before: Any, after: Any) -> NDArray[np.bool_]:
    """Return which releases are their originals.

    Parameters
    ----------
    before, after : list of ECGRecord, BeatSet or ndarray
        The same samples in the same order.

    Returns
    -------
    identical : ndarray of bool of shape (n_samples,)
        True where no sample differs by more than 5 microvolts, the step of common recorders.
    """
    signals = zip(_signals(before), _signals(after), strict=True)
    return np.array([_is_same(old, new) for old, new in signals], dtype=bool)


def check_signals(before: list[ECGRecord], after: list[ECGRecord], released: list[str]) -> None:
    """Refuse releases that are, or strongly resemble, the originals of other pairs.

    Parameters
    ----------
    before, after : list of ECGRecord
        The pairs.
    released : list of str
        Names of the releases.

    Raises
    ------
    ValueError
        If a release is identical to another original than its own, or if several correlate
        with another original and not with their own.
    """
    own = identical_samples(before, after)
    place = {_content(record.signal): i for i, record in enumerate(before)}
    for j, record in enumerate(after):
        i = place.get(_content(record.signal))
        is_flat = np.nanmin(record.signal, initial=np.inf) >= np.nanmax(
            record.signal, initial=-np.inf
        )
        if i is not None and not own[j] and not is_flat:
            raise ValueError(_refusal(before, released, i, j, "is identical to"))
    chosen = np.unique(np.linspace(0, len(before) - 1, MAX_RECORDS).astype(int))
    old = _traces([before[i] for i in chosen])
    new = _traces([after[i] for i in chosen])
    correlation = _highest_correlation(old, new)
    best = correlation.argmax(axis=0)
    highest, of_pair = correlation.max(axis=0), correlation.diagonal()
    is_suspect = (highest >= MIN_CORRELATION) & (of_pair < highest - MARGIN)
    suspects = np.flatnonzero(is_suspect)
    if len(suspects) >= MIN_SUSPECTS:
        i, j = chosen[best[suspects[0]]], chosen[suspects[0]]
        verb = f"correlates by {highest[suspects[0]]:.2f} with"
        raise ValueError(_refusal(before, released, i, j, verb, len(suspects)))


def check_permutation(before: Any, after: Any, subjects: NDArray) -> None:
    """Refuse pairs if another pairing recognizes more people.

    The median beat of each release is compared with those of all originals. A release that
    gives nothing away resembles some of them by chance, several releases the same one. If
    nearly every release resembles another original than its own, and each a different one,
    the pairs are mixed up.

    Parameters
    ----------
    before, after : BeatSet or ndarray
        The pairs.
    subjects : ndarray of shape (n_samples,)
        Subject of each sample.

    Raises
    ------
    ValueError
        If a permutation recognizes more than the given pairs, which chance would achieve in
        less than one case of a thousand.
    """
    if _row_shape(before) != _row_shape(after):
        return  # the evaluation refuses them and says why
    old, of_old = _templates(before, subjects)
    new, of_new = _templates(after, subjects)
    best = (old @ new.T).argmax(axis=0)
    is_right = of_old[best] == of_new
    others = best[~is_right]
    n_matched = len(np.unique(others))
    if n_matched <= is_right.sum():
        return
    draws = np.random.RandomState(0).randint(len(old), size=(N_DRAWS, len(others)))
    draws.sort(axis=1)
    by_chance = 1 + (np.diff(draws, axis=1) != 0).sum(axis=1)
    p_value = (1 + (by_chance >= n_matched).sum()) / (1 + N_DRAWS)
    if p_value <= MAX_P:
        raise ValueError(
            f"the pairing looks wrong: {is_right.sum()} of {len(best)} releases resemble an "
            f"original of their own subject most, but another pairing matches {n_matched}; "
            "give the names or the key file that the release was made with."
        )


def _refusal(
    before: list[ECGRecord], released: list[str], i: int, j: int, verb: str, n: int = 1
) -> str:
    more = f" ({n} such pairs)" if n > 1 else ""
    return (
        f"the pairing looks wrong: release {released[j]!r} is paired with original "
        f"{before[j].name!r}, but {verb} {before[i].name!r}{more}; give the names or the key "
        "file that the release was made with."
    )


def _signals(X: Any) -> Any:
    if isinstance(X, BeatSet):
        return (one.beats for one in X)
    return X if isinstance(X, np.ndarray) else (record.signal for record in X)


def _is_same(old: NDArray, new: NDArray) -> bool:
    return old.shape == new.shape and np.allclose(
        old, new, rtol=0, atol=SAME_MV, equal_nan=True
    )


def _content(signal: NDArray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(signal).tobytes()).digest()


def _row_shape(X: Any) -> tuple[int, ...]:
    return (X.beats if isinstance(X, BeatSet) else X).shape[1:]


def _traces(records: list[ECGRecord]) -> NDArray[np.float32]:
    """Return the first 30 s of the first lead of each record at 50 Hz, with norm 1."""
    times = np.arange(round(TRACE_S * TRACE_RATE)) / TRACE_RATE
    traces = np.zeros((len(records), len(times)), np.float32)
    for trace, record in zip(traces, records, strict=True):
        rate = record.sampling_rate
        signal = record.signal[: round((TRACE_S + 1) * rate), 0]
        known = np.flatnonzero(np.isfinite(signal))
        if len(known) < MIN_TRACE_S * rate:
            continue
        signal = np.interp(np.arange(len(signal)), known, signal[known])
        smooth = uniform_filter1d(signal, max(1, round(rate / TRACE_RATE)))
        smooth -= uniform_filter1d(smooth, max(1, round(WANDER_S * rate)))
        n_known = min(len(times), int(len(signal) * TRACE_RATE / rate))
        trace[:n_known] = np.interp(times[:n_known] * rate, np.arange(len(smooth)), smooth)
        trace /= max(float(np.linalg.norm(trace)), 1e-9)
    return traces


def _highest_correlation(
    old: NDArray[np.float32], new: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the highest correlation of each two traces, shifted by up to half a second."""
    highest = np.zeros((len(old), len(new)), np.float32)
    n_times = old.shape[1]
    for lag in range(-round(MAX_LAG_S * TRACE_RATE), round(MAX_LAG_S * TRACE_RATE) + 1):
        left = old[:, max(0, lag) : n_times + min(0, lag)]
        right = new[:, max(0, -lag) : n_times - max(0, lag)]
        np.maximum(highest, np.abs(left @ right.T), out=highest)
    return highest


def _templates(X: Any, subjects: NDArray) -> tuple[NDArray[np.float64], NDArray]:
    """Return the median beat of each record, or of each subject for arrays, with norm 1."""
    if isinstance(X, BeatSet):
        beats, people = [one.beats for one in X], subjects
    else:
        people = np.unique(subjects)
        beats = [np.asarray(X[subjects == subject], float) for subject in people]
    rows = np.stack([np.median(one, axis=0).ravel() for one in beats])
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), people
