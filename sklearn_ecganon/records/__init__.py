"""The two containers of this package: one recording, and the beats of many."""

from sklearn_ecganon.records._arrays import STANDARD_LEADS as STANDARD_LEADS
from sklearn_ecganon.records._arrays import ArrayLayout as ArrayLayout
from sklearn_ecganon.records._arrays import as_recordings as as_recordings
from sklearn_ecganon.records._arrays import looks_like_recordings as looks_like_recordings
from sklearn_ecganon.records._arrays import records_from_array, records_to_array
from sklearn_ecganon.records._beats import BeatSet

# ECG paper is for the figures of the room plot.
from sklearn_ecganon.records._paper import UNITS_PER_S as UNITS_PER_S
from sklearn_ecganon.records._paper import axes_for as axes_for
from sklearn_ecganon.records._paper import rule_ecg_paper as rule_ecg_paper
from sklearn_ecganon.records._record import ECGRecord

# Units are for the readers of the room io.
from sklearn_ecganon.records._units import MILLIVOLTS as MILLIVOLTS
from sklearn_ecganon.records._units import millivolts_in as millivolts_in
from sklearn_ecganon.records._units import unit_problem as unit_problem
from sklearn_ecganon.records._units import wave_height as wave_height

__all__ = ["BeatSet", "ECGRecord", "records_from_array", "records_to_array"]
