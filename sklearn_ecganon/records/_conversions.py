"""Records from the objects of other packages, and back.

The other packages are imported only where one of their objects has to be made.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.records._conversion_checks import (
    import_package,
    rate_of_times,
    refuse_implausible,
)
from sklearn_ecganon.records._units import checked_scale, millivolts_in

#: Digital units a mV of a WFDB record, the finest that fits first. A gain computed for one
#: recording would identify it.
_GAINS = (1000, 500, 200, 100, 50, 20, 10, 5, 2, 1)
_LARGEST_DIGITAL = 2**15 - 1


class ConversionsMixin:
    """The conversions of `ECGRecord`.

    What other packages store about the person or the date is never taken over. Every
    ``from_...`` accepts the fields `r_peaks`, `beat_labels`, `subject`, `session` and `name`
    of `ECGRecord` as keywords.
    """

    signal: NDArray[np.float64]
    sampling_rate: float
    lead_names: tuple[str, ...]
    r_peaks: NDArray[np.intp] | None
    name: str

    @classmethod
    def from_wfdb(cls, record: Any, **fields: Any) -> Self:
        """Make a record of one that WFDB has read.

        Parameters
        ----------
        record : wfdb.Record
            As from ``wfdb.rdrecord``. Channels whose unit is no voltage are left out.
        **fields
            Other fields of `ECGRecord`; `name` is the one that WFDB knows by default.

        Returns
        -------
        record : ECGRecord
            In mV. Comments, dates and file names are not taken over.

        Raises
        ------
        ValueError
            If there is no signal, no channel is a voltage, or the amplitudes cannot be
            those of an ECG.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_ecganon import ECGRecord
        >>> record = ECGRecord(np.sin(np.arange(500.0)), 250.0, ["II"], name="A12")
        >>> ECGRecord.from_wfdb(record.to_wfdb())
        ECGRecord('A12': 2.0 s, 250 Hz, II)
        """
        signal = getattr(record, "p_signal", None)
        if signal is None and getattr(record, "d_signal", None) is not None:
            signal = record.dac()
        if signal is None:
            raise ValueError(
                f"got a {type(record).__name__} without p_signal; read it with "
                "wfdb.rdrecord(path), which joins segments and smooths frames by default."
            )
        scale = millivolts_in(record.units)
        voltages = np.flatnonzero(~np.isnan(scale))
        if not len(voltages):
            raise ValueError(f"no channel is a voltage; their units are {list(record.units)}.")
        fields.setdefault("name", record.record_name or "unnamed")
        signal = np.asarray(signal)[:, voltages] * scale[voltages]
        refuse_implausible(signal, fields["name"])
        names = [record.sig_name[channel] for channel in voltages]
        return cls(signal, record.fs, tuple(names), **fields)  # type: ignore[call-arg]

    def to_wfdb(self) -> Any:
        """Return the record for WFDB, whose ``wrsamp`` writes it.

        Samples are 16-bit integers of 1 uV, or of a coarser step where a lead needs it. The
        step is one of a short list: WFDB's own choice would be computed from the extremes of
        the recording, which identifies it. R peaks are not a part of a WFDB record; write
        them with ``wfdb.wrann``.

        Returns
        -------
        record : wfdb.Record
            With the record's name in letters that WFDB allows, without date and comments.

        See Also
        --------
        sklearn_ecganon.io.write_record : Writes a file of any supported format.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_ecganon import ECGRecord
        >>> record = ECGRecord(np.sin(np.arange(500.0)), 250.0, ["II"], name="A12")
        >>> record.to_wfdb().adc_gain
        [1000]
        """
        wfdb = import_package("wfdb", "to_wfdb")
        peaks = np.nan_to_num(np.fmax.reduce(np.abs(self.signal), axis=0)).tolist()
        gains = [
            next((gain for gain in _GAINS if peak * gain <= _LARGEST_DIGITAL), _GAINS[-1])
            for peak in peaks
        ]
        n_leads = len(self.lead_names)
        allowed = "".join(c if c.isascii() and c.isalnum() else "_" for c in self.name)
        record = wfdb.Record(
            record_name=allowed,
            n_sig=n_leads,
            fs=self.sampling_rate,
            sig_len=len(self.signal),
            p_signal=np.array(self.signal),
            sig_name=list(self.lead_names),
            units=["mV"] * n_leads,
            file_name=[f"{allowed}.dat"] * n_leads,
            fmt=["16"] * n_leads,
            adc_gain=gains,
            baseline=[0] * n_leads,
            adc_res=[16] * n_leads,
            adc_zero=[0] * n_leads,
            block_size=[0] * n_leads,
            comments=[],
        )
        record.d_signal = record.adc()
        record.init_value = record.d_signal[0].tolist()
        record.checksum = record.calc_checksum()
        return record

    @classmethod
    def from_mne(cls, raw: Any, picks: Any = "ecg", **fields: Any) -> Self:
        """Make a record of the ECG channels of an MNE recording.

        Parameters
        ----------
        raw : mne.io.BaseRaw
            In V, as MNE stores everything.
        picks : str or sequence, default="ecg"
            Channels as MNE picks them. The default takes those of type ECG.
        **fields
            Other fields of `ECGRecord`.

        Returns
        -------
        record : ECGRecord
            In mV. Subject, date and description of `raw` are not taken over.

        Raises
        ------
        ValueError
            If there is no such channel, or the amplitudes cannot be those of an ECG in V.
        """
        if not hasattr(raw, "get_channel_types") or hasattr(raw, "events"):
            raise ValueError(f"got a {type(raw).__name__}; give a continuous mne.io.Raw.")
        types = raw.get_channel_types()
        if isinstance(picks, str) and picks == "ecg" and "ecg" not in types:
            raise ValueError(
                f"no channel is of type 'ecg', but of {sorted(set(types))}; call "
                "raw.set_channel_types({'NAME': 'ecg'}), or give picks=[...]."
            )
        chosen = raw.copy().pick(picks)
        signal = chosen.get_data().T * 1e3
        refuse_implausible(signal, fields.get("name", "unnamed"), in_volts=True)
        names = tuple(chosen.ch_names)
        return cls(signal, chosen.info["sfreq"], names, **fields)  # type: ignore[call-arg]

    def to_mne(self) -> Any:
        """Return the record as an MNE recording with channels of type ECG, in V.

        Returns
        -------
        raw : mne.io.RawArray
            Gaps stay NaN; R peaks are not taken over.
        """
        mne = import_package("mne", "to_mne")
        info = mne.create_info(list(self.lead_names), self.sampling_rate, "ecg")
        return mne.io.RawArray(self.signal.T * 1e-3, info, verbose="error")

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        sampling_rate: float | None = None,
        *,
        units: str = "mV",
        **fields: Any,
    ) -> Self:
        """Make a record of a pandas data frame with a column for each lead.

        Parameters
        ----------
        frame : pandas.DataFrame
            One row a moment, one column a lead, NaN in gaps. The index may be the time: in s
            as numbers, or as time stamps.
        sampling_rate : float, optional
            In Hz; by default it follows from the index.
        units : {"mV", "uV", "nV", "V"}, default="mV"
            Unit of all columns.
        **fields
            Other fields of `ECGRecord`.

        Returns
        -------
        record : ECGRecord
            In mV, its leads named like the columns.

        Raises
        ------
        ValueError
            If the rate is not known or the times have gaps, if a column is no lead, or the
            amplitudes cannot be those of an ECG in `units`.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_ecganon import ECGRecord
        >>> frame = ECGRecord(np.sin(np.arange(500.0)), 250.0, ["II"]).to_frame()
        >>> ECGRecord.from_frame(frame, name="A12")
        ECGRecord('A12': 2.0 s, 250 Hz, II)
        """
        name = fields.get("name", "unnamed")
        for column in frame.columns:
            values = frame[column].to_numpy()
            if values.dtype.kind not in "fiu":
                raise ValueError(
                    f"record {name!r}: column {column!r} has dtype {values.dtype}; leave out "
                    "what is no lead: frame[['I', 'II']]."
                )
            if len(values) > 2 and (np.diff(values) > 0).all():
                raise ValueError(
                    f"record {name!r}: column {column!r} increases from row to row, as times "
                    f"and row numbers do; make it the index: frame.set_index({column!r})."
                )
        if sampling_rate is None:
            sampling_rate = rate_of_times(frame.index, name)
        signal = frame.to_numpy(dtype=np.float64) * checked_scale(units)
        refuse_implausible(signal, name, units=units)
        names = tuple(str(column) for column in frame.columns)
        return cls(signal, sampling_rate, names, **fields)  # type: ignore[call-arg]

    def to_frame(self) -> Any:
        """Return the signal as a pandas data frame.

        Returns
        -------
        frame : pandas.DataFrame
            One column a lead in mV; the index is the time in s from the start.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_ecganon import ECGRecord
        >>> ECGRecord(np.zeros((500, 2)), 250.0, ["I", "II"]).to_frame().tail(1)
                 I   II
        time
        1.996  0.0  0.0
        """
        pandas = import_package("pandas", "to_frame")
        time = pandas.Index(np.arange(len(self.signal)) / self.sampling_rate, name="time")
        return pandas.DataFrame(np.array(self.signal), time, list(self.lead_names))

    @classmethod
    def from_xarray(
        cls,
        array: Any,
        sampling_rate: float | None = None,
        *,
        units: str | None = None,
        time_dim: str = "time",
        lead_dim: str = "lead",
        **fields: Any,
    ) -> Self:
        """Make a record of an xarray DataArray.

        Parameters
        ----------
        array : xarray.DataArray
            With a dimension of time and, unless there is one lead, a dimension of leads.
        sampling_rate : float, optional
            In Hz; by default it follows from the coordinate of time.
        units : {"mV", "uV", "nV", "V"}, optional
            Unit of the values; by default ``array.attrs["units"]``, or else mV.
        time_dim, lead_dim : str, default="time", "lead"
            Names of the dimensions. The coordinate of the leads names them.
        **fields
            Other fields of `ECGRecord`; `name` is the one of the array by default.

        Returns
        -------
        record : ECGRecord
            In mV.

        Raises
        ------
        ValueError
            If the dimensions are others, the rate is not known, or the amplitudes cannot be
            those of an ECG in `units`.
        """
        dims = (time_dim, lead_dim) if array.ndim == 2 else (time_dim,)
        if set(array.dims) != set(dims):
            raise ValueError(
                f"the array has dimensions {array.dims}; want {dims}. Select one recording, "
                "and give time_dim and lead_dim if they have other names."
            )
        fields.setdefault("name", "unnamed" if array.name is None else str(array.name))
        if sampling_rate is None:
            times = array.indexes.get(time_dim)
            sampling_rate = rate_of_times(times, fields["name"])
        units = array.attrs.get("units", "mV") if units is None else units
        signal = np.asarray(array.transpose(*dims).values) * checked_scale(units)
        refuse_implausible(signal.reshape(len(signal), -1), fields["name"], units=units)
        names: tuple[str, ...] = ()
        if lead_dim in array.coords:
            leads = np.atleast_1d(array.coords[lead_dim].values).tolist()
            names = tuple(str(lead) for lead in leads)
        return cls(signal, sampling_rate, names, **fields)  # type: ignore[call-arg]

    def to_xarray(self) -> Any:
        """Return the signal as an xarray DataArray.

        Returns
        -------
        array : xarray.DataArray
            Of dimensions ``("time", "lead")`` in mV, the time in s from the start.
        """
        xarray = import_package("xarray", "to_xarray")
        return xarray.DataArray(
            np.array(self.signal),
            dims=("time", "lead"),
            coords={
                "time": np.arange(len(self.signal)) / self.sampling_rate,
                "lead": list(self.lead_names),
            },
            name=self.name,
            attrs={"units": "mV"},
        )
