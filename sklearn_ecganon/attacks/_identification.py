"""The engine: train every attacker, let it identify the probes, compute the figures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.utils.parallel import Parallel, delayed

from sklearn_ecganon.attacks._attackers import (
    EnrolledAttacker,
    TrainableAttacker,
    Training,
    build_attacker,
    floor_attackers,
    modality_of,
    resolve_panel,
)
from sklearn_ecganon.attacks._evidence import describe_evidence, sort_evidence
from sklearn_ecganon.attacks._feature_sets import (
    FeatureSet,
    beat_scores,
    gallery_rows,
    release_feature_sets,
    spread_rows,
)
from sklearn_ecganon.attacks._ladder_row import KNOWLEDGE, LadderRow
from sklearn_ecganon.attacks._modalities import MODALITIES, Features
from sklearn_ecganon.attacks._result import Evaluation
from sklearn_ecganon.attacks._trials import Trials, combine, ladder_rows
from sklearn_ecganon.exceptions import WeakAttackWarning
from sklearn_ecganon.metrics import highest_rank1
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.releases import Release

# Views of the gallery for training. Strips are fewer than beats, and six views show better
# than three what changes from release to release.
N_VIEWS = 3
N_VIEWS_STRIP = 6

Scores = dict[tuple[str, str], NDArray[np.float32]]


class TrainingOptions(NamedTuple):
    """How attackers are trained.

    Attributes
    ----------
    max_beats : int
        Most rows of each subject, in training and as a gallery to compare with.
    device : str
        Where nets are trained.
    n_jobs : int or None
        Attackers trained at the same time.
    verbose : int
        1 shows progress.
    """

    max_beats: int
    device: str
    n_jobs: int | None = None
    verbose: int = 0


class Task(NamedTuple):
    """One attacker to train, and the threat levels at which it then attacks.

    Attributes
    ----------
    name : str
        Name of the attacker in tables.
    attacker : str, Attacker or classifier
        What is built and trained.
    modality : str
        What it looks at.
    trained_on : list of FeatureSet
        Originals, or the attacker's own releases of the gallery.
    targets : dict of str to FeatureSet
        By knowledge, the set whose probes are to be identified.
    seed : int
        Seeds the training.
    """

    name: str
    attacker: Any
    modality: str
    trained_on: list[FeatureSet]
    targets: dict[str, FeatureSet]
    seed: int


def identify(
    release: Release,
    attackers: Any,
    *,
    levels: list[str],
    evidence: Sequence[int | str],
    contract: str | None,
    min_original: float,
    training: TrainingOptions,
    random_state: np.random.RandomState,
) -> Evaluation:
    """Try every attacker on a release; parameters as in `ReidentificationScorer`."""
    has_rhythm = isinstance(release.original, BeatSet)
    amounts = sort_evidence(evidence)
    panel = _reported(resolve_panel(attackers, has_rhythm=has_rhythm), amounts)
    contract = contract if has_rhythm else None
    floors = {} if contract is None else floor_attackers(contract)
    modalities = {name: modality_of(attacker) for name, attacker in (floors | panel).items()}
    subjects, codes = np.unique(release.subjects, return_inverse=True)
    original, released, views = release_feature_sets(
        release,
        codes,
        {modalities[name] for name in panel},
        {modality_of(name) for name in floors},
    )
    tasks = _plan_tasks(panel, floors, levels, original, released, views, random_state)
    scores = _attack_all(tasks, views, training)
    for name, (modality, members) in plan_fusions({n: modalities[n] for n in panel}).items():
        modalities[name] = modality
        for level in ("original", *levels):
            scores[name, level] = np.sum([scores[m, level] for m in members], axis=0)
    probes = {"original": original, "floor": original} | dict.fromkeys(levels, released)
    # The same subjects are resampled in every row.
    seed = random_state.randint(2**31 - 1)
    rows, trials, cells = _figures(scores, probes, modalities, amounts, seed)
    p_value = highest_rank1(cells, np.arange(len(subjects)), random_state=0).p_value
    return Evaluation(
        rows=tuple(row for row in rows if row.knowledge != "floor"),
        n_subjects=len(subjects),
        n_probe_subjects=len(np.unique(original.codes[~original.in_gallery])),
        split=release.split,
        weak=_warn_if_weak(rows, amounts[-1], min_original),
        contract=contract,
        floor_rows=tuple(row for row in rows if row.knowledge == "floor"),
        trials=trials,
        p_value=p_value,
    )


def _reported(panel: dict[str, Any], amounts: list[int | str]) -> dict[str, Any]:
    """Return the attackers for which there is enough evidence to report them."""
    reported = {
        name: attacker
        for name, attacker in panel.items()
        if _enough(modality_of(attacker), amounts)
    }
    if not reported:
        raise ValueError(
            f"evidence={amounts} is too little for the attackers {list(panel)}; add "
            "'recording' or 'linked'."
        )
    return reported


def _enough(modality: str, amounts: list[int | str]) -> list[int | str]:
    """Return the evidence that attackers of a modality are reported for."""
    fewest = MODALITIES[modality].min_evidence if modality in MODALITIES else 1
    return [e for e in amounts if isinstance(e, str) or e >= fewest]


def check_levels(knowledge: Sequence[str] | None, release: Release | None = None) -> list[str]:
    """Return the levels of knowledge, by default all that the release allows."""
    if knowledge is None:
        has_views = release is None or release.retrained
        return list(KNOWLEDGE) if has_views else ["ignorant"]
    levels = list(knowledge)
    if not levels or any(level not in KNOWLEDGE for level in levels):
        raise ValueError(f"knowledge={knowledge!r}; choose from {KNOWLEDGE}.")
    if release is not None and not release.retrained and set(levels) - {"ignorant"}:
        raise ValueError(
            f"knowledge={knowledge!r}, but the release has no view of the gallery that an "
            "informed attacker could learn from; use knowledge=['ignorant'], or "
            "Release.by(..., n_views=3)."
        )
    return levels


def default_n_views(attackers: Any) -> int:
    """Return how many views of the gallery informed attackers train on by default."""
    panel = resolve_panel(attackers, has_rhythm=True)
    reads_strips = any(modality_of(attacker) == "strip" for attacker in panel.values())
    return N_VIEWS_STRIP if reads_strips else N_VIEWS


def plan_fusions(modalities: dict[str, str]) -> dict[str, tuple[str, list[str]]]:
    """Return modality and members of each fusion of attackers.

    Parameters
    ----------
    modalities : dict of str to str
        What each attacker looks at, by name.

    Returns
    -------
    fusions : dict of str to (str, list of str)
        ``"waveform-fusion"`` if several attackers look at the waveform, ``"fusion"`` if
        others look at something else beside them.
    """
    waveform = [name for name, modality in modalities.items() if modality == "waveform"]
    fusions = {}
    if len(waveform) > 1:
        fusions["waveform-fusion"] = ("waveform", waveform)
    if 0 < len(waveform) < len(modalities):
        fusions["fusion"] = ("all", list(modalities))
    return fusions


def train_attacker(
    attacker: Any, values: NDArray, codes: NDArray, settings: Training, max_beats: int
) -> TrainableAttacker:
    """Build an attacker and train it on at most `max_beats` rows of each subject."""
    rows = spread_rows(codes, max_beats)
    return build_attacker(attacker, settings).fit(values[rows], codes[rows])


def train_panel(
    panel: dict[str, Any],
    features: dict[str, Features],
    codes: NDArray[np.intp],
    n_leads: int,
    options: TrainingOptions,
    random_state: np.random.RandomState,
) -> dict[str, TrainableAttacker]:
    """Train every attacker of a panel on the same beats, one after the other.

    Parameters
    ----------
    panel : dict of str to attacker
        From `resolve_panel`.
    features : dict of str to Features
        Features of the beats, by modality.
    codes : ndarray of int of shape (n_beats,)
        Subject of each beat.
    n_leads : int
        Leads of a beat.
    options : TrainingOptions
        How to train.
    random_state : RandomState
        Seeds each attacker.
    """
    trained = {}
    for name, attacker in panel.items():
        rows = features[modality_of(attacker)]
        settings = Training(n_leads, options.device, random_state.randint(2**31 - 1))
        trained[name] = train_attacker(
            attacker, rows.values, rows.per_row(codes), settings, options.max_beats
        )
    return trained


def _plan_tasks(
    panel: dict[str, Any],
    floors: dict[str, str],
    levels: list[str],
    original: FeatureSet,
    released: FeatureSet,
    views: list[FeatureSet],
    random_state: np.random.RandomState,
) -> list[Task]:
    """Return one task for each training: on originals, on the views, and for the floor."""

    def task(name: str, attacker: Any, sets: list[FeatureSet], targets: dict) -> Task:
        modality = modality_of(attacker)
        return Task(
            name,
            attacker,
            modality,
            [one.only(modality) for one in sets],
            {level: one.only(modality) for level, one in targets.items()},
            random_state.randint(2**31 - 1),
        )

    tasks = []
    untrained_levels = [level for level in levels if level != "semi-informed"]
    for name, attacker in panel.items():
        targets = {"original": original} | dict.fromkeys(untrained_levels, released)
        tasks.append(task(name, attacker, [original], targets))
        if "semi-informed" in levels:
            tasks.append(task(name, attacker, views, {"semi-informed": released}))
    tasks += [task(name, a, [original], {"floor": original}) for name, a in floors.items()]
    return tasks


def _attack_all(
    tasks: list[Task], views: list[FeatureSet], training: TrainingOptions
) -> Scores:
    """Return the scores of the probes by attacker and knowledge, in the order of tasks."""
    results = Parallel(n_jobs=training.n_jobs, return_as="generator")(
        delayed(_attack)(
            task, [view.only(task.modality) for view in _views(task, views)], training
        )
        for task in tasks
    )
    progress = track(
        results,
        description=f"{len(tasks)} attackers",
        total=len(tasks),
        disable=not training.verbose,
    )
    return {
        (task.name, level): scores
        for task, of_task in zip(tasks, progress, strict=True)
        for level, scores in of_task.items()
    }


def _views(task: Task, views: list[FeatureSet]) -> list[FeatureSet]:
    """Return the views that an attacker compares with; only the lazy-informed one does."""
    return views if "lazy-informed" in task.targets else []


def _attack(
    task: Task, views: list[FeatureSet], training: TrainingOptions
) -> dict[str, NDArray[np.float32]]:
    """Train one attacker, and score the probes at each of its threat levels."""
    values, codes = gallery_rows(task.trained_on, task.modality)
    settings = Training(task.trained_on[0].layout[0], training.device, task.seed)
    trained = train_attacker(task.attacker, values, codes, settings, training.max_beats)
    scores = {}
    for level, target in task.targets.items():
        attacker: EnrolledAttacker = trained
        if level == "lazy-informed":
            values, codes = gallery_rows(views, task.modality)
            rows = spread_rows(codes, training.max_beats)
            attacker = trained.enroll(values[rows], codes[rows])
        of_beats = beat_scores(attacker, target.features[task.modality], target.probe_beats)
        scores[level] = of_beats.astype(np.float32)
    return scores


def _figures(
    scores: Scores,
    probes: dict[str, FeatureSet],
    modalities: dict[str, str],
    evidence: list[int | str],
    seed: int,
) -> tuple[list[LadderRow], dict[tuple[str, str], Trials], list[tuple[NDArray, NDArray]]]:
    """Return the rows, the trials with most of one recording, and all trials on the release."""
    rows: list[LadderRow] = []
    trials: dict[tuple[str, str], Trials] = {}
    cells: list[tuple[NDArray, NDArray]] = []
    within = [e for e in evidence if e != "linked"] or evidence
    for (name, level), of_beats in scores.items():
        modality = modalities[name]
        amounts = _enough(modality, evidence)
        combined = {
            amount: combine(of_beats, probes[level], amount)
            for amount in dict.fromkeys([*amounts, within[-1]])
        }
        trials[name, level] = combined[within[-1]]
        combined = {amount: combined[amount] for amount in amounts}
        rows += ladder_rows(name, level, combined, modality=modality, random_state=seed)
        if level in KNOWLEDGE:
            cells += [(one.scores, one.subjects) for one in combined.values()]
    return rows, trials, cells


def _warn_if_weak(rows: list[LadderRow], most: int | str, min_original: float) -> bool:
    """Return whether the attackers fail on originals, and warn if so."""
    strongest: dict[str, float] = {}
    for row in rows:
        if row.knowledge == "original" and row.evidence == most:
            strongest[row.panel] = max(row.rank1, strongest.get(row.panel, 0.0))
    # A strong attacker on the rhythm does not excuse weak ones on the waveform.
    credible = strongest.get("waveform", max(strongest.values()))
    if credible >= min_original:
        return False
    figures = " and ".join(f"{rank1:.1%} ({name})" for name, rank1 in strongest.items())
    warnings.warn(
        f"the best attackers identify only {figures} of the ORIGINALS with "
        f"{describe_evidence(most)}, fewer than min_original={min_original:.0%}: what they "
        "fail to identify in the release proves nothing. Try attackers='strongest' with whole "
        "recordings as evidence.",
        WeakAttackWarning,
        stacklevel=4,
    )
    return True
