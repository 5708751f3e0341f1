"""Write DICOM waveforms: 12-lead, general, 32-bit and ambulatory ECG."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._errors import load_extra
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._quantization import Quantizer
from sklearn_ecganon.io._writer import RecordWriter

#: Kinds of object that are read and written, by the UID of their class.
CLASSES = {
    "1.2.840.10008.5.1.4.1.1.9.1.1": "12-lead",
    "1.2.840.10008.5.1.4.1.1.9.1.2": "general",
    "1.2.840.10008.5.1.4.1.1.9.1.3": "ambulatory",
    "1.2.840.10008.5.1.4.1.1.9.1.4": "general 32-bit",
}
#: Storage of the samples in each class: dtype, bits, interpretation.
_STORAGE = dict.fromkeys(CLASSES.values(), ("<i2", 16, "SS")) | {
    "general 32-bit": ("<i4", 32, "SL")
}

#: Codes of context group 3001 (ECG Lead) in the scheme MDC.
MDC_CODES = {
    **{"I": "2:1", "II": "2:2", "III": "2:61", "aVR": "2:62", "aVL": "2:63", "aVF": "2:64"},
    **{f"V{i}": f"2:{i + 2}" for i in range(1, 7)},
    **{"V7": "2:9", "X": "2:16", "Y": "2:17", "Z": "2:18", "-aVR": "2:65"},
    **{"V8": "2:66", "V9": "2:67"},
    **{"V3R": "2:11", "V4R": "2:12", "V5R": "2:13", "V6R": "2:14"},
}
LEAD_OF = {("MDC", code): lead for lead, code in MDC_CODES.items()} | {
    ("SCPECG", f"5.6.3-9-{code[2:]}"): lead for lead, code in MDC_CODES.items()
}
#: Code of leads that have no specific code.
_UNSPECIFIED = "2:0"
#: A date that everyone can see is none: some fields may not be empty.
NO_DATE = "19000101"


class DICOMWriter(RecordWriter):
    """Writes samples into an object that otherwise contains only the layout and constants.

    It follows the basic application confidentiality profile of PS3.15 table E.1-1: what the
    profile removes or empties was never there, what must have a value has a dummy one, and
    UIDs are new, generated from the samples written.
    """

    def _save(self, signal: NDArray[np.float64], target: Path) -> None:
        load_extra("pydicom", "dicom")
        from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
        from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

        layout = self.layout
        n_leads = layout.n_leads
        kind = layout.variant if _fits(layout) else _kind(layout)
        dtype, bits, interpretation = _STORAGE[kind]
        largest = 2 ** (bits - 1) - 1
        quantizer = Quantizer(n_leads, largest, gap=-largest - 1)
        digital, _ = quantizer.digitize(signal)
        samples = digital.astype(dtype).tobytes()
        self.n_clipped = quantizer.n_clipped

        def uid(what: str) -> Any:
            return generate_uid(entropy_srcs=[what, hashlib.sha256(samples).hexdigest()])

        def code(value: str, scheme: str, meaning: str) -> Any:
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator = value, scheme
            item.CodeMeaning = meaning
            return item

        class_uids = {kind: class_uid for class_uid, kind in CLASSES.items()}
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = UID(class_uids[kind])
        meta.MediaStorageSOPInstanceUID = uid("instance")
        data = FileDataset(str(target), {}, file_meta=meta, preamble=b"\0" * 128)
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
        data.ContentDate, data.ContentTime = NO_DATE, "000000"
        data.AcquisitionDateTime = NO_DATE + "000000"
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
            meaning = f"Lead {name}" if name in MDC_CODES else "Unspecified lead"
            value = MDC_CODES.get(name, _UNSPECIFIED)
            channel.ChannelSourceSequence = [code(value, "MDC", meaning)]
            channel.ChannelSensitivity = f"{1000 / quantizer.gain[lead]:g}"
            channel.ChannelSensitivityUnitsSequence = [code("uV", "UCUM", "microvolt")]
            channel.ChannelSensitivityCorrectionFactor = "1"
            channel.ChannelBaseline = "0"
            channel.ChannelSampleSkew = "0"
            channel.WaveformBitsStored = bits
            group.ChannelDefinitionSequence.append(channel)
        group.WaveformBitsAllocated = bits
        group.WaveformSampleInterpretation = interpretation
        gap = np.array(-largest - 1, dtype).tobytes()
        group.add_new("WaveformPaddingValue", "OW", gap)
        group.add_new("WaveformData", "OW", samples)
        data.WaveformSequence = [group]
        data.save_as(target, enforce_file_format=True)


def _fits(layout: Layout) -> bool:
    """Return whether the class of the input may hold the output."""
    if layout.variant == "12-lead":
        return _kind(layout) == "12-lead"
    return layout.variant != ""


def _kind(layout: Layout) -> str:
    """Return the narrowest class that may hold a recording, as PS3.3 A.34 defines them."""
    n_leads, n_times, rate = layout.n_leads, layout.n_times, layout.sampling_rate
    if n_leads <= 13 and n_times <= 16384 and 200 <= rate <= 1000:
        return "12-lead"
    is_slow_or_long = rate < 200 or n_times >= 3600 * rate
    return "ambulatory" if n_leads <= 12 and is_slow_or_long else "general"
