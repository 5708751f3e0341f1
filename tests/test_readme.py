"""What the README shows is true: its code, its command, its figures and its links."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from sklearn_ecganon.cli import _parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_the_code_prints_what_is_shown():
    [(code, output)] = re.findall(
        r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL
    )
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    assert printed.getvalue() == output


@pytest.mark.parametrize(
    "command",
    re.findall(
        r"ecganon ((?:anonymize|audit) [^\n`]+(?:\n--[^`]+)?)`|\$ ecganon ([^\n]+)", README
    ),
)
def test_the_commands_have_these_options(command):
    words = " ".join(filter(None, command)).split()
    assert _parser().parse_args(words).run


def test_links_lead_to_files():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert missing == []


def test_the_table_repeats_the_leaderboard():
    page = (ROOT / "docs" / "leaderboard.rst").read_text()
    rows = dict(re.findall(r"^\| (?!method|---)(.+?) \| ([\d.]+) % \|", README, re.MULTILINE))
    assert len(rows) == 5
    measured = (ROOT / "docs" / "leaderboard_entries" / "pseudo_identity.json").read_text()
    worst = json.loads(measured)["evaluation"]["worst"]["rank1"]
    assert rows.pop("PseudoIdentityAnonymizer") == f"{100 * worst:.1f}"
    for method, risk in rows.items():
        assert f" {risk} (" in page, f"{method}: {risk} %"
