"""The API page lists all that is public."""

import importlib
from pathlib import Path

import pytest

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
    "imaging",
    "io",
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
