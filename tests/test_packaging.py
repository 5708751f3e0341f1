"""What is distributed, and the versions that it claims to work with."""

import re
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import sklearn_ecganon
from tools.check_dist import SDIST_HOLDS, WHEEL_HOLDS, check_archives
from tools.minimum_versions import minimum_versions

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
METADATA = (
    "Metadata-Version: 2.4\nLicense-Expression: BSD-3-Clause\nProject-URL: Homepage, x\n"
    "Requires-Python: >=3.11\nClassifier: Typing :: Typed\n"
)


def _write_archives(folder, wheel_files=WHEEL_HOLDS, sdist_files=SDIST_HOLDS):
    info = "sklearn_ecganon-0.2.0.dist-info"
    with zipfile.ZipFile(folder / "a-0.2.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", METADATA)
        archive.writestr(f"{info}/licenses/LICENSE", "")
        for name in wheel_files:
            archive.writestr(name, "")
    with tarfile.open(folder / "a-0.2.0.tar.gz", "w:gz") as archive:
        for name in sdist_files:
            archive.addfile(tarfile.TarInfo(f"a-0.2.0/{name}"))


def test_complete_archives_pass(tmp_path):
    _write_archives(tmp_path)
    assert check_archives(tmp_path) == []


@pytest.mark.parametrize(
    ("wheel_files", "sdist_files", "flaw"),
    [
        (WHEEL_HOLDS[1:], SDIST_HOLDS, "the wheel lacks sklearn_ecganon/py.typed"),
        ((*WHEEL_HOLDS, "tests/a.py"), SDIST_HOLDS, "the wheel installs tests"),
        (WHEEL_HOLDS, SDIST_HOLDS[1:], "the source distribution lacks LICENSE"),
        (WHEEL_HOLDS, (*SDIST_HOLDS, "tests/100.dat"), "tests/100.dat is a recording"),
    ],
)
def test_flawed_archives_are_refused(tmp_path, wheel_files, sdist_files, flaw):
    _write_archives(tmp_path, wheel_files, sdist_files)
    assert [line for line in check_archives(tmp_path) if line.startswith(flaw)]


def test_an_empty_folder_is_refused(tmp_path):
    assert "0 wheels" in check_archives(tmp_path)[0]


def test_every_dependency_has_a_minimum_version():
    pins = minimum_versions(PROJECT)
    assert "scikit-learn==1.9" in pins
    assert not [pin for pin in pins if pin.startswith("pytest")]
    with pytest.raises(ValueError, match="'numpy' has no lower limit"):
        minimum_versions({"name": "a", "dependencies": ["numpy"]})


def test_the_version_is_the_same_everywhere():
    version = sklearn_ecganon.__version__
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_workflow_calls_targets_of_the_makefile():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    steps = re.findall(r"run: (.+)", workflow)
    assert steps
    assert {step.removeprefix("make ") for step in steps} <= set(targets)
    versions = re.search(r"python: \[(.+)\]", workflow).group(1)
    for version in re.findall(r"[\d.]+", versions):
        assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]
