"""Read DICOM waveforms: 12-lead, general, 32-bit and ambulatory ECG."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._channels import select_channels
from sklearn_ecganon.io._dicom_writer import CLASSES, LEAD_OF, NO_DATE, DICOMWriter
from sklearn_ecganon.io._errors import ECGReadError, load_extra
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._identity import IdentityFacts, date_or_none
from sklearn_ecganon.io._layout import Layout, allowed_leads
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.records import millivolts_in

#: Little endian, not compressed, because deflated data may unpack to any size.
_PLAIN_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")

_SAMPLE_KINDS = {
    (8, "SB"): "i1",
    (8, "UB"): "u1",
    (16, "SS"): "<i2",
    (16, "US"): "<u2",
    (32, "SL"): "<i4",
    (32, "UL"): "<u4",
}

#: Labels of groups that hold a computed beat rather than a recording.
_MEDIAN = re.compile(r"median|average|template|representative|dominant", re.IGNORECASE)
#: s; a group this short is a single beat where another group is longer.
_ONE_BEAT = 2.0

#: Where a file may state when it was recorded, the most reliable first.
_DATES = ("AcquisitionDateTime", "AcquisitionDate", "ContentDate", "StudyDate")
_PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientAge", "PatientSex")


def _lead_name(channel: Any) -> str:
    """Return the name of the lead of a channel; text must be on the list of known leads."""
    sources = channel.get("ChannelSourceSequence") or []
    for code in sources:
        key = (str(code.get("CodingSchemeDesignator", "")), str(code.get("CodeValue", "")))
        if key in LEAD_OF:
            return LEAD_OF[key]
    texts = [str(code.get("CodeMeaning", "")) for code in sources]
    texts.append(str(channel.get("ChannelLabel", "")))
    known = (allowed_leads([text])[0] for text in texts)
    return next((name for name in known if not name.startswith("lead")), "")


def _scale(channel: Any) -> tuple[float, float]:
    """Return digital units a physical unit, and the digital value of 0."""
    sensitivity = float(channel.get("ChannelSensitivity", np.nan))
    sensitivity *= float(channel.get("ChannelSensitivityCorrectionFactor", 1) or 1)
    if not (np.isfinite(sensitivity) and sensitivity > 0):
        raise ECGReadError("bad_gain", "a channel has no sensitivity above 0")
    baseline = float(channel.get("ChannelBaseline", 0) or 0)
    return 1 / sensitivity, 0.0 - baseline / sensitivity


def _units(channel: Any) -> str:
    codes = channel.get("ChannelSensitivityUnitsSequence") or []
    return str(codes[0].get("CodeValue", "")) if codes else ""


@dataclass(frozen=True)
class _Group:
    """A multiplex group: channels that were sampled together.

    Attributes
    ----------
    data : pydicom.Dataset
        Of the group.
    n_times, n_leads : int
        As declared, and checked.
    rate : float
        In Hz.
    offset : float
        Seconds from the start of the recording.
    is_median : bool
        Whether it is a computed beat by its label.
    """

    data: Any
    n_times: int
    n_leads: int
    rate: float
    offset: float
    is_median: bool

    @classmethod
    def of(cls, data: Any, limits: Limits) -> _Group:
        """Check the declarations of a group."""
        n_times = int(data.NumberOfWaveformSamples)
        n_leads = int(data.NumberOfWaveformChannels)
        rate = float(data.SamplingFrequency)
        limits.check_shape(n_times, n_leads, rate)
        if len(data.ChannelDefinitionSequence) != n_leads:
            raise ECGReadError("bad_header", "it defines another number of channels")
        offset = float(data.get("MultiplexGroupTimeOffset", 0) or 0) / 1000
        if not 0 <= offset <= limits.max_duration:
            raise ECGReadError("bad_header", "a group begins at an impossible time")
        label = str(data.get("MultiplexGroupLabel", ""))
        return cls(data, n_times, n_leads, rate, offset, bool(_MEDIAN.search(label)))

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.n_times / self.rate

    def digital(self) -> tuple[NDArray[np.integer], int | None]:
        """Return the samples, and the value of missing samples."""
        group = self.data
        dtype = _SAMPLE_KINDS.get(
            (int(group.WaveformBitsAllocated), str(group.WaveformSampleInterpretation))
        )
        if dtype is None:
            raise ECGReadError("unsupported", "its samples are no 8, 16 or 32 bit numbers")
        values, width = group.WaveformData, np.dtype(dtype).itemsize
        if len(values) < self.n_times * self.n_leads * width:
            raise ECGReadError("truncated")
        digital = np.frombuffer(values, dtype, self.n_times * self.n_leads)
        padding = group.get("WaveformPaddingValue")
        gap = None if padding is None else int(np.frombuffer(bytes(padding)[:width], dtype)[0])
        return digital.reshape(self.n_times, self.n_leads), gap


def _rhythm_groups(groups: list[_Group]) -> list[_Group]:
    """Return the groups that hold the recording itself, the longest first.

    Median beats are dropped, because they and their measurements identify the person. Of
    groups with different rates, those with the rate of the longest are read.
    """
    groups = sorted(groups, key=lambda group: -group.seconds)
    longest = groups[0]
    recorded = [group for group in groups if not group.is_median]
    if longest.seconds > _ONE_BEAT:
        recorded = [group for group in recorded if group.seconds > _ONE_BEAT]
    if not recorded:
        raise ECGReadError("bad_length", "it holds a median beat, and no recording")
    return [group for group in recorded if group.rate == recorded[0].rate]


def _assemble(
    groups: list[_Group], chosen: tuple[str, ...] | None, limits: Limits
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[float, ...], tuple[str, ...]]:
    """Align the channels of all groups in time; samples outside of a group are gaps.

    A lead that is in several groups is joined where they follow one another. Where they
    overlap, the longest counts.

    Returns
    -------
    signal : ndarray of shape (n_times, n_leads)
        In mV.
    names : tuple of str
        Of the leads.
    gains : tuple of float
        Digital units a mV of each lead.
    warnings : tuple of str
        Codes.
    """
    rate = groups[0].rate
    columns: dict[str, int] = {}
    pieces: list[tuple[int, _Group, int]] = []  # column, group, channel
    labels: list[str] = []
    units: list[str] = []
    for group in groups:
        for position, channel in enumerate(group.data.ChannelDefinitionSequence):
            name = _lead_name(channel)
            if name not in columns or not name:
                columns[name] = len(labels)
                labels.append(name or _label_of(channel))
                units.append(_units(channel))
            elif units[columns[name]] != _units(channel):
                continue
            pieces.append((columns[name], group, position))
    selection = select_channels(labels, units, chosen)
    starts = {id(group): round(group.offset * rate) for group in groups}
    first = min(starts.values())
    n_times = max(starts[id(group)] + group.n_times for group in groups) - first
    limits.check_shape(n_times, len(selection.channels), rate)
    limits.check_memory(n_times * len(selection.channels))
    signal = np.full((n_times, len(selection.channels)), np.nan, order="F")
    is_taken = np.zeros(signal.shape, bool, order="F")
    gains = [0.0] * len(selection.channels)
    samples = {id(group): group.digital() for group in groups}
    for column, group, position in pieces:
        if column not in selection.channels:
            continue
        target = selection.channels.index(column)
        start = starts[id(group)] - first
        place = slice(start, start + group.n_times)
        if is_taken[place, target].any():
            continue
        channel = group.data.ChannelDefinitionSequence[position]
        gain, zero = _scale(channel)
        gain /= millivolts_in([_units(channel)])[0]
        digital, gap = samples[id(group)]
        values = (digital[:, position] - zero) / gain
        if gap is not None:
            values[digital[:, position] == gap] = np.nan
        signal[place, target] = values
        is_taken[place, target] = True
        gains[target] = gains[target] or gain
    return signal, selection.names, tuple(gains), selection.warnings


def _label_of(channel: Any) -> str:
    """Return a label by which `select_channels` recognizes channels that are not an ECG."""
    sources = channel.get("ChannelSourceSequence") or []
    texts = [str(channel.get("ChannelLabel", ""))]
    texts += [str(code.get("CodeMeaning", "")) for code in sources]
    return next((text for text in texts if text), "")


class DICOM(Format):
    """Waveform objects; all multiplex groups but median beats are read."""

    name = "dicom"
    suffixes = (".dcm",)
    library = ("pydicom", "dicom")
    writer = DICOMWriter

    def sniff(self, head: bytes) -> bool:
        """Look for the prefix behind the preamble."""
        return head[128:132] == b"DICM"

    def open(self, source: Source) -> RecordReader:
        """Read the samples after checking class, encoding and declared size."""
        pydicom = load_extra("pydicom", "dicom")
        source.limits.check_memory(source.size)
        meta = pydicom.filereader.read_file_meta_info(source.path)
        if str(meta.get("TransferSyntaxUID", "")) not in _PLAIN_SYNTAXES:
            raise ECGReadError("unsupported", "store it as explicit VR little endian")
        with source.path.open("rb") as file:
            data = pydicom.dcmread(file, specific_tags=["SOPClassUID", "WaveformSequence"])
        variant = CLASSES.get(str(data.get("SOPClassUID", "")))
        if variant is None:
            raise ECGReadError("unsupported", "it is no ECG waveform")
        items = data.get("WaveformSequence") or []
        if not items:
            raise ECGReadError("bad_length", "it has no waveform")
        groups = _rhythm_groups([_Group.of(item, source.limits) for item in items])
        signal, names, gains, warnings = _assemble(groups, source.leads, source.limits)
        layout = Layout(self.name, groups[0].rate, names, len(signal), variant=variant)
        return RecordReader.of_array(
            layout, signal, source.limits, gain=gains, warnings=warnings
        )

    def identity(self, source: Source) -> IdentityFacts:
        """Read the date of acquisition and the patient module."""
        pydicom = load_extra("pydicom", "dicom")
        with source.path.open("rb") as file:
            data = pydicom.dcmread(
                file, specific_tags=[*_DATES, *_PATIENT], stop_before_pixels=True
            )
        dates = (str(data.get(name) or "")[:8] for name in _DATES)
        known = (text for text in dates if len(text) == 8 and text.isdecimal())
        text = next((text for text in known if text != NO_DATE), None)
        acquired = None
        if text is not None:
            acquired = date_or_none(int(text[:4]), int(text[4:6]), int(text[6:]))
        comments = (f"{name}: {data.get(name)}" for name in _PATIENT if data.get(name))
        return IdentityFacts(acquired, tuple(comments))
