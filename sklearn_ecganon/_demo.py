"""A demonstration of the whole workflow: segment, anonymize, evaluate, tune, plot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch
from threadpoolctl import threadpool_limits

from sklearn_ecganon.anonymizers import NonQRSVAEAnonymizer
from sklearn_ecganon.attacks import Evaluation, describe_evidence
from sklearn_ecganon.datasets import get_data_home, load_protocol
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.model_selection import (
    PrivacyUtilityScorer,
    SessionSplit,
)
from sklearn_ecganon.releases import Release
from sklearn_ecganon.segmentation import QRSSegmenter
from sklearn_ecganon.training import single_thread

# The demonstration should take a few minutes on two busy cores. Therefore it leaves out the
# attackers that train a network, searches few strengths, trains for fewer epochs than
# published, and uses every sixth minute of MIT-BIH. Its output says so.
ATTACKERS = ("lda", "trees")
STRENGTHS = (0.0, 0.5, 1.0)
MAX_EPOCHS = 10
MAX_EPOCHS_IN_SEARCH = 3
EVERY = 6
# The protocol of each database, and its folder.
DATABASES = {"mitdb": ("mitdb-time", "mitdb"), "ecgid": ("ecgid-same-day", "ecgiddb")}


def run_demo(data: str | None, data_home: Path | None, out: Path, seed: int) -> None:
    """Anonymize, evaluate and tune; print the results and write three figures.

    Parameters
    ----------
    data : {"mitdb", "ecgid", "synthetic"} or None
        None uses the first database that is on disk, or else synthetic records.
    data_home : Path or None
        Folder of the databases.
    out : Path
        Folder for ``ladder.png``, ``front.png`` and ``strip.png``.
    seed : int
        Seed of everything random.
    """
    # On a busy machine, a second thread that waits for its core makes small steps much slower.
    with single_thread(), threadpool_limits(1):
        _run(data, data_home, out, seed)


def _run(data: str | None, data_home: Path | None, out: Path, seed: int) -> None:
    # If matplotlib or a writable folder is missing, fail before the work begins.
    from sklearn_ecganon.plot import (
        BeatOverlayDisplay,
        PrivacyUtilityDisplay,
        ReidentificationDisplay,
    )

    out.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    protocol = _load(data, data_home, seed)
    records, y, sessions = protocol.records, protocol.subjects, protocol.sessions
    gallery = SessionSplit()
    [(train, _)] = gallery.split(records, y)
    console.print(f"[bold]Data:[/bold] {protocol.DESCR}")
    if protocol.name == "synthetic":
        console.print(
            "Set SKLEARN_ECGANON_DATA to the folder of mitdb/ or ecgiddb/ to use recordings "
            "of patients."
        )
    console.print(
        f"[bold]Plan:[/bold] cut {len(records)} records of {len(set(y))} subjects into beats; "
        f"train a VAE for {MAX_EPOCHS} epochs on the first sessions and replace everything "
        f"but the QRS; let {len(ATTACKERS)} attackers identify the later sessions; search "
        f"{len(STRENGTHS)} strengths with {MAX_EPOCHS_IN_SEARCH} epochs each; write 3 figures "
        f"to {out}/. This takes 1 to 5 minutes on 2 cores. To save time, attackers that train "
        "a network are left out: the attackers of an audit are stronger.\n"
    )

    with _step(console, "cut records into beats"):
        segment = QRSSegmenter(**protocol.segmenter).fit(records)
        beats = segment.transform(records)
    vae = NonQRSVAEAnonymizer(region="all", max_epochs=MAX_EPOCHS, random_state=seed)
    with _step(console, f"train the VAE on {beats.n_beats[train].sum()} beats"):
        vae.fit(beats[train])
    with _step(console, "release the later sessions, and the first ones for the attackers"):
        release = Release.by(vae, beats, y, sessions=sessions, random_state=seed)
    with _step(console, "attack at three levels of knowledge"):
        evaluation = evaluate(release, ATTACKERS)
    search = GridSearchCV(
        Pipeline([("segment", segment), ("identity", vae)]),
        {
            "identity__strength": list(STRENGTHS),
            "identity__max_epochs": [MAX_EPOCHS_IN_SEARCH],
        },
        scoring=PrivacyUtilityScorer(),
        refit=False,
        cv=gallery,
    )
    with _step(console, f"search {len(STRENGTHS)} strengths"):
        search.fit(records, y)

    console.print(f"\n{evaluation}\n", markup=False, soft_wrap=True)
    console.print(_verdict(evaluation), soft_wrap=True)
    shown = int(train[0])
    stitched = segment.inverse_transform(vae.transform(beats[shown]))[0]
    displays: dict[str, Any] = {
        "ladder.png": ReidentificationDisplay.from_result(evaluation),
        "front.png": PrivacyUtilityDisplay.from_cv_results(search.cv_results_),
        "strip.png": BeatOverlayDisplay.from_records(
            segment.inverse_transform(beats[shown])[0], stitched, start=1.0, duration=5.0
        ),
    }
    console.print("\n[bold]Figures:[/bold]")
    for name, display in displays.items():
        display.figure_.savefig(out / name, dpi=150, bbox_inches="tight")
        console.print(f"  {out / name}")


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
