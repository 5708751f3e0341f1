"""WFDB annotation files: words of 16 bits, six for the type of annotation, ten for a time step.

wfdb is not used here: it reads each field into a Python list, and accepts truncated files. This
module must read two weeks of beats in little memory, and refuse truncated files.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterator

import numpy as np

from sklearn_ecganon.io._annotations import RHYTHMS, Annotations
from sklearn_ecganon.io._errors import ECGReadError

#: Symbols by the code in the file. Files may define further codes, which are not read.
_SYMBOLS = {
    **dict(enumerate("NLRaVFJASEj/Q~", start=1)),
    **{16: "|", 18: "s", 19: "T", 20: "*", 21: "D", 22: '"', 23: "=", 24: "p", 25: "B"},
    **dict(enumerate("^t+u?![]en@xf()r", start=26)),
}
_CODES = {symbol: code for code, symbol in _SYMBOLS.items()}
_SKIP, _NUM, _SUB, _CHAN, _AUX = 59, 60, 61, 62, 63
_RESOLUTION = re.compile(r"## time resolution: ([0-9]{1,9}(?:\.[0-9]{0,9})?)")


def _swapped(words: array[int]) -> array[int]:
    """Return words in the byte order of the file, or back."""
    if sys.byteorder == "big":
        words.byteswap()
    return words


def decode_annotations(content: bytes, sampling_rate: float) -> Annotations:
    """Return the annotations in a file that `Annotations` can hold.

    Parameters
    ----------
    content : bytes
        Content of the file.
    sampling_rate : float
        Rate of the signal in Hz. If the file has another time resolution, times are converted.
    """
    if len(content) % 2:
        raise ECGReadError("bad_annotations", "they are cut off")
    words = _swapped(array("H", content))
    times, codes = array("q"), bytearray()
    notes: dict[int, str] = {}
    resolution = sampling_rate
    time, place = 0, 0
    while True:
        if place >= len(words):
            raise ECGReadError("bad_annotations", "they are cut off")
        code, value = words[place] >> 10, words[place] & 0x3FF
        place += 1
        if code == 0 and value == 0:
            break
        if code == _SKIP:
            if place + 2 > len(words):
                raise ECGReadError("bad_annotations", "they are cut off")
            step = words[place] << 16 | words[place + 1]
            time += step - 2**32 if step >= 2**31 else step
            place += 2
        elif code == _AUX:
            length = value & 0xFF
            text = content[2 * place : 2 * place + length].decode("latin-1").rstrip("\0 ")
            place += (length + 1) // 2
            if text in RHYTHMS and codes:
                notes[len(codes) - 1] = text
            elif match := _RESOLUTION.fullmatch(text):
                resolution = float(match[1])
        elif code not in (_NUM, _SUB, _CHAN):
            time += value
            times.append(time)
            codes.append(code)
    if any(words[place:]):
        raise ECGReadError("bad_annotations", "there is data after their end")
    if not resolution > 0:
        raise ECGReadError("bad_annotations", "their time resolution is 0")
    names = np.array([_SYMBOLS.get(code, "") for code in range(64)])
    samples = np.array(times, np.int64)
    if resolution != sampling_rate:
        samples = np.rint(samples * (sampling_rate / resolution)).astype(np.int64)
    texts = np.zeros(len(codes), f"U{max(map(len, notes.values()), default=1)}")
    for position, text in notes.items():
        texts[position] = text
    return Annotations(samples, names[np.frombuffer(bytes(codes), np.uint8)], texts)


def encode_annotations(annotations: Annotations) -> bytes:
    """Return the content of an annotation file, with rhythms in its notes.

    Parameters
    ----------
    annotations : Annotations
        Annotations in order of time.
    """
    words = array("H")
    time = 0
    for sample, symbol, note in _each(annotations):
        step, code = sample - time, _CODES[symbol]
        if not 0 <= step < 2**10:
            words.extend((_SKIP << 10, step >> 16 & 0xFFFF, step & 0xFFFF))
            step = 0
        words.append(code << 10 | step)
        if note:
            words.append(_AUX << 10 | len(note))
            text = note.encode("ascii").ljust(len(note) + len(note) % 2, b"\0")
            words.extend(_swapped(array("H", text)))
        time = sample
    words.append(0)
    return _swapped(words).tobytes()


def _each(annotations: Annotations, n_chunk: int = 2**16) -> Iterator[tuple[int, str, str]]:
    """Yield one annotation after the other, because all as Python objects need much memory."""
    fields = (annotations.samples, annotations.symbols, annotations.notes)
    for start in range(0, len(annotations), n_chunk):
        yield from zip(*(f[start : start + n_chunk].tolist() for f in fields), strict=True)
