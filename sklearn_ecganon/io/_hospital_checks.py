"""Measure how much memory a file of an ECG cart needs, before a library decodes it."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from pathlib import Path
from xml.parsers import expat

import numpy as np

from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._limits import Limits

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


def check_xml(path: Path, packed: Collection[str] = ()) -> None:
    """Check an XML document without building a tree, and refuse dangerous documents.

    A document type may declare entities that expand to any size or that name other files. No
    supported format needs one.

    Parameters
    ----------
    path : Path
        The document.
    packed : collection of str, optional
        Elements whose text is Base64 of data in Philips' compression.
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

    The compression is LZW with codes of ten bits: one code may represent 768 bytes. Text that
    is not compressed passes, because the sizes of its chunks are inconsistent.
    """
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return  # The text is invalid, which the library refuses, or it is plain numbers.
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
    """Return the unpacked size of an LZW stream with codes of ten bits, in bytes.

    It follows the decoder of the library step by step, with lengths instead of strings.
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


class MFERWalk:
    """Refuse MFER content with too many channels or frames.

    The library keeps a description of every channel for every frame.
    """

    def __init__(self) -> None:
        self.n_channels = 1
        self.n_blocks = 0
        self.is_little = False

    def walk(self, content: bytes, depth: int = 0) -> None:
        """Check every definition."""
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
