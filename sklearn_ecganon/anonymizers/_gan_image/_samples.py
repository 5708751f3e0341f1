"""Training samples: the records that are held out, and the traces of each image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.anonymizers._gan_image._blending import blend
from sklearn_ecganon.core import Draws
from sklearn_ecganon.records import BeatSet


def held_out(
    record: NDArray[np.intp], codes: NDArray[np.intp], fraction: float
) -> NDArray[np.bool_]:
    """Return which beats are held out: all beats of some records, and no class as a whole.

    Parameters
    ----------
    record, codes : ndarray of int of shape (n_beats,)
        Record and class of each beat.
    fraction : float
        Fraction of the records to hold out; at least one record is.
    """
    records, place = np.unique(record, return_inverse=True)
    has = np.zeros((len(records), codes.max() + 1), dtype=bool)
    has[place, codes] = True
    n_out = min(max(round(fraction * len(records)), 1), len(records) - 1)
    left, out = has.sum(axis=0), np.zeros(len(records), dtype=bool)
    # The same whatever the seed: a training that is resumed holds out the same.
    for one in np.random.default_rng(0).permutation(len(records)):
        if out.sum() < n_out and (left > has[one]).all():
            out[one] = True
            left = left - has[one]
    if not out.any():
        raise ValueError(
            "each record has a class that no other one has, so that none can be held out; "
            "give more records, or leave rare classes out."
        )
    return out[place]


def split_records(
    beats: BeatSet, codes: NDArray[np.intp], holdout: float, n_blended: int
) -> tuple[BeatSet, NDArray[np.intp], BeatSet, NDArray[np.intp]]:
    """Return the beats to learn from with their classes, and those held out with theirs.

    Parameters
    ----------
    beats : BeatSet
        All beats.
    codes : ndarray of int of shape (n_beats,)
        Class of each beat.
    holdout : float
        Fraction of the records to hold out.
    n_blended : int
        Records in each blend that is learned from; 1 for the records themselves.
    """
    out = held_out(beats.record, codes, holdout)
    held, seen = subset(beats, out), subset(beats, ~out)
    if n_blended > 1:
        # The same whatever the seed, as the hold-out is.
        rng = np.random.default_rng(0)
        values, run = blend(seen.beats, seen.record, codes[~out], n_blended, rng)
        seen = of_records(seen, values, run)
    return seen, codes[~out], held, codes[out]


def subset(beats: BeatSet, chosen: NDArray[np.bool_]) -> BeatSet:
    """Return the chosen beats; their records are numbered anew."""
    record = np.unique(beats.record[chosen], return_inverse=True)[1]
    return of_records(beats, beats.beats[chosen], record)


def of_records(beats: BeatSet, windows: NDArray, record: NDArray[np.intp]) -> BeatSet:
    """Return training windows of other records in the layout of `beats`."""
    n_records = int(record[-1]) + 1
    return BeatSet(
        beats=windows,
        record=record,
        r_peaks=np.arange(len(windows)),  # in order, which is all that training asks for
        lengths=np.full(n_records, len(windows)),
        sampling_rate=beats.sampling_rate,
        lead_names=beats.lead_names[:1] * n_records,
        names=beats.names[:1] * n_records,
    )


def traces_of(values: NDArray, members: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the traces of each image: (n_images, n_windows * n_leads, n_times)."""
    grouped = values[members].astype(np.float64)
    return grouped.reshape(len(members), -1, values.shape[2])


def latents_of(
    draws: Draws, owner: NDArray[np.intp], n_record: int, n_beat: int
) -> NDArray[np.float64]:
    """Return the secret latent of each image: (n_images, n_record + n_beat).

    Parameters
    ----------
    draws : Draws
        Source of the numbers.
    owner : ndarray of int of shape (n_images,)
        Record of each image.
    n_record, n_beat : int
        Dimensions that the images of a record share, and that each image has for itself.
    """
    n_images = np.bincount(owner, minlength=len(draws.beats))
    # The first numbers of a record's first stretch are those of the record.
    sizes = n_record + n_images * n_beat
    numbers = draws.for_stretches(sizes)
    start = (np.cumsum(sizes) - sizes)[owner] + n_record
    within = np.arange(len(owner)) - (np.cumsum(n_images) - n_images)[owner]
    beat = (start + within * n_beat)[:, np.newaxis] + np.arange(n_beat)
    return np.hstack([draws.for_records(n_record)[owner], numbers[beat]])


def codes_of(labels: NDArray, classes: NDArray) -> NDArray[np.intp]:
    """Return the position of each label in `classes`, or refuse one that is not there."""
    if classes.tolist() == [""]:
        raise ValueError("fit saw no labels, and there are none to ask for; fit with labels.")
    unknown = sorted(set(labels.tolist()) - set(classes.tolist()))
    if unknown:
        raise ValueError(
            f"label {unknown[0]!r} was not seen in fit, unlike {classes.tolist()}; "
            "leave such beats out, or fit on some."
        )
    return np.searchsorted(classes, labels)


def codes_to_sample(
    n_samples: int,
    labels: ArrayLike | None,
    classes: NDArray,
    fractions: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Return the class of each sample: that of its label, or drawn by its fraction."""
    if n_samples < 1:
        raise ValueError(f"n_samples is {n_samples}; ask for 1 or more.")
    if labels is None:
        return rng.choice(len(classes), n_samples, p=fractions)
    labels = np.asarray(labels)
    if labels.shape != (n_samples,):
        raise ValueError(f"labels has shape {labels.shape}; want ({n_samples},).")
    return codes_of(labels, classes)


def one_hot(codes: NDArray[np.intp], n_classes: int) -> NDArray[np.float64]:
    """Return one-hot classes of the windows of each image: (n_images, -1)."""
    return np.eye(n_classes)[codes].reshape(len(codes), -1)


def likeliest(logits: NDArray, n_classes: int) -> NDArray[np.float64]:
    """Return one-hot codes of the likeliest class of each window: (n_images, -1)."""
    return one_hot(logits.reshape(len(logits), -1, n_classes).argmax(axis=2), n_classes)
