"""Read and write recordings of every supported format.

All files are read through `open_record` and `read_record`, which check every file against the
limits and drop everything that points to the person. Written headers contain a `Layout`, which
has no field for a name, a date or a comment.
"""

from sklearn_ecganon.io._annotations import Annotations
from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._files import remove_unfinished
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._gate import (
    create_record,
    open_record,
    read_identity,
    read_record,
    write_record,
)
from sklearn_ecganon.io._hdf5 import read_exam_ids
from sklearn_ecganon.io._identity import IdentityFacts
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._registry import FORMATS
from sklearn_ecganon.io._search import FolderContents, RecordingFile, find_recordings
from sklearn_ecganon.io._writer import RecordWriter

__all__ = [
    "FORMATS",
    "Annotations",
    "ECGReadError",
    "FolderContents",
    "Format",
    "IdentityFacts",
    "Layout",
    "Limits",
    "RecordReader",
    "RecordWriter",
    "RecordingFile",
    "create_record",
    "find_recordings",
    "open_record",
    "read_exam_ids",
    "read_identity",
    "read_record",
    "remove_unfinished",
    "write_record",
]
