"""The delineator: records to the edges of their waves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon._validation import check_records
from sklearn_ecganon.delineation import _neurokit
from sklearn_ecganon.delineation._delineation import Delineation
from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.segmentation import find_beats, select_leads, to_extremum, used_leads

METHODS = ("unet", "prominence", "dwt")

_MIN_RATE = 100.0  # Hz; below it a QRS is a handful of samples
SHORTEST_MS = 2000.0  # two beats, and what the net sees around one
_REFINE_MS = 40.0  # as QRSSegmenter


class Delineator:
    """Find onset, peak and offset of the P wave, QRS complex and T wave of each beat.

    ``"unet"`` answers with a small neural network [1]_ trained on the twelve leads of LUDB
    [2]_, each lead on its own, of any polarity. It may answer that a beat has no P wave,
    and says how sure it is. The two others are NeuroKit's [3]_, for comparison; they claim
    a P wave in nearly every beat.

    It learns nothing from the records it is given, so it is no scikit-learn estimator:
    `fit` only checks them and `transform` may be called without it.

    Parameters
    ----------
    method : {"unet", "prominence", "dwt"}, default="unet"
        Who delineates.
    weights : str or path-like, optional
        A safetensors file for ``"unet"``, written by `train_delineator`; those
        of the package by default.

    See Also
    --------
    Delineation : The answer for one record.
    QRSSegmenter : Cuts records into beats.

    Notes
    -----
    Beats are the record's own `r_peaks` where it has some. Else ``"unet"`` finds them where
    the leads together see a QRS, and the two others with the default detector of
    `QRSSegmenter`; each R peak is then moved to the extremum within 40 ms of lead MLII or
    II, or of the first lead. In a lead the QRS of a beat lies within 150 ms of its R peak;
    P is the most probable wave between it and the QRS before, no more than 600 ms before
    the R peak; T the same up to the QRS after, no more than 900 ms after the R peak.

    Records of other rates than 250 Hz are resampled for the net. Each lead takes 30 % of
    its probabilities from the mean over all leads of the record, which spares it some P
    waves made up and some missed. An edge is where the probability of the wave crosses one
    half, interpolated between samples; it is given in samples of the record. Waves that a
    gap (NaN) or the end of the record cuts have NaN for the edge that is not seen. A lead
    that is all NaN or flat has no waves.

    Deviations from [1]_: 250 Hz and not 500 Hz, most of the work at 125 Hz, 0.24 million
    weights, edges between samples, leads that share. NeuroKit is called with its defaults,
    after its ``ecg_clean``.

    References
    ----------
    .. [1] Moskalenko V, Zolotykh N, Osipov G. Deep learning for ECG segmentation. Advances
       in Neural Computation, Machine Learning, and Cognitive Research III:246-254 (2020).
    .. [2] Kalyakulina AI et al. LUDB: A New Open-Access Validation Tool for
       Electrocardiogram Delineation Algorithms. IEEE Access 8:186181-186190 (2020).
    .. [3] Makowski D et al. NeuroKit2: A Python toolbox for neurophysiological signal
       processing. Behavior Research Methods 53:1689-1696 (2021).

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.delineation import Delineator
    >>> record = make_ecg_records(1, duration=10.0, random_state=0).data[0]
    >>> waves = Delineator().delineate(record)
    >>> bool((waves["QRS", "onset"] < waves["QRS", "offset"]).all())
    True
    """

    def __init__(
        self, method: str = "unet", *, weights: str | os.PathLike[str] | None = None
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"method is {method!r}; give one of {METHODS}.")
        self.method = method
        self.weights = weights

    def fit(self, X: list[ECGRecord], y: Any = None) -> Self:
        """Check the records.

        Parameters
        ----------
        X : list of ECGRecord
            Signals in mV.
        y : ignored
            Present by scikit-learn's convention.

        Returns
        -------
        self : Delineator
            Itself, unchanged.

        Raises
        ------
        ValueError
            As :meth:`transform`, but for records without a beat.
        """
        for record in check_records(X):
            _check(record)
        return self

    def transform(self, X: list[ECGRecord]) -> list[Delineation]:
        """Delineate records.

        Parameters
        ----------
        X : list of ECGRecord
            Signals in mV, of any rates and leads.

        Returns
        -------
        delineations : list of Delineation
            One a record.

        Raises
        ------
        ValueError
            If X is no list of records, or one of them is shorter than 2 s, slower than
            100 Hz, without a lead that is neither all NaN nor flat, or without a beat, or
            if NeuroKit fails on it.
        """
        return [self.delineate(record) for record in check_records(X)]

    def fit_transform(self, X: list[ECGRecord], y: Any = None) -> list[Delineation]:
        """Do what :meth:`transform` does.

        Parameters
        ----------
        X : list of ECGRecord
            Signals in mV.
        y : ignored
            Present by scikit-learn's convention.

        Returns
        -------
        delineations : list of Delineation
            One a record.
        """
        return self.fit(X).transform(X)

    def delineate(self, record: ECGRecord) -> Delineation:
        """Delineate one record; for a bare signal give ``ECGRecord(signal, rate)``.

        Parameters
        ----------
        record : ECGRecord
            Signal in mV.

        Returns
        -------
        delineation : Delineation
            Positions in samples of the record.

        Raises
        ------
        ValueError
            As :meth:`transform`.
        """
        live = _check(record)
        if self.method == "unet":
            r_peaks, positions, confidence = self._by_net(record, live)
        else:
            r_peaks, positions = self._by_neurokit(record, live)
            confidence = np.full(positions.shape[:3], np.nan)
        return Delineation(
            positions, confidence, r_peaks, record.sampling_rate, record.lead_names, record.name
        )

    def _by_net(
        self, record: ECGRecord, live: list[int]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
        # Torch takes seconds to import: the other methods do not wait for it.
        from sklearn_ecganon.delineation import _unet_method as unet

        net = unet.load_net(unet.SHIPPED if self.weights is None else Path(self.weights))
        rows, missing = unet.prepare(record.signal[:, live], record.sampling_rate)
        probability = unet.probabilities(net, rows)[:, :3]
        probability[np.broadcast_to(missing[:, np.newaxis], probability.shape)] = np.nan
        probability = unet.share(probability)
        stretch = record.sampling_rate / unet.NET_RATE
        r_peaks = record.r_peaks
        if r_peaks is None:
            found = np.rint(unet.find_r_peaks(probability[:, 1], rows) * stretch)
            r_peaks = _moved(record, found.astype(np.intp), live)
        _check_beats(record, r_peaks)
        n_beats = len(r_peaks)
        positions = np.full((n_beats, record.n_leads, 3, 3), np.nan)
        confidence = np.zeros((n_beats, record.n_leads, 3))
        at_net = np.rint(r_peaks / stretch).astype(np.intp)
        for i, lead in enumerate(live):
            waves = unet.waves_of_lead(probability[i], rows[i], at_net)
            positions[:, lead], confidence[:, lead] = waves
        return r_peaks, positions * stretch, confidence

    def _by_neurokit(
        self, record: ECGRecord, live: list[int]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        r_peaks = record.r_peaks
        if r_peaks is None:
            searched = select_leads(record, live)
            r_peaks = find_beats(
                searched,
                [used_leads(searched, None, None)[1]],
                detector="sleepecg",
                refine=_REFINE_MS,
                n_times=round(SHORTEST_MS * record.sampling_rate / 1000),
            ).r_peaks
        _check_beats(record, r_peaks)
        positions = np.full((len(r_peaks), record.n_leads, 3, 3), np.nan)
        for lead in live:
            trace = record.signal[:, lead]
            known = np.flatnonzero(~np.isnan(trace))
            filled = np.interp(np.arange(len(trace)), known, trace[known])
            try:
                waves = _neurokit.waves_of_lead(
                    filled, record.sampling_rate, r_peaks, self.method
                )
            except Exception as error:
                # it refuses odd beats in many ways
                raise ValueError(
                    f"record {record.name!r}: NeuroKit cannot delineate lead "
                    f"{record.lead_names[lead]!r} by {self.method!r} "
                    f"({type(error).__name__}: {error}); take method='unet'."
                ) from error
            positions[:, lead] = waves
        return r_peaks, positions

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={str(self.weights)!r}"
        return f"Delineator({self.method!r}{weights})"


def _check(record: ECGRecord) -> list[int]:
    """Return the leads that have a signal, or say why the record cannot be delineated."""
    where = f"record {record.name!r}"
    if record.sampling_rate < _MIN_RATE:
        raise ValueError(
            f"{where}: {record.sampling_rate:g} Hz is too slow to find the edges of waves; "
            f"give a recording of {_MIN_RATE:g} Hz or more."
        )
    if 1000 * record.duration < SHORTEST_MS:
        raise ValueError(
            f"{where}: lasts {1000 * record.duration:.0f} ms; give at least "
            f"{SHORTEST_MS:.0f} ms to delineate."
        )
    low, high = np.fmin.reduce(record.signal), np.fmax.reduce(record.signal)
    live = np.flatnonzero(low < high)  # False for NaN too
    if not len(live):
        raise ValueError(
            f"{where}: every lead is flat or all NaN; leave the record out, there is nothing "
            "to delineate."
        )
    return live.tolist()


def _check_beats(record: ECGRecord, r_peaks: NDArray[np.intp]) -> None:
    if not len(r_peaks):
        raise ValueError(
            f"record {record.name!r}: no beat found; leave it out, or give its R peaks by "
            "ECGRecord(..., r_peaks=...)."
        )


def _moved(record: ECGRecord, r_peaks: NDArray[np.intp], live: list[int]) -> NDArray[np.intp]:
    """Move R peaks to the extremum of the QRS in the lead that QRSSegmenter looks at."""
    leads, searched = used_leads(record, live, None)
    trace = np.nan_to_num(record.signal[:, leads[searched]])
    return to_extremum(trace, r_peaks.clip(0, len(trace) - 1), record.sampling_rate, _REFINE_MS)
