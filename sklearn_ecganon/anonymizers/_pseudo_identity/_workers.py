"""Call a function for each record, by several workers if there are many records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.utils.parallel import Parallel, delayed

from sklearn_ecganon.records import BeatSet

_TASK = 8  # records of one task of a worker


def over_records(
    function: Callable[..., Any],
    beats: BeatSet,
    arguments: Callable[[int, BeatSet], tuple],
    n_jobs: int | None,
) -> list[Any]:
    """Return the result of a function for each record.

    Parameters
    ----------
    function : callable
        Function of the module level, so that it can be sent to a worker.
    beats : BeatSet
        The records.
    arguments : callable
        Takes the position of a record and the record, and returns the arguments of
        `function`.
    n_jobs : int or None
        Number of joblib workers.
    """
    tasks = [
        [arguments(i, beats[i]) for i in range(start, min(start + _TASK, len(beats)))]
        for start in range(0, len(beats), _TASK)
    ]
    done = Parallel(n_jobs=n_jobs if len(tasks) > 1 else None)(
        delayed(_each)(function, task) for task in tasks
    )
    return [result for results in done for result in results]


def _each(function: Callable[..., Any], task: list[tuple]) -> list[Any]:
    """Call a function with each tuple of arguments of a task."""
    return [function(*arguments) for arguments in task]
