"""Find the waves of records with a neural network or with NeuroKit."""

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

_MIN_RATE = 100.0  # Hz; below it a QRS has too few samples
SHORTEST_MS = 2000.0  # long enough for two beats and for the context that the net needs
_REFINE_MS = 40.0  # the default of QRSSegmenter


class Delineator:
    """Find onset, peak and offset of the P wave, QRS complex and T wave of each beat.

    ``"unet"`` is a small neural network [1]_ that was trained on the twelve leads of LUDB
    [2]_. It processes each lead separately and accepts leads of any polarity. It may find
    that a beat has no P wave, and it returns a confidence for each wave. The two other
    methods are those of NeuroKit [3]_ and serve as comparison; they find a P wave in nearly
    every beat.

    The class learns nothing from records and is not a scikit-learn estimator: `fit` only
    checks the records, and `transform` does not require it.

    Parameters
    ----------
    method : {"unet", "prominence", "dwt"}, default="unet"
        The delineation method.
    weights : str or path-like, optional
        A safetensors file for ``"unet"``, written by `train_delineator`. By default the
        weights of the package are used.

    See Also
    --------
    Delineation : The result for one record.
    QRSSegmenter : Cuts records into beats.

    Notes
    -----
    If a record has `r_peaks`, they define its beats. Otherwise ``"unet"`` finds beats where
    the mean probability of a QRS over all leads is high, and the other methods use the
    default detector of `QRSSegmenter`. Each R peak is then moved to the extremum within 40
    ms in lead MLII or II, or in the first lead. The QRS of a beat must lie within 150 ms of
    its R peak. P is the most probable wave between the previous QRS and this QRS, at most
    600 ms before the R peak. T is the most probable wave between this QRS and the next QRS,
    at most 900 ms after the R peak.

    Records are resampled to 250 Hz for the net. Each lead takes 30 % of its probabilities
    from the mean over all leads of the record, which reduces false and missed P waves. An
    edge is the position at which the probability of the wave crosses one half, interpolated
    between samples. It is given in samples of the record. If a gap (NaN) or the end of the
    record cuts a wave, the missing edge is NaN. A lead that is all NaN or flat has no
    waves.

    Deviations from [1]_: the net works at 250 Hz instead of 500 Hz, and mostly at 125 Hz;
    it has 61,000 weights; edges lie between samples; leads exchange probabilities.
    NeuroKit is called with its defaults, after its ``ecg_clean``.

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
            As in :meth:`transform`, except for records without a beat.
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
            One delineation for each record.

        Raises
        ------
        ValueError
            If X is not a list of records; if a record is shorter than 2 s, is sampled below
            100 Hz, has no beat, or has only leads that are flat or all NaN; or if NeuroKit
            fails on a record.
        """
        return [self.delineate(record) for record in check_records(X)]

    def fit_transform(self, X: list[ECGRecord], y: Any = None) -> list[Delineation]:
        """Check the records and delineate them, like :meth:`transform`.

        Parameters
        ----------
        X : list of ECGRecord
            Signals in mV.
        y : ignored
            Present by scikit-learn's convention.

        Returns
        -------
        delineations : list of Delineation
            One delineation for each record.
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
            As in :meth:`transform`.
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
        # Importing torch takes seconds, and the other methods do not need it.
        from sklearn_ecganon.delineation import _unet_method as unet

        net = unet.load_net(unet.SHIPPED if self.weights is None else Path(self.weights))
        rows, missing = unet.prepare(record.signal[:, live], record.sampling_rate)
        probability = unet.probabilities(net, rows)[:, :3]
        probability[np.broadcast_to(missing[:, np.newaxis], probability.shape)] = np.nan
        probability = unet.mix_leads(probability)
        per_net_sample = record.sampling_rate / unet.NET_RATE
        r_peaks = record.r_peaks
        if r_peaks is None:
            coarse = np.rint(unet.find_r_peaks(probability[:, 1], rows) * per_net_sample)
            r_peaks = _moved(record, coarse.astype(np.intp), live)
        _check_beats(record, r_peaks)
        n_beats = len(r_peaks)
        positions = np.full((n_beats, record.n_leads, 3, 3), np.nan)
        confidence = np.zeros((n_beats, record.n_leads, 3))
        net_r_peaks = np.rint(r_peaks / per_net_sample).astype(np.intp)
        of_leads = unet.waves_of_leads(probability, rows, net_r_peaks)
        positions[:, live], confidence[:, live] = (np.swapaxes(a, 0, 1) for a in of_leads)
        return r_peaks, positions * per_net_sample, confidence

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
                # NeuroKit raises many types of errors for unusual beats.
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
    """Return the leads that have a signal, or refuse a record that cannot be delineated."""
    where = f"record {record.name!r}"
    if record.sampling_rate < _MIN_RATE:
        raise ValueError(
            f"{where}: {record.sampling_rate:g} Hz is too slow to locate the edges of waves; "
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
            f"{where}: every lead is flat or all NaN, so there are no waves to delineate; "
            "leave the record out."
        )
    return live.tolist()


def _check_beats(record: ECGRecord, r_peaks: NDArray[np.intp]) -> None:
    if not len(r_peaks):
        raise ValueError(
            f"record {record.name!r}: no beat found; leave it out, or give its R peaks by "
            "ECGRecord(..., r_peaks=...)."
        )


def _moved(record: ECGRecord, r_peaks: NDArray[np.intp], live: list[int]) -> NDArray[np.intp]:
    """Move R peaks to the extremum of the QRS in the lead that QRSSegmenter searches."""
    leads, searched = used_leads(record, live, None)
    trace = np.nan_to_num(record.signal[:, leads[searched]])
    return to_extremum(trace, r_peaks.clip(0, len(trace) - 1), record.sampling_rate, _REFINE_MS)
