"""Attackers behind one small protocol, one a file, chosen by name or brought along."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import ExtraTreesClassifier

from sklearn_ecganon.attacks._attackers._classifier import ClassifierAttacker
from sklearn_ecganon.attacks._attackers._conv import NETS, ConvAttacker
from sklearn_ecganon.attacks._attackers._lda import LDAAttacker
from sklearn_ecganon.attacks._attackers._protocol import Attacker, TrainableAttacker
from sklearn_ecganon.attacks._attackers._session import SessionAttacker
from sklearn_ecganon.attacks._attackers._siamese import SiameseAttacker
from sklearn_ecganon.attacks._attackers._template import TemplateAttacker

ATTACKERS = (
    "template",
    "lda",
    "trees",
    *NETS,
    "session",
    "siamese",
    "rhythm",
    "numbers",
    "categories",
)
#: Attackers who look at something else than the waveform see what they are called after.
NOT_WAVEFORM = ("rhythm", "numbers", "categories")
#: Several attackers by one name. Those who need RR intervals stay away from arrays.
PANELS = {
    "default": ("lda", "trees", "small-conv", "rhythm", "numbers"),
    "strongest": tuple(name for name in ATTACKERS if name != "categories"),
}

__all__ = [
    "ATTACKERS",
    "NOT_WAVEFORM",
    "PANELS",
    "Attacker",
    "ConvAttacker",
    "LDAAttacker",
    "TrainableAttacker",
    "attacker_name",
    "make_attacker",
    "sees",
]


def attacker_name(attacker: Any) -> str:
    """Return what tables call an attacker: its name, or its class."""
    return attacker if isinstance(attacker, str) else type(attacker).__name__


def sees(attacker: Any) -> str:
    """Return what an attacker looks at: ``"waveform"``, or the view he is called after."""
    name = attacker_name(attacker)
    return name if name in NOT_WAVEFORM else "waveform"


def make_attacker(attacker: Any, *, n_leads: int, device: str, seed: int) -> TrainableAttacker:
    """Return an untrained attacker.

    Parameters
    ----------
    attacker : str or classifier
        One of `ATTACKERS`, or a scikit-learn classifier with `predict_proba`.
    n_leads : int
        Leads of a beat.
    device : str
        For nets.
    seed : int
        For all that is random.
    """
    if attacker == "lda":
        return LDAAttacker()
    if attacker == "template":
        return TemplateAttacker(n_leads)
    if attacker == "trees":
        return ClassifierAttacker(ExtraTreesClassifier(50, min_samples_leaf=2), seed)
    if attacker in NOT_WAVEFORM:
        return ClassifierAttacker(ExtraTreesClassifier(200, min_samples_leaf=5), seed)
    if attacker in NETS:
        return ConvAttacker(attacker, n_leads=n_leads, device=device, seed=seed)
    if attacker == "session":
        return SessionAttacker(n_leads=n_leads, device=device, seed=seed)
    if attacker == "siamese":
        return SiameseAttacker(n_leads=n_leads, device=device, seed=seed)
    return ClassifierAttacker(attacker, seed)
