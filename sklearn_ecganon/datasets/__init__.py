"""Recordings to work on: generated, fetched, or read from a folder."""

from sklearn_ecganon._data_home import get_data_home
from sklearn_ecganon.datasets._ecgid import fetch_ecgid
from sklearn_ecganon.datasets._ludb import fetch_ludb
from sklearn_ecganon.datasets._mitdb import fetch_mitdb
from sklearn_ecganon.datasets._protocols import (
    DS1,
    DS2,
    WaveAnnotations,
    load_protocol,
)
from sklearn_ecganon.datasets._records import load_records
from sklearn_ecganon.datasets._synthetic import make_ecg_records
from sklearn_ecganon.datasets._time_split import time_split

__all__ = [
    "DS1",
    "DS2",
    "WaveAnnotations",
    "fetch_ecgid",
    "fetch_ludb",
    "fetch_mitdb",
    "get_data_home",
    "load_protocol",
    "load_records",
    "make_ecg_records",
    "time_split",
]
