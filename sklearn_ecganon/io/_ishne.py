"""ISHNE Holter files: a fixed header, remarks, then 16-bit samples of all leads in turn.

Read here rather than through ecgdatakit because a day of twelve leads must be read in chunks.
The tests compare with ecgdatakit. The format is described by Badilini (Annals of Noninvasive
Electrocardiology 1998;3:263).
"""

from __future__ import annotations

import binascii
import struct

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._channels import select_channels
from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._identity import IdentityFacts, date_or_none
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._reader import RecordReader

_SIGNATURE = b"ISHNE1.0"
#: Bytes before the remarks: signature, checksum, and a block of 512.
_FIXED_BYTES = 522
_MAX_LEADS = 12
#: Leads by their code; 0 and 1 stand for none.
_LEADS = {
    **{2: "X", 3: "Y", 4: "Z", 5: "I", 6: "II", 7: "III", 8: "aVR", 9: "aVL", 10: "aVF"},
    **{
        11: "V1",
        12: "V2",
        13: "V3",
        14: "V4",
        15: "V5",
        16: "V6",
        17: "ES",
        18: "AS",
        19: "AI",
    },
}
#: What the standard proposes for a lead that fell off.
_GAP = -(2**15)


class ISHNE(Format):
    """ISHNE Holter; read in chunks."""

    name = "ishne"
    suffixes = (".ecg",)
    written_as = "wfdb"
    writer = None

    def sniff(self, head: bytes) -> bool:
        """Look for the signature."""
        return head.startswith(_SIGNATURE)

    def open(self, source: Source) -> RecordReader:
        """Open a recording after comparing its header with the size of the file."""
        with source.path.open("rb") as file:
            header = file.read(_FIXED_BYTES)
            if len(header) < _FIXED_BYTES:
                raise ECGReadError("truncated")
            checksum, n_remarks = struct.unpack_from("<Hi", header, 8)
            start = _FIXED_BYTES + n_remarks
            if not 0 <= n_remarks <= source.limits.max_header_bytes:
                raise ECGReadError("bad_header", "its remarks have an impossible length")
            if start > source.size:
                raise ECGReadError("truncated")
            covered = header[10:] + file.read(n_remarks)
        warnings = _checked(covered, checksum, source)
        (n_leads,) = struct.unpack_from("<h", header, 156)
        codes = struct.unpack_from("<12h", header, 158)
        resolutions = struct.unpack_from("<12h", header, 206)
        (rate,) = struct.unpack_from("<h", header, 272)
        if not 1 <= n_leads <= _MAX_LEADS:
            raise ECGReadError("bad_header", "it has no number of leads from 1 to 12")
        # Many recorders write the planned length, not the recorded one.
        n_times = (source.size - start) // (2 * n_leads)
        source.limits.check_shape(n_times, n_leads, float(rate))
        selection = select_channels(
            [_LEADS.get(code, "") for code in codes[:n_leads]],
            ["nV"] * n_leads,
            source.leads,
            is_blank=[resolution <= 0 for resolution in resolutions[:n_leads]],
        )
        channels = selection.channels
        scale = np.array(resolutions, float)[channels] * selection.scale

        def fetch(first: int, stop: int) -> NDArray[np.float64]:
            count, offset = (stop - first) * n_leads, start + 2 * first * n_leads
            values = np.fromfile(source.path, "<i2", count, offset=offset)
            values = values.reshape(-1, n_leads)[:, channels]
            return np.where(values == _GAP, np.nan, values * scale)

        return RecordReader(
            Layout(self.name, float(rate), selection.names, n_times),
            fetch,
            source.limits,
            gain=tuple((1 / scale).tolist()),
            warnings=(*selection.warnings, *warnings),
        )

    def identity(self, source: Source) -> IdentityFacts:
        """Read the date of recording, and the fields about the person."""
        with source.path.open("rb") as file:
            header = file.read(_FIXED_BYTES)
        day, month, year = struct.unpack_from("<3h", header, 138)
        fields = {"first name": (28, 40), "last name": (68, 40), "id": (108, 20)}
        comments = []
        for name, (place, width) in fields.items():
            text = header[place : place + width].split(b"\0")[0].decode("latin-1").strip()
            if text:
                comments.append(f"{name}: {text}")
        return IdentityFacts(date_or_none(year, month, day), tuple(comments))


def _checked(covered: bytes, checksum: int, source: Source) -> tuple[str, ...]:
    """Compare the checksum of header and remarks; 0 means that there is none."""
    computed = binascii.crc_hqx(covered, 0xFFFF)
    # The standard does not fix the order of its two bytes.
    if checksum in (0, computed, (computed & 0xFF) << 8 | computed >> 8):
        return ()
    if source.limits.checksum == "refuse":
        raise ECGReadError("bad_checksum", "Limits(checksum='warn') reads it all the same")
    return ("bad_checksum",)
