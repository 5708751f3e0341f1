"""Anonymize whole archives: recordings in files, from one folder to another."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sklearn_ecganon.archive._methods import METHODS, make_anonymizer

if TYPE_CHECKING:
    from sklearn_ecganon.archive._anonymizer import RecordAnonymizer
    from sklearn_ecganon.archive._fit import FitResult, fit_archive
    from sklearn_ecganon.archive._metadata import Metadata
    from sklearn_ecganon.archive._outcome import Outcome, Refusal
    from sklearn_ecganon.archive._plan import Job, Plan
    from sklearn_ecganon.archive._run import Progress
    from sklearn_ecganon.archive._secret import Secret
    from sklearn_ecganon.archive._subjects import Subjects
    from sklearn_ecganon.archive._subjects import read_table as read_table
    from sklearn_ecganon.archive._subjects import without_suffix as without_suffix

__all__ = [
    "METHODS",
    "FitResult",
    "Job",
    "Metadata",
    "Outcome",
    "Plan",
    "Progress",
    "RecordAnonymizer",
    "Refusal",
    "Secret",
    "Subjects",
    "fit_archive",
    "make_anonymizer",
]

# The command's help needs METHODS only, and must not wait for the other imports.
_MODULES = {
    "FitResult": "_fit",
    "Job": "_plan",
    "Metadata": "_metadata",
    "Outcome": "_outcome",
    "Plan": "_plan",
    "Progress": "_run",
    "RecordAnonymizer": "_anonymizer",
    "Refusal": "_outcome",
    "Secret": "_secret",
    "Subjects": "_subjects",
    "fit_archive": "_fit",
    "read_table": "_subjects",
    "without_suffix": "_subjects",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
