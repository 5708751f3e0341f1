"""DICOM waveforms: 12-lead, general and ambulatory ECG."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._errors import ECGReadError, load_extra
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._layout import (
    DEFAULT_GAIN,
    Layout,
    allowed_leads,
    chosen_leads,
    digitized,
    sixteen_bits,
)
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._writer import RecordWriter

#: Kinds of object that are read, by the UID of their class.
_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.9.1.1": "12-lead",
    "1.2.840.10008.5.1.4.1.1.9.1.2": "general",
    "1.2.840.10008.5.1.4.1.1.9.1.3": "ambulatory",
}
#: Little endian, not compressed: what is deflated may unpack to any size.
_PLAIN_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")

#: Codes of context group 3001 (ECG Lead) in the scheme MDC.
_MDC = {
    **{"I": "2:1", "II": "2:2", "III": "2:61", "aVR": "2:62", "aVL": "2:63", "aVF": "2:64"},
    **{f"V{i}": f"2:{i + 2}" for i in range(1, 7)},
    **{"V7": "2:9", "X": "2:16", "Y": "2:17", "Z": "2:18", "-aVR": "2:65"},
    **{"V8": "2:66", "V9": "2:67"},
    **{"V3R": "2:11", "V4R": "2:12", "V5R": "2:13", "V6R": "2:14"},
}
_LEAD_OF = {("MDC", code): lead for lead, code in _MDC.items()} | {
    ("SCPECG", f"5.6.3-9-{code[2:]}"): lead for lead, code in _MDC.items()
}
_UNSPECIFIED = "2:0"

_SAMPLE_KINDS = {
    (8, "SB"): "i1",
    (8, "UB"): "u1",
    (16, "SS"): "<i2",
    (16, "US"): "<u2",
    (32, "SL"): "<i4",
    (32, "UL"): "<u4",
}

_LARGEST = 2**15 - 1
#: A date that everyone can see is none: some fields may not be empty.
_NO_DATE = "19000101"


def _lead_name(channel: Any) -> str:
    """Return what a channel says its lead is; text goes through the list of known leads."""
    sources = channel.get("ChannelSourceSequence") or []
    for code in sources:
        key = (str(code.get("CodingSchemeDesignator", "")), str(code.get("CodeValue", "")))
        if key in _LEAD_OF:
            return _LEAD_OF[key]
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


class DICOMWriter(RecordWriter):
    """Writes 16-bit samples into an object made of nothing but the layout and constants.

    It follows the basic application confidentiality profile of PS3.15 table E.1-1: what the
    profile removes or empties was never there, what must have a value has a dummy one, and
    UIDs are new, made from the samples written.
    """

    def _save(self, signal: NDArray[np.float64], part: Path) -> None:
        load_extra("pydicom", "dicom")
        from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
        from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

        layout = self.layout
        n_leads = layout.n_leads
        gain = np.array(layout.gain or (DEFAULT_GAIN,) * n_leads)
        baseline = np.array(layout.baseline or (0.0,) * n_leads)
        digital, self.n_clipped = digitized(
            signal, gain, baseline, -_LARGEST, _LARGEST, -_LARGEST - 1
        )
        samples = digital.astype("<i2").tobytes()

        def uid(what: str) -> Any:
            return generate_uid(entropy_srcs=[what, hashlib.sha256(samples).hexdigest()])

        def code(value: str, scheme: str, meaning: str) -> Any:
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator = value, scheme
            item.CodeMeaning = meaning
            return item

        kinds = {kind: class_uid for class_uid, kind in _CLASSES.items()}
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = UID(kinds[layout.variant or _kind(layout)])
        meta.MediaStorageSOPInstanceUID = uid("instance")
        data = FileDataset(str(part), {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID = meta.MediaStorageSOPClassUID
        data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        data.StudyInstanceUID, data.SeriesInstanceUID = uid("study"), uid("series")
        for empty in (
            "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate",
            "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
            "Manufacturer", "SeriesNumber", "AcquisitionContextSequence",
        ):  # fmt: skip
            setattr(data, empty, [] if empty.endswith("Sequence") else None)
        data.Modality, data.InstanceNumber = "ECG", 1
        data.ContentDate, data.ContentTime = _NO_DATE, "000000"
        data.AcquisitionDateTime = _NO_DATE + "000000"
        data.PatientIdentityRemoved = "YES"
        data.DeidentificationMethod = "sklearn_ecganon: header written from nothing"
        data.DeidentificationMethodCodeSequence = [
            code("113100", "DCM", "Basic Application Confidentiality Profile")
        ]
        data.LongitudinalTemporalInformationModified = "REMOVED"
        group = Dataset()
        group.WaveformOriginality = "DERIVED"
        group.NumberOfWaveformChannels = n_leads
        group.NumberOfWaveformSamples = layout.n_times
        group.SamplingFrequency = f"{layout.sampling_rate:.10g}"
        group.ChannelDefinitionSequence = []
        for lead, name in enumerate(layout.lead_names):
            channel = Dataset()
            channel.ChannelLabel = name
            meaning = f"Lead {name}" if name in _MDC else "Unspecified lead"
            channel.ChannelSourceSequence = [code(_MDC.get(name, _UNSPECIFIED), "MDC", meaning)]
            channel.ChannelSensitivity = _decimal(1000 / gain[lead])
            channel.ChannelSensitivityUnitsSequence = [code("uV", "UCUM", "microvolt")]
            channel.ChannelSensitivityCorrectionFactor = "1"
            channel.ChannelBaseline = _decimal(-baseline[lead] * 1000 / gain[lead])
            channel.ChannelSampleSkew = "0"
            channel.WaveformBitsStored = 16
            group.ChannelDefinitionSequence.append(channel)
        group.WaveformBitsAllocated = 16
        group.WaveformSampleInterpretation = "SS"
        gap = np.array(-_LARGEST - 1, "<i2").tobytes()
        group.add_new("WaveformPaddingValue", "OW", gap)
        group.add_new("WaveformData", "OW", samples)
        data.WaveformSequence = [group]
        data.save_as(part, enforce_file_format=True)


def _decimal(number: float) -> str:
    """Return a number in the 16 characters of a decimal string."""
    for digits in range(15, 5, -1):
        text = f"{number + 0.0:.{digits}g}"
        if len(text) <= 16:
            return text
    return f"{number:.6g}"


def _kind(layout: Layout) -> str:
    """Return the narrowest class that may hold such a recording, as PS3.3 A.34 has them."""
    n_leads, n_times, rate = layout.n_leads, layout.n_times, layout.sampling_rate
    if n_leads <= 13 and n_times <= 16384 and 200 <= rate <= 1000:
        return "12-lead"
    is_slow_or_long = rate < 200 or n_times >= 3600 * rate
    return "ambulatory" if n_leads <= 12 and is_slow_or_long else "general"


class DICOM(Format):
    """Waveform objects; of several multiplex groups the first, the rhythm, is read."""

    name = "dicom"
    suffixes = (".dcm",)
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
        variant = _CLASSES.get(str(data.get("SOPClassUID", "")))
        if variant is None:
            raise ECGReadError("unsupported", "it is no ECG waveform")
        groups = data.get("WaveformSequence") or []
        if not groups:
            raise ECGReadError("bad_length", "it has no waveform")
        group = groups[0]
        n_times, n_leads = (
            int(group.NumberOfWaveformSamples),
            int(group.NumberOfWaveformChannels),
        )
        rate = float(group.SamplingFrequency)
        source.limits.check_shape(n_times, n_leads, rate)
        dtype = _SAMPLE_KINDS.get(
            (int(group.WaveformBitsAllocated), str(group.WaveformSampleInterpretation))
        )
        if dtype is None:
            raise ECGReadError("unsupported", "its samples are no 8, 16 or 32 bit numbers")
        values = group.WaveformData
        if len(values) < n_times * n_leads * np.dtype(dtype).itemsize:
            raise ECGReadError("truncated")
        digital = np.frombuffer(values, dtype, n_times * n_leads).reshape(n_times, n_leads)
        definitions = group.ChannelDefinitionSequence
        if len(definitions) != n_leads:
            raise ECGReadError("bad_header", "it defines another number of channels")
        names = allowed_leads([_lead_name(channel) for channel in definitions])
        channels, scale = chosen_leads(names, [_units(c) for c in definitions], source.leads)
        gains, zeros = np.array([_scale(definitions[channel]) for channel in channels]).T
        gains = gains / scale
        digital = digital[:, channels]
        signal = (digital - zeros) / gains
        padding = group.get("WaveformPaddingValue")
        if padding is not None:
            gap = np.frombuffer(bytes(padding)[: np.dtype(dtype).itemsize], dtype)[0]
            signal[digital == gap] = np.nan
            digital = np.where(digital == gap, 0, digital)
        extremes = (digital.min(axis=0), digital.max(axis=0))
        scales = [sixteen_bits(*lead) for lead in zip(gains, zeros, *extremes, strict=True)]
        layout = Layout(
            self.name,
            rate,
            tuple(names[channel] for channel in channels),
            n_times,
            gain=tuple(gain for gain, _ in scales),
            baseline=tuple(zero for _, zero in scales),
            variant=variant,
        )
        return RecordReader.of_array(layout, signal, source.limits)
