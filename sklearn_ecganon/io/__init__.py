"""Files in and files out: one gate for what comes, headers from nothing for what goes."""

from sklearn_ecganon.io._annotations import Annotations
from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._gate import create_record, open_record, read_record, write_record
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._writer import RecordWriter

__all__ = [
    "Annotations",
    "ECGReadError",
    "Layout",
    "Limits",
    "RecordReader",
    "RecordWriter",
    "create_record",
    "open_record",
    "read_record",
    "write_record",
]
