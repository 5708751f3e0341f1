"""Formats of ECG carts and Holter recorders, read through ecgdatakit.

The library decodes files; this module decides which files it may decode. It limits the size of
a file, checks XML before a tree is built, and uses only leads, units and rate of the result.
Median beats, measurements, names and texts are dropped.
"""

from __future__ import annotations

import re
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._channels import select_channels
from sklearn_ecganon.io._errors import ECGReadError, load_extra
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._hospital_checks import MFERWalk, check_json, check_xml
from sklearn_ecganon.io._identity import IdentityFacts
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._reader import RecordReader

#: Largest XML or JSON file in bytes: a tree takes many times the memory of its text.
_MAX_TREE_BYTES = 2**25
#: Largest SCP-ECG file in bytes: its samples are decoded bit by bit, some seconds a megabyte.
_MAX_SCP_BYTES = 2**21
#: Largest MFER file in bytes: all of it is decoded at once.
_MAX_MFER_BYTES = 2**26
#: Warnings of ecgdatakit about content that it does not read.
_LEFT_OUT = re.compile(r"only the first|ignored", re.IGNORECASE)


def head_text(head: bytes) -> bytes:
    """Return the first bytes of a text without byte order mark, zeros of UTF-16 and space."""
    return head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")


class HospitalFormat(Format):
    """A format that ecgdatakit decodes and that is not written.

    Attributes
    ----------
    parser : tuple of (str, str)
        Module and class in ``ecgdatakit.parsing.parsers``.
    max_bytes : int
        Largest size of a file in bytes.
    """

    writer = None
    library = ("ecgdatakit", "hospital")
    parser: ClassVar[tuple[str, str]]
    max_bytes: ClassVar[int]

    def check(self, path: Path) -> None:
        """Refuse a file that could harm the library; by default none."""

    def open(self, source: Source) -> RecordReader:
        """Read the rhythm of a recording."""
        record, messages = self._parse(source)
        return self._reader(record, source, _codes(messages, source))

    def identity(self, source: Source) -> IdentityFacts:
        """Read the date of acquisition, and the fields about the patient."""
        record, _ = self._parse(source)
        date, patient = record.recording.date, record.patient
        facts = {
            "patient": patient.patient_id,
            "name": f"{patient.first_name} {patient.last_name}".strip(),
            "age": patient.age,
            "sex": patient.sex,
        }
        comments = tuple(f"{name}: {value}" for name, value in facts.items() if value)
        return IdentityFacts(None if date is None else date.date(), comments)

    def _parse(self, source: Source) -> tuple[Any, list[warnings.WarningMessage]]:
        """Let the library decode a file that has passed all checks."""
        load_extra("ecgdatakit", "hospital")
        if source.size > self.max_bytes:
            raise ECGReadError("too_large", f"more than {self.max_bytes} bytes")
        # In each of these formats a sample needs at least one byte.
        source.limits.check_memory(source.size)
        self.check(source.path)
        module, name = self.parser
        parser = getattr(import_module(f"ecgdatakit.parsing.parsers.{module}"), name)
        with warnings.catch_warnings(record=True) as messages:
            warnings.simplefilter("always")
            record = parser().parse(source.path)
        return record, messages

    def _reader(self, record: Any, source: Source, codes: tuple[str, ...]) -> RecordReader:
        leads = record.leads
        if not leads:
            raise ECGReadError("bad_length", "it has no rhythm")
        units = [lead.resolution_unit if lead.is_raw else lead.units for lead in leads]
        selection = select_channels([lead.label for lead in leads], units, source.leads)
        chosen = [leads[channel] for channel in selection.channels]
        rates = {float(lead.sampling_rate) for lead in chosen}
        if len(rates) > 1:
            raise ECGReadError("mixed_rates", "choose leads of one rate with leads=[...]")
        (rate,) = rates
        n_times = max(len(lead.samples) for lead in chosen)
        source.limits.check_shape(n_times, len(chosen), rate)
        source.limits.check_memory(n_times * len(chosen))
        signal = np.full((n_times, len(chosen)), np.nan, order="F")
        gains: list[float] = []
        for column, (lead, unit) in enumerate(zip(chosen, selection.scale, strict=True)):
            # Shorter leads end in a gap.
            signal[: len(lead.samples), column] = _physical(lead) * unit
            resolution = abs(lead.resolution) * unit if lead.is_raw else 0.0
            gains.append(float(1 / resolution) if resolution else 1.0)
        if np.isinf(signal).any():
            raise ECGReadError("bad_gain", "a lead has infinite values")
        layout = Layout(self.name, rate, selection.names, n_times)
        return RecordReader.of_array(
            layout,
            signal,
            source.limits,
            gain=tuple(gains) if all(lead.is_raw for lead in chosen) else (),
            warnings=tuple(dict.fromkeys((*selection.warnings, *codes))),
        )


def _physical(lead: Any) -> NDArray[np.float64]:
    """Return the samples in the unit of the lead."""
    samples = np.asarray(lead.samples, np.float64)
    return samples * lead.resolution + lead.offset if lead.is_raw else samples


def _codes(messages: list[warnings.WarningMessage], source: Source) -> tuple[str, ...]:
    """Return codes for the warnings of the library, whose texts may quote the file."""
    from ecgdatakit.exceptions import ChecksumWarning

    codes = []
    if any(issubclass(message.category, ChecksumWarning) for message in messages):
        if source.limits.checksum == "refuse":
            raise ECGReadError("bad_checksum", "use Limits(checksum='warn') to read it anyway")
        codes.append("bad_checksum")
    if any(_LEFT_OUT.search(str(message.message)) for message in messages):
        codes.append("left_out_channels")
    return tuple(codes)


class _XMLFormat(HospitalFormat):
    """A format in XML, recognized by the name of an element near the start."""

    suffixes = (".xml",)
    has_common_suffix = True
    written_as = "dicom"
    max_bytes = _MAX_TREE_BYTES
    element: ClassVar[re.Pattern[bytes]]

    def sniff(self, head: bytes) -> bool:
        """Look for the root element."""
        text = head_text(head)
        return text.startswith(b"<") and self.element.search(text) is not None

    def check(self, path: Path) -> None:
        """Check the document before a tree of it is built."""
        check_xml(path)


class MuseXML(_XMLFormat):
    """GE MUSE XML: the rhythm waveform, not the median beats."""

    name = "muse-xml"
    parser = ("ge_muse_xml", "GEMuseXMLParser")
    element = re.compile(rb"<RestingECG[\s>]", re.IGNORECASE)


class AECG(_XMLFormat):
    """HL7 annotated ECG: the rhythm series, not the representative beats."""

    name = "aecg"
    parser = ("hl7_aecg", "HL7aECGParser")
    element = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?AnnotatedECG\b")


class PhilipsXML(_XMLFormat):
    """Philips Sierra XML, compressed waveforms included."""

    name = "philips-xml"
    parser = ("sierra_xml", "SierraXMLParser")
    element = re.compile(rb"<restingecgdata[\s>]")

    def check(self, path: Path) -> None:
        """Check the document, and measure the size of its waveforms when unpacked."""
        check_xml(path, packed={"parsedwaveforms"})


class SCPECG(HospitalFormat):
    """SCP-ECG: the rhythm of section 6, compressed or not."""

    name = "scp-ecg"
    suffixes = (".scp",)
    written_as = "dicom"
    parser = ("scp_ecg", "SCPECGParser")
    max_bytes = _MAX_SCP_BYTES

    def sniff(self, head: bytes) -> bool:
        """Look for the signature in section 0, or for the pointer of the section to itself."""
        if head[16:22] == b"SCPECG":
            return True
        if len(head) < 32:
            return False
        section, length = head[8:10], int.from_bytes(head[10:14], "little")
        pointer, index = head[22:24], int.from_bytes(head[28:32], "little")
        return section == pointer == b"\0\0" and length >= 26 and index == 7


class MFER(HospitalFormat):
    """MFER (ISO 22077) with its preamble."""

    name = "mfer"
    suffixes = (".mwf",)
    written_as = "wfdb"
    parser = ("mfer", "MFERParser")
    max_bytes = _MAX_MFER_BYTES

    def sniff(self, head: bytes) -> bool:
        """Look for the preamble."""
        return head[:1] == b"@" and head[2:6] == b"MFR "

    def check(self, path: Path) -> None:
        """Count channels and frames before memory is allocated for them."""
        MFERWalk().walk(path.read_bytes())


class KardiaJSON(HospitalFormat):
    """AliveCor Kardia JSON: the raw leads, not the enhanced ones."""

    name = "kardia-json"
    suffixes = (".json",)
    has_common_suffix = True
    written_as = "wfdb"
    parser = ("alivecor_kardia", "AliveCorKardiaParser")
    max_bytes = _MAX_TREE_BYTES

    def sniff(self, head: bytes) -> bool:
        """Look for an object with the time of a recording."""
        text = head_text(head)
        return text.startswith(b"{") and b'"recordedAt"' in text

    def check(self, path: Path) -> None:
        """Measure the depth of the document."""
        check_json(path)
