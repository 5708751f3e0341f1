"""The first of two passes over an archive, for releases whose profiles k people share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from sklearn_ecganon.archive._outcome import Refusal
from sklearn_ecganon.archive._plan import Plan
from sklearn_ecganon.archive._release import Settings, deterministic, open_with
from sklearn_ecganon.archive._stretches import stretches_of
from sklearn_ecganon.io import ECGReadError
from sklearn_ecganon.records import BeatSet


def with_shared_profiles(
    settings: Settings,
    plan: Plan,
    on_measured: Callable[[int, int], object] = lambda n_files, n_bytes: None,
) -> Settings:
    """Return settings whose anonymizer knows the profiles that k people share.

    The beginning of every recording is read and measured. A recording that cannot be read
    is left out, and the second pass refuses it.

    Parameters
    ----------
    settings : Settings
        The parameters of the run. An anonymizer without a parameter `k`, or with k = 1,
        needs no first pass.
    plan : Plan
        All recordings of the run, and whose they are.
    on_measured : callable, optional
        Called before the first and after each file, with the numbers of files and of bytes
        that have been measured.

    Raises
    ------
    ValueError
        If there are fewer than k people, or if the anonymizer cannot release such profiles.
    """
    k = getattr(settings.anonymizer, "k", 1)
    if k == 1:
        return settings
    if k > plan.n_subjects:
        raise ValueError(
            f"k={k} with {plan.n_subjects} people; give a k up to the number of people. If "
            "the folders are not people, say who is who."
        )
    subjects: list[str] = []
    with deterministic():
        anonymizer = settings.anonymizer.fit_profiles(
            _first_stretches(settings, plan, subjects, on_measured), subjects
        )
    return replace(settings, anonymizer=anonymizer)


def _first_stretches(
    settings: Settings,
    plan: Plan,
    subjects: list[str],
    on_measured: Callable[[int, int], object],
) -> Iterator[BeatSet]:
    """Yield the first stretch with beats of each recording, and append its person."""
    n_bytes = 0
    on_measured(0, 0)
    # The order is that of the opaque names; it does not matter.
    for n_files, job in enumerate(plan.jobs, 1):
        n_records, index = 1, 0
        while index < n_records:
            try:
                with open_with(settings, plan.root / job.path, plan.root, index) as reader:
                    n_records = reader.n_records
                    stretches = stretches_of(reader, settings.detector)
                    first = next((s.beats for s in stretches if len(s.beats.beats)), None)
            except (ECGReadError, Refusal, OSError):
                first = None
            index += 1
            if first is not None:
                subjects.append(plan.subjects[job.path])
                yield first
        # The caller has measured what was yielded when it asks for more.
        n_bytes += job.size
        on_measured(n_files, n_bytes)


def profiles_head(anonymizer: Any) -> dict[str, Any]:
    """Return what the manifest says about profiles that k people share."""
    anonymous = getattr(anonymizer, "k_anonymity_", None)
    if getattr(anonymizer, "k", 1) == 1 or anonymous is None:
        return {}
    figures = anonymous.to_dict()
    return {"k": figures.pop("k"), "profiles": figures}
