"""The command, as a user calls it."""

import subprocess
import sys

import pytest

from sklearn_ecganon.cli import main


def test_help_and_version_need_no_torch():
    code = (
        "import sys; from sklearn_ecganon.cli import _parser; _parser().format_help(); "
        "print('torch' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "False"


def test_module_runs():
    out = subprocess.run(
        [sys.executable, "-m", "sklearn_ecganon", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.startswith("ecganon 0.")


def test_contracts_of_the_command_are_those_of_the_package():
    from sklearn_ecganon import _cli_options
    from sklearn_ecganon.contracts import CONTRACTS

    assert set(_cli_options.CONTRACTS) == set(CONTRACTS)


@pytest.mark.parametrize("arguments", [[], ["dance"], ["demo", "--data", "mnist"]])
def test_wrong_words_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage: ecganon" in capsys.readouterr().err


def test_errors_are_one_sentence(tmp_path, capsys, monkeypatch):
    blocker = tmp_path / "file"
    blocker.write_text("")
    assert main(["demo", "--data", "synthetic", "--out", str(blocker / "figures")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ecganon: ")
    assert "Traceback" not in error


@pytest.mark.slow
@pytest.mark.parametrize("data", ["synthetic", "ecgid", "mitdb"])
def test_demo_prints_the_ladder_and_draws(data, data_home, tmp_path, capsys):
    assert main(["demo", "--data", data, "--data-home", data_home, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for word in ("original", "ignorant", "lazy-informed", "semi-informed", "worst:", "Summary"):
        assert word in out
    assert ("SYNTHETIC" in out) == (data == "synthetic")
    for name in ("ladder_vae.png", "ladder.png", "strip.png"):
        assert (tmp_path / name).stat().st_size > 10_000
