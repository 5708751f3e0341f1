"""Train the net of the delineator on records whose waves are annotated."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon._validation import check_records
from sklearn_ecganon.datasets import WaveAnnotations
from sklearn_ecganon.records import ECGRecord


def train_delineator(
    records: Sequence[ECGRecord],
    waves: Sequence[Mapping[str, WaveAnnotations]],
    path: str | os.PathLike[str],
    *,
    wander: ArrayLike,
    muscle: ArrayLike,
    max_epochs: int = 60,
    random_state: int = 0,
    verbose: int = 0,
) -> NDArray[np.float64]:
    """Train the net of ``Delineator("unet")`` and write its weights.

    Parameters
    ----------
    records : sequence of ECGRecord
        Signals in mV. All records have the same rate, length and number of leads.
    waves : sequence of mapping of str to WaveAnnotations
        For each record, the annotated waves of each of its leads, in samples of the record.
    path : str or path-like
        The safetensors file to write. Weights are rounded to 16 bits.
    wander : array-like of shape (n_samples,) or (n_samples, n_channels)
        A recording of baseline wander at 250 Hz, at least 6 s. Each channel is scaled to unit
        variance.
    muscle : array-like of shape (n_samples,) or (n_samples, n_channels)
        A recording of muscle noise at 250 Hz, at least 6 s. Each channel is scaled to unit
        variance.
    max_epochs : int, default=60
        Passes over the leads.
    random_state : int, default=0
        Seeds the weights, the order and the disturbances.
    verbose : int, default=0
        1 prints the loss of each epoch.

    Returns
    -------
    losses : ndarray of shape (max_epochs,)
        Mean cross-entropy of each epoch.

    Raises
    ------
    ValueError
        If records and annotations do not match, if a noise recording is too short, or if
        there are fewer leads than one batch holds (32).

    See Also
    --------
    Delineator : Takes the file as ``weights=``.
    sklearn_ecganon.datasets.load_protocol : Loads LUDB with its annotations.

    Notes
    -----
    The net is trained on single leads at 250 Hz. The loss covers only the samples between
    the first and the last annotation of a lead, because waves outside of them were not
    annotated. Each example is a segment of 5.1 s with random time scale, amplitude,
    polarity and smoothing, to which the given noise and mains hum are added. One in ten
    examples loses its P waves, and half of these get fibrillatory waves; one in five keeps
    only a part of their amplitude.

    Examples
    --------
    >>> from sklearn_ecganon.datasets import load_protocol
    >>> from sklearn_ecganon.delineation import Delineator, train_delineator
    >>> ludb = load_protocol("ludb")  # doctest: +SKIP
    >>> train_delineator(
    ...     ludb.records, ludb.waves, "delineator.safetensors", wander=bw, muscle=ma
    ... )  # doctest: +SKIP
    >>> Delineator(weights="delineator.safetensors")  # doctest: +SKIP
    Delineator('unet', weights='delineator.safetensors')
    """
    # Importing torch takes seconds, and callers who only delineate may not need it.
    from sklearn_ecganon.delineation import _unet_training as training

    records = check_records(records)
    _check_annotations(records, waves)
    examples = training.Examples(records, waves)
    noise = {
        name: training.as_noise(values, name)
        for name, values in (("wander", wander), ("muscle", muscle))
    }
    net, losses = training.train(examples, noise, max_epochs, random_state, verbose)
    training.save(net, path)
    return losses


def _check_annotations(records: list[ECGRecord], waves: Sequence[Mapping[str, Any]]) -> None:
    if len(waves) != len(records):
        raise ValueError(
            f"waves has {len(waves)} entries for {len(records)} records; give one mapping of "
            "leads to annotations for each record."
        )
    layouts = {(r.n_times, r.n_leads, r.sampling_rate) for r in records}
    if len(layouts) > 1:
        raise ValueError(
            f"records differ in length, leads or rate: {sorted(layouts)[:3]} (samples, leads, "
            "Hz); give records of one layout."
        )
    for record, of_leads in zip(records, waves, strict=True):
        absent = [lead for lead in record.lead_names if lead not in of_leads]
        if absent:
            raise ValueError(
                f"record {record.name!r}: lead {absent[0]!r} has no annotations; remove the "
                "lead from the record or annotate it."
            )
