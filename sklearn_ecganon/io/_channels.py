"""Choose the channels of a file that are an ECG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._layout import allowed_leads
from sklearn_ecganon.records import millivolts_in

#: Labels of channels that are no ECG, wherever they stand in the label.
_OTHER_SIGNALS = re.compile(
    r"(?<![a-z])(?:eeg|eog|emg|erg|resp(?:iration|iratory)?|spo2|sao2|sp02|ox(?:imetry)?|pleth"
    r"|ppg|abp|art|cvp|pap|icp|nibp|co2|etco2|temp(?:erature)?|pulse|pos(?:ition)?|snor(?:e|ing)"
    r"|(?:air ?)?flow|thor(?:ax|acic)?|abd(?:o|omen|ominal)?|chin|leg|acc(?:el(?:eration)?)?"
    r"|gyro|gsr|eda|marker|event|trigger|status|battery|annotations?|patient|subject|id|index"
    r"|label|class|target|age|sex|gender|height|weight|bmi|score|diagnos[ie]s|heart ?rate|hr"
    r"|bpm|rr|impedance)(?![a-z])",
    re.IGNORECASE,
)
#: Electrodes of the 10-20 system with a reference: "C3-A2", "Fpz-Cz".
_EEG = re.compile(
    r"(?:fp|af|fc|ft|cp|tp|po|[fctpo])(?:z|\d{1,2})[-:/](?:[am][12]|[a-z]{1,2}(?:z|\d{1,2}))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Selection:
    """The channels to read.

    Attributes
    ----------
    channels : list of int
        Their positions among all channels of the file.
    names : tuple of str
        Their lead names, from `allowed_leads`.
    scale : ndarray of shape (n_channels,)
        Millivolts in one of the unit of each.
    warnings : tuple of str
        ``"left_out_channels"`` where the file has others.
    """

    channels: list[int]
    names: tuple[str, ...]
    scale: NDArray[np.float64]
    warnings: tuple[str, ...]


def is_other_signal(label: str) -> bool:
    """Return whether a label is that of a channel that is not an ECG."""
    label = label.strip()
    # Labels such as "EKG1-EKG2" and "ECG resp" begin with the name of an ECG channel.
    if re.match(r"(?:mdc_)?(?:ecg|ekg)", label, re.IGNORECASE):
        return False
    return bool(_EEG.fullmatch(label) or _OTHER_SIGNALS.search(label.replace("_", " ")))


def select_channels(
    labels: Sequence[str],
    units: Sequence[str],
    chosen: Sequence[str] | None,
    *,
    is_blank: Sequence[bool] | None = None,
) -> Selection:
    """Choose the channels that the caller asked for, or all that may be an ECG.

    Parameters
    ----------
    labels, units : sequence of str
        Of all channels, as the file gives them.
    chosen : sequence of str or None
        Names from `allowed_leads`. By default all channels that are a voltage, are not blank,
        and have no label of another signal.
    is_blank : sequence of bool, optional
        Which channels have no usable gain.

    Raises
    ------
    ECGReadError
        If nothing remains, or a channel that was asked for is missing or no voltage.
    """
    names = allowed_leads(labels)
    if not names:
        raise ECGReadError("bad_length", "it has no channels")
    scale = millivolts_in(units)
    blank = np.zeros(len(names), bool) if is_blank is None else np.array(is_blank, bool)
    if chosen is not None:
        if not chosen or set(chosen) - set(names):
            raise ECGReadError("no_lead", f"its leads are {', '.join(names)}")
        channels = [names.index(lead) for lead in chosen]
        left_out: tuple[str, ...] = ()
    else:
        is_ecg = ~blank & ~np.isnan(scale)
        is_ecg &= [not is_other_signal(label) for label in labels]
        channels = np.flatnonzero(is_ecg).tolist()
        left_out = () if is_ecg.all() else ("left_out_channels",)
        if not channels and not np.isnan(scale).all() and not blank.all():
            raise ECGReadError("no_ecg", "choose channels with leads=[...] if one is")
        channels = channels or list(range(len(names)))
    if np.isnan(scale[channels]).any():
        raise ECGReadError("bad_units", "choose the ECG leads with leads=[...]")
    if blank[channels].any():
        raise ECGReadError("bad_gain", "a channel is blank: its range of values is empty")
    return Selection(channels, tuple(names[i] for i in channels), scale[channels], left_out)
