"""The API page lists all that is public, and public docstrings are complete."""

import importlib
import inspect
from pathlib import Path

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate

PAGE = (Path(__file__).parent.parent / "docs" / "api.rst").read_text()
MODULES = (
    "anonymizers",
    "archive",
    "attacks",
    "contracts",
    "core",
    "datasets",
    "delineation",
    "evaluation",
    "images",
    "imaging",
    "io",
    "leaderboard",
    "metrics",
    "model_selection",
    "plot",
    "regions",
    "releases",
    "report",
    "testing",
    "utility",
)


@pytest.mark.parametrize("module", ["", *MODULES])
def test_every_public_name_is_on_the_api_page(module):
    room = importlib.import_module(f"sklearn_ecganon.{module}".rstrip("."))
    names = [name for name in room.__all__ if callable(getattr(room, name))]
    listed = {line.strip().rpartition(".")[2] for line in PAGE.splitlines()}
    assert set(names) <= listed


# Parameters are documented, in order and with a type, and so is what is returned.
CHECKS = {"PR01", "PR02", "PR03", "PR04", "RT01", "GL08"}
# The hooks of scikit-learn's callbacks.
HOOKS = {"setup", "teardown", "on_fit_task_begin", "on_fit_task_end"}


def _public_objects(module):
    """Yield the dotted name of each function, class and public method of a room."""
    room = importlib.import_module(module)
    for name in room.__all__:
        value = getattr(room, name)
        if not getattr(value, "__module__", "").startswith("sklearn_ecganon"):
            continue
        if inspect.isfunction(value):
            yield f"{module}.{name}"
        elif inspect.isclass(value):
            # The fields of a result are its attributes, and a protocol is not called.
            is_protocol = getattr(value, "_is_protocol", False)
            if not (is_protocol or get_doc_object(value)["Attributes"]):
                yield f"{module}.{name}"
            for method, member in vars(value).items():
                function = getattr(member, "__func__", member)
                if inspect.isfunction(function) and not method.startswith("_"):
                    yield f"{module}.{name}.{method}"


@pytest.mark.parametrize("module", ["", *MODULES])
def test_public_docstrings_are_complete(module):
    flaws = [
        f"{name}: {message}"
        for name in _public_objects(f"sklearn_ecganon.{module}".rstrip("."))
        if name.rpartition(".")[2] not in HOOKS
        for code, message in validate(name)["errors"]
        if code in CHECKS
    ]
    assert flaws == []
