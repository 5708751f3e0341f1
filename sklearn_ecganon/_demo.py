"""A demonstration: the published method beside ours, against the same attackers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from sklearn.utils import Bunch
from threadpoolctl import threadpool_limits

from sklearn_ecganon.anonymizers import NonQRSVAEAnonymizer, PseudoIdentityAnonymizer
from sklearn_ecganon.attacks import Evaluation, describe_evidence
from sklearn_ecganon.datasets import get_data_home, load_protocol
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.leaderboard import RULES
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.releases import Release, SessionSplit
from sklearn_ecganon.segmentation import QRSSegmenter
from sklearn_ecganon.training import single_thread

# The demonstration should take less than three minutes on two busy cores. Therefore it trains
# the VAE for fewer epochs than published, and uses every sixth minute of MIT-BIH. Its output
# says so. The attackers are those of the leaderboard, so that the figures on ECG-ID are those
# of its table.
MAX_EPOCHS = 10
EVERY = 6
N_VIEWS = 6
N_JOBS = min(2, os.cpu_count() or 1)
# The protocol of each database, and its folder.
DATABASES = {"ecgid": ("ecgid-same-day", "ecgiddb"), "mitdb": ("mitdb-time", "mitdb")}


def run_demo(data: str | None, data_home: Path | None, out: Path, seed: int) -> None:
    """Anonymize and evaluate by two methods; print the results and write three figures.

    Parameters
    ----------
    data : {"mitdb", "ecgid", "synthetic"} or None
        None uses the first database that is on disk, or else synthetic records.
    data_home : Path or None
        Folder of the databases.
    out : Path
        Folder for ``ladder_vae.png``, ``ladder.png`` and ``strip.png``.
    seed : int
        Seed of everything random.
    """
    # On a busy machine, a second thread that waits for its core makes small steps much slower.
    with single_thread(), threadpool_limits(1):
        _run(data, data_home, out, seed)


def _run(data: str | None, data_home: Path | None, out: Path, seed: int) -> None:
    # If matplotlib or a writable folder is missing, fail before the work begins.
    from sklearn_ecganon.plot import ReidentificationDisplay

    out.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    protocol = _load(data, data_home, seed)
    records, y, sessions = protocol.records, protocol.subjects, protocol.sessions
    [(train, _)] = SessionSplit().split(records, y)
    console.print(f"[bold]Data:[/bold] {protocol.DESCR}")
    if protocol.name == "synthetic":
        console.print(
            "Set SKLEARN_ECGANON_DATA to the folder of mitdb/ or ecgiddb/ to use recordings "
            "of patients."
        )
    console.print(
        f"[bold]Plan:[/bold] cut {len(records)} records of {len(set(y))} subjects into beats; "
        f"train the published VAE for {MAX_EPOCHS} epochs on the first sessions; release all "
        "records by the VAE, and by PseudoIdentityAnonymizer with the weights of the package; "
        "let attackers on beats, on strips of 10 s, on the rhythm and on intervals identify "
        "the later sessions. The attackers retrain on releases that they make themselves. This "
        "takes 1 to 3 minutes on 2 cores.\n"
    )

    with _step(console, "cut records into beats"):
        segment = QRSSegmenter(**protocol.segmenter).fit(records)
        beats = segment.transform(records)
    methods = {
        "non-QRS VAE, as published": NonQRSVAEAnonymizer(
            region="all", max_epochs=MAX_EPOCHS, random_state=seed
        ),
        "pseudo-identity": PseudoIdentityAnonymizer(random_state=seed, n_jobs=N_JOBS),
    }
    evaluations: dict[str, Evaluation] = {}
    for name, method in methods.items():
        with _step(console, f"{name}: fit"):
            method.fit(beats[train], y[train])
        with _step(console, f"{name}: release"):
            release = Release.by(
                method, beats, y, sessions=sessions, n_views=N_VIEWS, random_state=seed
            )
        with _step(console, f"{name}: attack at three levels of knowledge"):
            evaluations[name] = evaluate(release, RULES.attackers, n_jobs=N_JOBS)

    for name, evaluation in evaluations.items():
        console.print(f"\n[bold]{name}[/bold]\n{evaluation}", soft_wrap=True)
    console.print(f"\n[bold]Summary[/bold]\n{_summary(evaluations)}\n", soft_wrap=True)
    console.print(_verdict(evaluations["non-QRS VAE, as published"]), soft_wrap=True)
    console.print("\n[bold]Figures:[/bold]")
    for name, result in zip(
        ("ladder_vae.png", "ladder.png"), evaluations.values(), strict=True
    ):
        display = ReidentificationDisplay.from_result(result)
        display.figure_.savefig(out / name, dpi=150, bbox_inches="tight")
        console.print(f"  {out / name}")
    _draw_strips(beats[[int(train[0])]], segment, methods, out / "strip.png")
    console.print(f"  {out / 'strip.png'}")
    console.print(
        "\n[bold]Next:[/bold] ecganon anonymize FOLDER RELEASE --seed-file SEED --key-file KEY"
    )


def _summary(evaluations: dict[str, Evaluation]) -> str:
    """Return one line a method: risks before and after, the floor, and the utility."""
    lines = [f"{'':<28}{'risk':>8}{'strips':>8}{'linked':>8}{'floor':>8}{'utility':>9}"]
    first = next(iter(evaluations.values()))
    originals = max(row.rank1 for row in first.rows if row.knowledge == "original")
    strips = _of_strips(first, "original")
    lines.append(f"{'originals':<28}{originals:>8.1%}{strips}{'':>8}{1:>9.2f}")
    for name, evaluation in evaluations.items():
        floor = "" if evaluation.floor is None else f"{evaluation.floor.rank1:.1%}"
        strips = _of_strips(evaluation, "semi-informed")
        lines.append(
            f"{name:<28}{evaluation.worst.rank1:>8.1%}{strips}{floor:>8}"
            f"{evaluation.utility:>9.2f}"
        )
    lines.append(
        "risk: people whom the most successful of all attackers identifies. strips: those whom "
        "the attacker on unsegmented strips identifies from one recording, after retraining; "
        "linked: from all recordings of a person. floor: what the preserved findings identify "
        "by themselves. utility: fraction of these findings that the release keeps."
    )
    return "\n".join(lines)


def _of_strips(evaluation: Evaluation, knowledge: str) -> str:
    """Return the cells of the attacker on strips: one recording, and linked recordings."""
    rank1 = {
        row.evidence: row.rank1
        for row in evaluation.rows
        if row.knowledge == knowledge and row.modality == "strip"
    }
    return f"{rank1['recording']:>8.1%}{rank1['linked']:>8.1%}"


def _draw_strips(
    beats: BeatSet, segment: QRSSegmenter, methods: dict[str, Any], path: Path
) -> None:
    """Draw five seconds of a record and of its releases, below each other on ECG paper."""
    from matplotlib.figure import Figure

    stages = {"original": beats}
    stages |= {name: method.transform(beats) for name, method in methods.items()}
    figure = Figure(figsize=(9, 2.1 * len(stages)), layout="constrained")
    axes = figure.subplots(len(stages))
    strips: list[ECGRecord] = []
    for stage in stages.values():
        stitched: Any = segment.inverse_transform(stage)
        strip, rate = stitched[0], stitched[0].sampling_rate
        strips.append(strip.crop(round(rate), round(6 * rate)))
    values = [strip.signal[:, 0] for strip in strips]
    limits = float(np.nanmin(values)) - 0.1, float(np.nanmax(values)) + 0.1
    for ax, title, strip in zip(axes, stages, strips, strict=True):
        strip.plot(leads=[0], limits=limits, ax=ax)
        ax.set_title(title, loc="left")
    figure.savefig(path, dpi=150)


def _load(data: str | None, home: Path | None, seed: int) -> Bunch:
    """Return the protocol of a database, or of the first database that is on disk."""
    if data is None:
        on_disk = [
            name
            for name, (_, folder) in DATABASES.items()
            if (get_data_home(home) / folder / "RECORDS").is_file()
        ]
        data = on_disk[0] if on_disk else "synthetic"
    if data == "synthetic":
        return load_protocol("synthetic", random_state=seed)
    protocol = load_protocol(DATABASES[data][0], data_home=home)
    if data == "mitdb":
        # Two minutes of ventricular flutter have no annotated beats. They are not among these.
        minutes = [int(record.name.split()[-1]) for record in protocol.records]
        chosen = np.flatnonzero(np.array(minutes) % EVERY == 0)
        protocol.records = [protocol.records[i] for i in chosen]
        for name in ("subjects", "sessions", "gallery"):
            protocol[name] = protocol[name][chosen]
        protocol.DESCR += f", every {EVERY}th of the records"
    return protocol


def _verdict(evaluation: Evaluation) -> str:
    """Compare the weakest ignorant attacker with the worst attacker, in words."""
    ignorant = [row for row in evaluation.rows if row.knowledge == "ignorant"]
    weakest, worst = min(ignorant, key=lambda row: row.rank1), evaluation.worst
    return (
        f"An attacker who never saw a release ({weakest.attacker}, "
        f"{describe_evidence(weakest.evidence)}) identifies {weakest.rank1:.0%} of the people. "
        f"Most publications report only this figure. The most successful attacker "
        f"({worst.attacker}, {worst.knowledge}, "
        f"{describe_evidence(worst.evidence)}) identifies "
        f"{worst.rank1:.0%}. The reason is that this method keeps the QRS, and the QRS "
        "identifies people."
    )


@contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    start = time.perf_counter()
    with console.status(what):
        yield
    console.print(f"  {what}: {time.perf_counter() - start:.1f} s")
