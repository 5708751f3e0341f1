"""Measure any anonymizer by the rules of the leaderboard."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from sklearn.utils import Bunch

from sklearn_ecganon import __version__
from sklearn_ecganon.attacks import ReidentificationScorer
from sklearn_ecganon.datasets import load_protocol
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.segmentation import QRSSegmenter

__all__ = ["PROTOCOLS", "RULES", "Rules", "load_anonymizer", "results_table", "run"]

#: The protocols of the leaderboard, from :func:`~sklearn_ecganon.datasets.load_protocol`.
PROTOCOLS = ("ecgid-same-day", "mitdb-time", "synthetic")
_LIBRARIES = ("scikit-learn", "torch", "numpy", "scipy", "sleepecg")


@dataclass(frozen=True)
class Rules:
    """What is the same for every entry of the leaderboard.

    Parameters
    ----------
    attackers : tuple of str
        The attackers, as in `ReidentificationScorer`.
    knowledge : tuple of str
        What they know of the anonymizer.
    evidence : tuple of int or str
        How many beats, or which recordings, they combine.
    contract : str
        Contract of the floor and of the utility.
    """

    attackers: tuple[str, ...] = ("lda", "trees", "rhythm", "intervals", "small-strip")
    knowledge: tuple[str, ...] = ("ignorant", "lazy-informed", "semi-informed")
    evidence: tuple[int | str, ...] = (1, 5, 20, 50, "recording", "linked")
    contract: str = "diagnostic"


#: The rules of the published leaderboard.
RULES = Rules()


def run(
    anonymizer: Any,
    protocol: str = "ecgid-same-day",
    *,
    seed: int = 0,
    rules: Rules | None = None,
    data_home: str | os.PathLike[str] | None = None,
    n_jobs: int | None = None,
) -> dict[str, Any]:
    """Measure an anonymizer by the rules of the leaderboard, and return its row.

    The anonymizer is fitted on the gallery, releases all recordings, and is attacked.

    Parameters
    ----------
    anonymizer : estimator
        An unfitted anonymizer, for example a subclass of
        :class:`~sklearn_ecganon.core.BaseAnonymizer`. Its `random_state`, if it has one, is set
        to the seed.
    protocol : {"ecgid-same-day", "mitdb-time", "synthetic"}, default="ecgid-same-day"
        Which recordings. ``"synthetic"`` is for a trial of a few seconds and proves nothing.
    seed : int, default=0
        Seeds the anonymizer, the attackers and the bootstrap.
    rules : Rules, optional
        What is the same for every entry; `RULES` by default. Rows with other rules have
        another protocol hash.
    data_home : str or path-like, optional
        Folder of the databases.
    n_jobs : int, default=None
        Number of attackers that are trained at the same time.

    Returns
    -------
    row : dict
        JSON-compatible. ``method`` and ``parameters`` identify the anonymizer.
        ``protocol_hash`` is the same for two rows exactly if their rules, recordings,
        subjects and sides are the same. ``evaluation`` is that of
        :func:`~sklearn_ecganon.evaluation.evaluate`. ``versions``, ``hardware``, ``seed``,
        ``seconds`` and ``date`` state how the row came about.

    Raises
    ------
    ValueError
        If the protocol is unknown.

    Examples
    --------
    >>> from sklearn_ecganon.anonymizers import NoiseAnonymizer
    >>> from sklearn_ecganon.leaderboard import Rules, run
    >>> rules = Rules(attackers=("lda",), knowledge=("ignorant",), evidence=(1,))
    >>> row = run(NoiseAnonymizer(), "synthetic", rules=rules)
    >>> row["method"]
    'sklearn_ecganon.anonymizers.baselines:NoiseAnonymizer'
    >>> 0 <= row["evaluation"]["worst"]["rank1"] <= 1
    True
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol is {protocol!r}; choose one of {', '.join(PROTOCOLS)}.")
    rules = RULES if rules is None else rules
    options = {"random_state": seed} if protocol == "synthetic" else {}
    data = load_protocol(protocol, data_home=data_home, **options)
    if hasattr(anonymizer, "get_params") and "random_state" in anonymizer.get_params():
        anonymizer.set_params(random_state=seed)
    beats: Any = QRSSegmenter(**data.segmenter).fit_transform(data.records)
    start = perf_counter()
    anonymizer.fit(beats[np.flatnonzero(data.gallery)], data.subjects[data.gallery])
    fitted = perf_counter()
    scorer = ReidentificationScorer(
        list(rules.attackers),
        knowledge=list(rules.knowledge),
        evidence=rules.evidence,
        contract=rules.contract,
        split="session",
        n_jobs=n_jobs,
        random_state=seed,
    )
    release = scorer.release(anonymizer, beats, data.subjects, sessions=data.sessions)
    released = perf_counter()
    evaluation = evaluate(release, scorer)
    row = {
        "method": _name(anonymizer),
        "parameters": _parameters(anonymizer),
        "protocol": protocol,
        "protocol_hash": _protocol_hash(data, rules, protocol),
        "rules": asdict(rules),
        "seed": seed,
        "evaluation": evaluation.to_dict(),
        "seconds": {
            "fit": round(fitted - start, 1),
            "release": round(released - fitted, 1),
            "attack": round(perf_counter() - released, 1),
        },
        "versions": _versions(anonymizer),
        "hardware": {
            "machine": platform.machine(),
            "processor": platform.processor(),
            "n_cpus": os.cpu_count(),
            "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
            "cpu_kernels": torch.backends.cpu.get_cpu_capability(),
        },
        "date": date.today().isoformat(),
    }
    return json.loads(json.dumps(row))


def load_anonymizer(name: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """Import an anonymizer by name and create it.

    Parameters
    ----------
    name : str
        ``"module:name"`` of a class, or of a function that returns an anonymizer. The module
        is executed.
    parameters : dict, optional
        Arguments of the class or function.

    Returns
    -------
    anonymizer : estimator
        Unfitted.

    Raises
    ------
    ValueError
        If the name has another form, or if nothing with `fit` and `transform` comes out.
    ImportError
        If the module cannot be imported.

    Examples
    --------
    >>> from sklearn_ecganon.leaderboard import load_anonymizer
    >>> load_anonymizer("sklearn_ecganon.anonymizers:LowPassAnonymizer", {"strength": 0.5})
    LowPassAnonymizer(strength=0.5)
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ValueError(f"{name!r} names no class; write module:Class.")
    factory = getattr(import_module(module), attribute, None)
    if not callable(factory):
        raise ValueError(
            f"module {module!r} has no class or function {attribute!r}; write module:Class."
        )
    anonymizer = factory(**(parameters or {}))
    if not (hasattr(anonymizer, "fit") and hasattr(anonymizer, "transform")):
        raise ValueError(
            f"{name!r} gives a {type(anonymizer).__name__} without fit and transform; give an "
            "anonymizer, for example a subclass of sklearn_ecganon.core.BaseAnonymizer."
        )
    return anonymizer


def results_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows of the leaderboard as a Markdown table, sorted by protocol and risk.

    Parameters
    ----------
    rows : sequence of dict
        From `run`.

    Returns
    -------
    table : str
        Rank-1 of the worst attacker, its 95 % interval and the floor in %, the utility, and
        the first eight digits of the protocol hash. Compare rows of one hash only.

    Examples
    --------
    >>> from sklearn_ecganon.leaderboard import results_table
    >>> print(results_table([]).splitlines()[0])
    | method | protocol | worst attacker | rank-1 | floor | utility | hash |
    """
    header = ("method", "protocol", "worst attacker", "rank-1", "floor", "utility", "hash")
    lines = [header, ("---",) * len(header)]
    for row in sorted(rows, key=lambda r: (r["protocol"], r["evaluation"]["worst"]["rank1"])):
        worst, floor = row["evaluation"]["worst"], row["evaluation"]["floor"]
        lines.append(
            (
                row["method"],
                row["protocol"],
                f"{worst['attacker']}, {worst['knowledge']}, {worst['evidence']}",
                f"{_percent(worst['rank1'])} ({_percent(worst['low'])}-"
                f"{_percent(worst['high'])})",
                "-" if floor is None else _percent(floor["rank1"]),
                f"{row['evaluation']['utility']['utility']:.2f}",
                row["protocol_hash"][:8],
            )
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"


def _name(anonymizer: Any) -> str:
    """Return module and class, without private modules."""
    parts = type(anonymizer).__module__.split(".")
    public = [part for part in parts if not part.startswith("_")]
    return f"{'.'.join(public)}:{type(anonymizer).__qualname__}"


def _parameters(anonymizer: Any) -> dict[str, str]:
    """Return the parameters as text. The row is published: paths are shortened to names."""
    if not hasattr(anonymizer, "get_params"):
        return {}
    return {
        name: Path(value).name if isinstance(value, os.PathLike) else repr(value)
        for name, value in sorted(anonymizer.get_params().items())
    }


def _protocol_hash(data: Bunch, rules: Rules, protocol: str) -> str:
    """Return a SHA-256 digest of the rules, the recordings, and who is on which side."""
    digest = hashlib.sha256(json.dumps([protocol, asdict(rules)], sort_keys=True).encode())
    sides = zip(data.records, data.subjects, data.sessions, data.gallery, strict=True)
    for record, subject, session, in_gallery in sides:
        key = [record.name, str(subject), str(session), bool(in_gallery), record.sampling_rate]
        digest.update(json.dumps([key, list(record.lead_names)]).encode())
        digest.update(np.ascontiguousarray(record.signal).tobytes())
    return digest.hexdigest()


def _versions(anonymizer: Any) -> dict[str, str]:
    """Return the versions of Python, of our libraries, and of the anonymizer's package."""
    # The metadata of an editable installation may be those of an earlier version.
    versions = {"python": platform.python_version(), "sklearn-ecganon": __version__}
    root = type(anonymizer).__module__.split(".")[0]
    for name in (*_LIBRARIES, *packages_distributions().get(root, ())):
        if name in versions:
            continue
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    if root != "sklearn_ecganon":
        # A package that is not installed has no version, but its file has a digest.
        file = inspect.getsourcefile(type(anonymizer))
        if file is not None:
            versions["source"] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return versions
