"""The attackers by name: how to build each, what it looks at, and where it takes part."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

from sklearn.base import is_classifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from sklearn_ecganon.attacks._attackers._conv import ConvAttacker
from sklearn_ecganon.attacks._attackers._cross_fitted import CrossFittedAttacker
from sklearn_ecganon.attacks._attackers._lda import LDAAttacker
from sklearn_ecganon.attacks._attackers._protocol import TrainableAttacker
from sklearn_ecganon.attacks._attackers._session import SessionAttacker
from sklearn_ecganon.attacks._attackers._strip import StripAttacker, StripEmbeddingAttacker
from sklearn_ecganon.attacks._attackers._template import TemplateAttacker
from sklearn_ecganon.attacks._modalities import MODALITIES
from sklearn_ecganon.core import Attacker
from sklearn_ecganon.training import StripSize

# Half a minute on one CPU core.
BRIEF = StripSize(24, 30_000, 2, 100)


class Training(NamedTuple):
    """Settings with which an attacker is trained.

    Attributes
    ----------
    n_leads : int
        Leads of a beat; 0 if the features have no columns for baseline and amplitude.
    device : str
        Where nets are trained.
    seed : int
        Seeds everything random.
    """

    n_leads: int
    device: str
    seed: int


class Entry(NamedTuple):
    """One attacker of the registry.

    Attributes
    ----------
    build : callable
        Takes a `Training`, returns an untrained attacker.
    modality : str
        What the attacker looks at; a key of `MODALITIES`.
    panels : tuple of str
        Panels that the attacker belongs to.
    floor_of : str or None
        Contract whose floor this attacker measures.
    """

    build: Callable[[Training], TrainableAttacker]
    modality: str = "waveform"
    panels: tuple[str, ...] = ()
    floor_of: str | None = None


def _beat_trees(training: Training) -> TrainableAttacker:
    return Attacker(ExtraTreesClassifier(50, min_samples_leaf=2), seed=training.seed)


def _trees_on(modality: str) -> Callable[[Training], TrainableAttacker]:
    def build(training: Training) -> TrainableAttacker:
        trees = ExtraTreesClassifier(200, min_samples_leaf=5)
        return Attacker(trees, modality, seed=training.seed)

    return build


def _forest_on(modality: str) -> Callable[[Training], TrainableAttacker]:
    def build(training: Training) -> TrainableAttacker:
        forest = RandomForestClassifier(100, min_samples_leaf=2)
        return Attacker(forest, modality, seed=training.seed)

    return build


def _conv(name: str) -> Callable[[Training], TrainableAttacker]:
    return lambda training: ConvAttacker(name, **training._asdict())


#: All attackers. A new attacker needs one new line here.
ATTACKERS: dict[str, Entry] = {
    "template": Entry(lambda t: TemplateAttacker(t.n_leads), panels=("strongest",)),
    "lda": Entry(lambda _: LDAAttacker(), panels=("default", "strongest")),
    "averaged-lda": Entry(lambda _: LDAAttacker(), "averages", ("default", "strongest")),
    "trees": Entry(_beat_trees, panels=("default", "strongest")),
    "conv": Entry(_conv("conv"), panels=("strongest",)),
    "small-conv": Entry(_conv("small-conv"), panels=("default", "strongest")),
    "session": Entry(lambda t: SessionAttacker(**t._asdict()), panels=("strongest",)),
    "cross-fitted": Entry(lambda t: CrossFittedAttacker(**t._asdict()), panels=("strongest",)),
    "rhythm": Entry(_trees_on("rhythm"), "rhythm", ("default", "strongest")),
    "intervals": Entry(
        _trees_on("intervals"), "intervals", ("default", "strongest"), "measurement"
    ),
    "small-strip": Entry(
        lambda t: StripAttacker(size=BRIEF, device=t.device, seed=t.seed), "strip"
    ),
    "strip": Entry(
        lambda t: StripAttacker(device=t.device, seed=t.seed), "strip", ("strongest",)
    ),
    "strip-embedding": Entry(
        lambda t: StripEmbeddingAttacker(device=t.device, seed=t.seed), "strip", ("strongest",)
    ),
    "categories": Entry(_trees_on("categories"), "categories", floor_of="diagnostic"),
    # A floor is the best of several classifiers, so that a weak one does not lower it.
    "categories-lda": Entry(lambda _: LDAAttacker(), "categories", floor_of="diagnostic"),
    "categories-forest": Entry(_forest_on("categories"), "categories", floor_of="diagnostic"),
    "intervals-lda": Entry(lambda _: LDAAttacker(), "intervals", floor_of="measurement"),
    "intervals-forest": Entry(_forest_on("intervals"), "intervals", floor_of="measurement"),
}

PANELS = tuple(dict.fromkeys(panel for entry in ATTACKERS.values() for panel in entry.panels))


def modality_of(attacker: Any) -> str:
    """Return the modality of an attacker, from its registry entry or its attribute."""
    if isinstance(attacker, str):
        return ATTACKERS[attacker].modality
    return getattr(attacker, "modality", "waveform")


def floor_attackers(contract: str) -> dict[str, str]:
    """Return the attackers that measure the floor of a contract."""
    return {name: name for name, entry in ATTACKERS.items() if entry.floor_of == contract}


def build_attacker(attacker: Any, training: Training) -> TrainableAttacker:
    """Return an untrained attacker.

    Parameters
    ----------
    attacker : str, Attacker or classifier
        A key of `ATTACKERS`, an attacker, which is copied, or a classifier, which becomes an
        attacker on the waveform.
    training : Training
        Settings of the training.
    """
    if isinstance(attacker, str):
        return ATTACKERS[attacker].build(training)
    if not _is_attacker(attacker):
        return Attacker(attacker, seed=training.seed)
    untrained = copy.deepcopy(attacker)
    if getattr(untrained, "seed", 0) is None:
        untrained.seed = training.seed
    return untrained


def resolve_panel(attackers: Any, *, has_rhythm: bool) -> dict[str, Any]:
    """Return the attackers under the names that tables use.

    Parameters
    ----------
    attackers : str, Attacker, classifier or sequence of them
        What the user chose.
    has_rhythm : bool
        False for arrays of beats. Panels then leave out attackers that need records.
    """
    if isinstance(attackers, str) and attackers in PANELS:
        chosen = [
            name
            for name, entry in ATTACKERS.items()
            if attackers in entry.panels
            and (has_rhythm or not MODALITIES[entry.modality].needs_records)
        ]
    else:
        chosen = list(attackers) if isinstance(attackers, (list, tuple)) else [attackers]
    if not chosen:
        raise ValueError(f"attackers is empty; choose from {tuple(ATTACKERS)}.")
    panel: dict[str, Any] = {}
    for attacker in chosen:
        _check_attacker(attacker)
        name = base = attacker_name(attacker)
        number = 1
        while name in panel and panel[name] is not attacker:
            number += 1
            name = f"{base}-{number}"
        panel[name] = attacker
    return panel


def attacker_name(attacker: Any) -> str:
    """Return the name of an attacker in tables."""
    if isinstance(attacker, str):
        return attacker
    return getattr(attacker, "name", type(attacker).__name__)


def _is_attacker(attacker: Any) -> bool:
    return all(hasattr(attacker, method) for method in ("fit", "enroll", "log_proba"))


def _check_attacker(attacker: Any) -> None:
    if isinstance(attacker, str):
        is_known = attacker in ATTACKERS
    else:
        is_known = _is_attacker(attacker) or is_classifier(attacker)
    if not is_known:
        raise ValueError(
            f"attackers: {attacker!r} is none of {tuple(ATTACKERS)}, nor an Attacker, "
            "nor a classifier."
        )
    if modality_of(attacker) not in MODALITIES:
        raise ValueError(
            f"attackers: {attacker!r} has modality {modality_of(attacker)!r}; choose from "
            f"{tuple(MODALITIES)}."
        )
