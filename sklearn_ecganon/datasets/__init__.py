"""Recordings to work on: generated, fetched, or read from a folder."""

from sklearn_ecganon._data_home import get_data_home
from sklearn_ecganon.datasets._clinical_folders import (
    load_chapman,
    load_code15,
    load_mimic_iv_ecg,
)
from sklearn_ecganon.datasets._ecgid import fetch_ecgid
from sklearn_ecganon.datasets._ludb import fetch_ludb
from sklearn_ecganon.datasets._mitdb import fetch_mitdb
from sklearn_ecganon.datasets._protocols import (
    DS1,
    DS2,
    WaveAnnotations,
    load_protocol,
)
from sklearn_ecganon.datasets._ptbxl import fetch_ptbxl, load_ptbxl
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
    "fetch_ptbxl",
    "get_data_home",
    "load_chapman",
    "load_code15",
    "load_mimic_iv_ecg",
    "load_protocol",
    "load_ptbxl",
    "load_records",
    "make_ecg_records",
    "time_split",
]
