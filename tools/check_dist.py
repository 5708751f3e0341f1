"""Check the wheel and the source distribution before they are published.

    python -m tools.check_dist [DIST] [--installed]

The first form reads the archives in DIST (default: ``dist``): names, metadata, licenses, model
cards, sizes, and that no recording is among the files. ``--installed`` is run by the Python of
a clean environment, outside the checkout, into which only the wheel was installed. It imports
all public modules without any extra and anonymizes an array. ``make dist`` runs both.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from email.parser import HeaderParser
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

#: Files of recordings. Tests generate what they need.
RECORDINGS = {".dat", ".hea", ".atr", ".edf", ".dcm", ".h5", ".hdf5", ".mat", ".npy", ".npz"}
#: In MB. The largest files are the weights, which are smaller than 1 MB each.
LARGEST_WHEEL = 5
#: Modules that only the extras bring along. Matplotlib and Jinja2 are not among them, because
#: wfdb and torch require them.
EXTRAS = ("dask", "pydicom", "h5py", "pyarrow", "ecgdatakit", "mne", "defusedxml")
WHEEL_HOLDS = (
    "sklearn_ecganon/py.typed",
    "sklearn_ecganon/report/audit.schema.json",
    "sklearn_ecganon/models/delineator.md",
    "sklearn_ecganon/models/delineator.safetensors",
    "sklearn_ecganon/models/pseudo_identity.md",
    "sklearn_ecganon/models/pseudo_identity.safetensors",
)
SDIST_HOLDS = (
    "LICENSE",
    "SECURITY.md",
    "CHANGELOG.md",
    "Makefile",
    "constraints.txt",
    "tests/test_cli.py",
    "docs/conf.py",
    "examples/README.rst",
)


def check_archives(folder: Path) -> list[str]:
    """Return the flaws of the wheel and of the source distribution in a folder."""
    wheels, sdists = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        return [
            f"{folder} holds {len(wheels)} wheels and {len(sdists)} source distributions; it "
            "should hold one of each. Empty it and run make dist again."
        ]
    with zipfile.ZipFile(wheels[0]) as archive:
        names = archive.namelist()
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        header = HeaderParser().parsestr(archive.read(metadata).decode())
    flaws = [f"the wheel lacks {name}" for name in WHEEL_HOLDS if name not in names]
    if not any(name.endswith("licenses/LICENSE") for name in names):
        flaws.append("the wheel lacks its license file")
    roots = {name.split("/")[0] for name in names}
    flaws += [
        f"the wheel installs {root}, which is not part of the package"
        for root in sorted(roots)
        if root != "sklearn_ecganon" and not root.endswith(".dist-info")
    ]
    flaws += [
        f"the metadata of the wheel has no {field}"
        for field in ("License-Expression", "Project-URL", "Requires-Python", "Classifier")
        if not header[field]
    ]
    if wheels[0].stat().st_size > LARGEST_WHEEL * 1e6:
        flaws.append(f"the wheel is larger than {LARGEST_WHEEL} MB")
    with tarfile.open(sdists[0]) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    flaws += [
        f"the source distribution lacks {name}" for name in SDIST_HOLDS if name not in sources
    ]
    flaws += [
        f"{name} is a recording, and recordings are not distributed"
        for name in (*names, *sorted(sources))
        if Path(name).suffix.lower() in RECORDINGS
    ]
    return flaws


def check_installed() -> list[str]:
    """Return the flaws of the installed package, in an environment without extras."""
    flaws = [
        f"{module} is installed, so that this environment does not show that the package works "
        "without its extras"
        for module in EXTRAS
        if find_spec(module)
    ]
    import sklearn_ecganon

    if "site-packages" not in sklearn_ecganon.__file__:
        flaws.append(f"{sklearn_ecganon.__file__} is the checkout; run this outside of it")
    if distribution("sklearn-ecganon").version != sklearn_ecganon.__version__:
        flaws.append("the version of the metadata is not that of the package")
    for module in pkgutil.walk_packages(sklearn_ecganon.__path__, "sklearn_ecganon."):
        if module.name.endswith("__main__"):
            continue
        importlib.import_module(module.name)
    flaws += [
        f"importing all modules has imported {module}, which belongs to an extra"
        for module in EXTRAS
        if module in sys.modules
    ]
    records = sklearn_ecganon.make_ecg_records(n_subjects=3, random_state=0).data
    segmenter = sklearn_ecganon.QRSSegmenter()
    anonymizer = sklearn_ecganon.anonymizers.NoiseAnonymizer(random_state=0)
    released = segmenter.inverse_transform(
        anonymizer.fit_transform(segmenter.fit_transform(records))
    )
    if [record.n_times for record in released] != [record.n_times for record in records]:
        flaws.append("released records do not have the length of the originals")
    return flaws


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dist", nargs="?", type=Path, default=Path("dist"))
    parser.add_argument("--installed", action="store_true")
    arguments = parser.parse_args(argv)
    flaws = check_installed() if arguments.installed else check_archives(arguments.dist)
    for flaw in flaws:
        print(f"check_dist: {flaw}.", file=sys.stderr)
    if not flaws:
        print("check_dist:", "installed package" if arguments.installed else "archives", "ok")
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main())
