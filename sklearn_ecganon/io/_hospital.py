"""Formats of ECG carts and Holter recorders, read through ecgdatakit.

The library decodes; this module decides what reaches it. It limits the size of a file, walks
through XML before any tree is built, and takes nothing out of the result but leads, units and
rate. Median beats, measurements, names and texts stay behind.
"""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._channels import select_channels
from sklearn_ecganon.io._errors import ECGReadError, load_extra
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._identity import IdentityFacts
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.io._reader import RecordReader

#: Largest XML or JSON file in bytes: a tree takes many times the memory of its text.
_MAX_TREE_BYTES = 2**25
#: Largest SCP-ECG file in bytes: its samples are decoded bit by bit, some seconds a megabyte.
_MAX_SCP_BYTES = 2**21
#: Largest MFER file in bytes: all of it is decoded at once.
_MAX_MFER_BYTES = 2**26
#: Samples in the compressed waveforms of a Philips file. Ten seconds of 12 leads are 60,000.
_MAX_XLI_SAMPLES = 2**23
#: Frames times channels of an MFER file.
_MAX_MFER_BLOCKS = 2**18
#: Of an XML or JSON document. No format comes near them.
_MAX_DEPTH = 64
_MAX_ELEMENTS = 2**20

#: Tags of MFER.
_MFER_PADDING, _MFER_ORDER, _MFER_CHANNELS = 0x00, 0x01, 0x05
_MFER_WAVEFORM, _MFER_CHANNEL, _MFER_GROUP, _MFER_END = 0x1E, 0x3F, 0x67, 0x80
_MAX_GROUPS = 4

#: What ecgdatakit warns of where a file holds more than it reads.
_LEFT_OUT = re.compile(r"only the first|ignored", re.IGNORECASE)


def check_xml(path: Path, packed: Collection[str] = ()) -> None:
    """Walk through an XML document without building a tree, and refuse what may do harm.

    A document type may declare entities that expand to any size or name other files. None of
    the formats here needs one.

    Parameters
    ----------
    path : Path
        The document.
    packed : collection of str, optional
        Elements whose text is Base64 of data in the compression of Philips.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = n_elements = 0
    texts: list[list[str]] = []  # of each open element that is packed, the innermost last
    open_elements: list[bool] = [False]

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, n_elements
        depth += 1
        n_elements += 1
        if depth > _MAX_DEPTH or n_elements > _MAX_ELEMENTS:
            raise ECGReadError("too_large", "it has too many XML elements, or too deep ones")
        open_elements.append(name.lower() in packed)
        if open_elements[-1]:
            texts.append([])

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        if open_elements.pop():
            check_xli("".join(texts.pop()))

    def text(content: str) -> None:
        if open_elements[-1]:
            texts[-1].append(content)

    def refuse(*arguments: object) -> None:
        raise ECGReadError("bad_header", "an XML document with a DOCTYPE is not read")

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    with path.open("rb") as file:
        parser.ParseFile(file)


def check_xli(text: str) -> None:
    """Refuse compressed waveforms that unpack to too many samples, without unpacking them.

    The compression is LZW with codes of ten bits: one code may stand for 768 bytes. Text that
    is not compressed passes, because its chunks do not add up.
    """
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return  # The library refuses it, or it is plain numbers.
    n_bytes = place = 0
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4], "little", signed=True)
        place += 8
        if not 0 < size <= len(data) - place:
            return
        n_bytes += _lzw_length(data[place : place + size])
        place += size
        if n_bytes > 2 * _MAX_XLI_SAMPLES:
            raise ECGReadError("too_large", "its waveforms unpack to too many samples")


def _lzw_length(chunk: bytes) -> int:
    """Return how many bytes an LZW stream with codes of ten bits unpacks to.

    It follows the decoder of the library step by step, with lengths in the place of strings.
    """
    bits = np.unpackbits(np.frombuffer(chunk, np.uint8))
    codes = bits[: len(bits) // 10 * 10].reshape(-1, 10) @ (1 << np.arange(9, -1, -1))
    lengths = dict.fromkeys(range(256), 1)
    total = previous = 0
    next_code = 256
    for code in codes.tolist():
        length = lengths.setdefault(code, previous + 1)
        if previous and next_code < 1024:
            lengths[next_code] = previous + 1
            next_code += 1
        total += length
        previous = length
    return total


class _MFERWalk:
    """Refuse MFER content with too many channels or frames.

    The library keeps a description of every channel for every frame.
    """

    def __init__(self) -> None:
        self.n_channels = 1
        self.n_blocks = 0
        self.is_little = False

    def walk(self, content: bytes, depth: int = 0) -> None:
        """Look at every definition."""
        if depth > _MAX_GROUPS:
            raise ECGReadError("too_large", "it is nested too deeply")
        place = 0
        while place < len(content):
            tag = content[place]
            place += 1
            if tag == _MFER_PADDING:
                continue
            if tag == _MFER_END:
                return
            if tag == _MFER_CHANNEL:
                # The number of a channel follows, seven bits a byte.
                while place < len(content) and content[place] >= 0x80:
                    place += 1
                place += 1
            length, place = _mfer_length(content, place)
            self._define(tag, content[place : place + length], depth)
            place += length

    def _define(self, tag: int, value: bytes, depth: int) -> None:
        if tag == _MFER_ORDER:
            self.is_little = value[:1] == b"\1"
        elif tag == _MFER_CHANNELS:
            self.n_channels = int.from_bytes(value, "little" if self.is_little else "big")
            if self.n_channels > Limits().max_leads:
                raise ECGReadError("too_large", f"more than {Limits().max_leads} leads")
        elif tag == _MFER_WAVEFORM:
            self.n_blocks += self.n_channels
            if self.n_blocks > _MAX_MFER_BLOCKS:
                raise ECGReadError("too_large", "it has too many frames")
        elif tag in (_MFER_GROUP, _MFER_CHANNEL):
            self.walk(value, depth + 1)


def _mfer_length(content: bytes, place: int) -> tuple[int, int]:
    """Return the length of a definition, and where its value begins."""
    first = content[place] if place < len(content) else 0
    if first < 0x80:
        return first, place + 1
    if first == 0x80:
        raise ECGReadError("unsupported", "MFER definitions of unknown length are not read")
    n_bytes = first & 0x7F
    if n_bytes > 4:
        raise ECGReadError("bad_header", "a definition has an impossible length")
    length = int.from_bytes(content[place + 1 : place + 1 + n_bytes], "big")
    return length, place + 1 + n_bytes


def check_json(path: Path) -> None:
    """Refuse JSON that is nested too deeply, before it is parsed."""
    content = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", path.read_bytes(), flags=re.DOTALL)
    brackets = np.frombuffer(content, np.uint8)
    steps = np.isin(brackets, [ord("["), ord("{")]).astype(np.int64)
    steps -= np.isin(brackets, [ord("]"), ord("}")])
    if len(steps) and np.cumsum(steps).max() > _MAX_DEPTH:
        raise ECGReadError("too_large", "it is nested too deeply")


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
        Largest file.
    """

    writer = None
    parser: ClassVar[tuple[str, str]]
    max_bytes: ClassVar[int]

    def check(self, path: Path) -> None:
        """Refuse a file that the library should not see."""

    def open(self, source: Source) -> RecordReader:
        """Read the rhythm of a recording."""
        record, messages = self._parse(source)
        return self._reader(record, source, _codes(messages, source))

    def identity(self, source: Source) -> IdentityFacts:
        """Read the date of acquisition, and who the recording is of."""
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
        # A sample takes a byte at least, in each of these formats.
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
            # Leads that are shorter than the others end in a gap.
            signal[: len(lead.samples), column] = _physical(lead) * unit
            resolution = abs(lead.resolution) * unit if lead.is_raw else 0.0
            gains.append(float(1 / resolution) if resolution else 1.0)
        if np.isinf(signal).any():
            raise ECGReadError("bad_gain", "a lead has values without end")
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
    """Return codes for what the library warned of; its own words may quote the file."""
    from ecgdatakit.exceptions import ChecksumWarning

    codes = []
    if any(issubclass(message.category, ChecksumWarning) for message in messages):
        if source.limits.checksum == "refuse":
            raise ECGReadError("bad_checksum", "Limits(checksum='warn') reads it all the same")
        codes.append("bad_checksum")
    if any(_LEFT_OUT.search(str(message.message)) for message in messages):
        codes.append("left_out_channels")
    return tuple(codes)


class _XMLFormat(HospitalFormat):
    """A format in XML, known by the name of an element near the start."""

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
        """Walk through the document before a tree of it is built."""
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
        """Walk through the document, and measure what its waveforms unpack to."""
        check_xml(path, packed={"parsedwaveforms"})


class SCPECG(HospitalFormat):
    """SCP-ECG: the rhythm of section 6, compressed or not."""

    name = "scp-ecg"
    suffixes = (".scp",)
    written_as = "dicom"
    parser = ("scp_ecg", "SCPECGParser")
    max_bytes = _MAX_SCP_BYTES

    def sniff(self, head: bytes) -> bool:
        """Look for the mark in section 0, or for its pointer to itself."""
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
        """Count channels and frames before memory is taken for each."""
        _MFERWalk().walk(path.read_bytes())


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
        """Measure how deep the document is nested."""
        check_json(path)
