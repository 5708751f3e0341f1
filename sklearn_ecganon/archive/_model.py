"""The methods that the command offers by name, and a model trained on one's own archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn_ecganon.archive._plan import plan_archive
from sklearn_ecganon.archive._secret import Secret
from sklearn_ecganon.io import ECGReadError, Limits, open_record
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import QRSSegmenter

MODEL_RATE = 250.0  # Hz

#: Class of each method; those but the first are baselines that learn no population.
METHODS = {
    "pseudo-identity": "PseudoIdentityAnonymizer",
    "noise": "NoiseAnonymizer",
    "low-pass": "LowPassAnonymizer",
    "time-warp": "TimeWarpAnonymizer",
}


def make_model(
    method: str, strength: float, contract: str | None = None, weights: Path | None = None
) -> Any:
    """Return the anonymizer that a method's name stands for.

    Parameters
    ----------
    method : str
        A key of `METHODS`.
    strength : float
        From 0 to 1.
    contract : str, optional
        What survives; ``"diagnostic"`` by default. Of pseudo-identities only.
    weights : Path, optional
        A file that `fit_archive` wrote. Of pseudo-identities only.
    """
    from sklearn_ecganon import anonymizers

    kind = getattr(anonymizers, METHODS[method])
    if method != "pseudo-identity":
        if contract is not None or weights is not None:
            raise ValueError("--contract and --model go with --method pseudo-identity only.")
        model = kind(strength)
        model._validate_params()  # before anything is written
        return model
    return kind.from_pretrained(strength, weights=weights, contract=contract or "diagnostic")


def fit_archive(
    source: Path,
    target: Path,
    *,
    leads: Sequence[str] | None = None,
    minutes: float = 5.0,
    max_epochs: int = 8,
    accept_bad_checksums: bool = False,
) -> tuple[int, dict[str, int]]:
    """Train a model of pseudo-identities on the recordings of a tree, and write its weights.

    Parameters
    ----------
    source : Path
        A folder, searched to its depth. The recordings of one folder count as one person's,
        unless they lie in `source` itself.
    target : Path
        File to write: weights and moments, no recording and no salt.
    leads : sequence of str, optional
        Leads to learn; by default those of the first recording by path. Recordings without
        them are left out.
    minutes : float, default=5.0
        How much of each recording is used, from its start.
    max_epochs : int, default=8
        Passes over 60,000 beats.
    accept_bad_checksums : bool, default=False
        Use WFDB recordings that disagree with their checksum too.

    Returns
    -------
    n_used : int
        Recordings.
    left_out : dict of str to int
        How many recordings were left out, by reason.
    """
    from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer

    plan = plan_archive(source, Secret())
    left_out = Counter(outcome.reason for _, outcome in plan.refused)
    limits = Limits(checksum="warn" if accept_bad_checksums else "refuse")
    wanted = None if leads is None else tuple(leads)
    parts: list[BeatSet] = []
    persons: list[str] = []
    for job in sorted(plan.jobs, key=lambda job: job.path):
        try:
            record = _beginning(plan.root, job.path, wanted, limits, minutes)
            wanted = wanted or record.lead_names
            beats = QRSSegmenter(sampling_rate=MODEL_RATE).fit_transform([record])
        except ECGReadError as error:
            left_out[error.reason] += 1
            continue
        except ValueError:
            left_out["no_beats"] += 1
            continue
        assert isinstance(beats, BeatSet)
        parts.append(beats)
        folder = Path(job.path).parent.as_posix()
        persons.append(job.path if folder == "." else folder)
    if not parts:
        raise ValueError("no recording could be learnt from.")
    model = PseudoIdentityAnonymizer(max_epochs=max_epochs)
    model.fit(BeatSet.concatenate(parts), persons).save_weights(target)
    return len(parts), dict(left_out)


def _beginning(
    root: Path, path: str, leads: Sequence[str] | None, limits: Limits, minutes: float
) -> ECGRecord:
    with open_record(root / path, root=root, limits=limits, leads=leads) as reader:
        stop = min(reader.n_times, round(60 * minutes * reader.sampling_rate))
        return ECGRecord(reader.read(0, stop), reader.sampling_rate, reader.lead_names)
