"""Anonymize an array of recordings in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import StrOptions, validate_params
from sklearn.utils.parallel import Parallel, delayed

from sklearn_ecganon._validation import is_records
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.core import BaseAnonymizer
from sklearn_ecganon.records import ArrayLayout, BeatSet, as_recordings
from sklearn_ecganon.segmentation import QRSSegmenter

#: Recordings of one task. Each task costs a copy of the model, which has 8 MB.
_CHUNK = 32


@validate_params(
    {
        "on_error": [StrOptions({"raise", "mask"})],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=False,
)
def anonymize(
    X: ArrayLike,
    sampling_rate: float,
    lead_names: Sequence[str] | None = None,
    *,
    strength: float = 1.0,
    contract: str = "diagnostic",
    units: str = "mV",
    layout: str = "auto",
    on_error: str = "raise",
    n_jobs: int | None = None,
    verbose: int = 0,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray[np.floating]:
    """Anonymize an array of recordings with the pretrained `PseudoIdentityAnonymizer`.

    Each recording gets a pseudo-identity of its own: :class:`QRSSegmenter` cuts it into
    beats, the anonymizer replaces them, and the segmenter stitches them again. Diagnoses
    that belong to the recordings stay in their order.

    Parameters
    ----------
    X : array-like of shape (n, n_times, n_leads) or (n, n_leads, n_times)
        Recordings of one length, as PTB-XL is often stored. NaN marks gaps.
    sampling_rate : float
        In Hz, at least 100.
    lead_names : sequence of str, optional
        One name a lead. The method keeps the equations of the limb leads only if it knows
        which leads they are. The default is explained in :func:`records_from_array`.
    strength : float, default=1.0
        0 returns a copy of X; 1 removes the most identity.
    contract : {"diagnostic", "measurement"}, default="diagnostic"
        What survives, as in `PseudoIdentityAnonymizer`.
    units : {"mV", "uV", "nV", "V"}, default="mV"
        Unit of X, and of the result.
    layout : {"auto", "time_leads", "leads_time"}, default="auto"
        Order of the axes, as in :func:`records_from_array`.
    on_error : {"raise", "mask"}, default="raise"
        What happens to a recording that shows no ECG. ``"raise"`` refuses X and names the
        row; ``"mask"`` returns a recording of NaN in its place.
    n_jobs : int, default=None
        Number of joblib workers, each on recordings of its own. The result is the same.
    verbose : int, default=0
        1 shows progress.
    random_state : int, RandomState instance or None, default=None
        Source of the salt. Leave None for a release: a salt made from a number can be made
        again by anyone who guesses the number, and with it every pseudo-identity.

    Returns
    -------
    X_new : ndarray of the shape and layout of X
        In the unit of X, float32 if X is, otherwise float64. NaN where no ECG was recorded:
        in gaps, in stretches that are flat for more than 2 s (such as zeros that fill up a
        recording), in noise and in fibrillation.

    Raises
    ------
    ValueError
        If the layout of X is ambiguous, if its amplitudes are not those of an ECG in
        `units`, or if a recording shows no ECG and `on_error` is ``"raise"``.

    See Also
    --------
    records_from_array : Records of an array, for a pipeline of your own.
    sklearn_ecganon.archive.RecordAnonymizer : The same for folders of files.

    Notes
    -----
    Two recordings of one subject get two pseudo-identities. Splits of a data set into
    training and test subjects must therefore come from the original table of subjects.

    Examples
    --------
    >>> from sklearn_ecganon import anonymize, make_ecg_records, records_to_array
    >>> bunch = make_ecg_records(n_subjects=1, duration=10.0, random_state=0)
    >>> X = records_to_array(bunch.data)
    >>> anonymize(X, sampling_rate=250, lead_names=["II"]).shape == X.shape
    True
    """
    if isinstance(X, BeatSet) or is_records(X):
        raise ValueError(
            "anonymize takes an array of recordings; for records make a pipeline: "
            "make_pipeline(QRSSegmenter(), PseudoIdentityAnonymizer.from_pretrained())."
        )
    X = as_recordings(X)
    array_layout = ArrayLayout.of(X, sampling_rate, lead_names, units, layout)
    model = PseudoIdentityAnonymizer.from_pretrained(
        strength, contract=contract, random_state=random_state
    )
    dtype = np.float32 if X.dtype == np.float32 else np.float64
    if model.strength == 0:
        return X.astype(dtype)
    segmenter = QRSSegmenter(on_error=on_error)
    starts = range(0, len(X), _CHUNK)
    chunks = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_release)(X[start : start + _CHUNK], start, array_layout, segmenter, model)
        for start in starts
    )
    released = np.empty(X.shape, dtype)
    for start, chunk in zip(starts, _with_progress(chunks, len(starts), verbose), strict=True):
        released[start : start + len(chunk)] = chunk
    return released


def _release(
    X: NDArray,
    first: int,
    array_layout: ArrayLayout,
    segmenter: QRSSegmenter,
    model: BaseAnonymizer,
) -> NDArray[np.float64]:
    """Return the release of some recordings, the first of which is row `first` of all."""
    records = [
        array_layout.record(values, name=f"row {first + i}") for i, values in enumerate(X)
    ]
    beats: Any = segmenter.fit_transform(records)
    # Nothing is left of recordings that are all masked, and a model refuses no beats at all.
    if len(beats.beats):
        beats = model.transform(beats)
    released: Any = segmenter.inverse_transform(beats)
    return np.stack([array_layout.values(record) for record in released])


def _with_progress(chunks: Iterable[Any], n_chunks: int, verbose: int) -> Iterable[Any]:
    """Return chunks as they come, with a progress bar if it is wanted."""
    if not verbose:
        return chunks
    from rich.progress import track

    return track(chunks, "anonymize", total=n_chunks)
