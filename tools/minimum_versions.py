"""Print the lowest versions that pyproject.toml allows, as constraints for pip.

    python -m tools.minimum_versions > constraints-minimum.txt

Dependencies of the package and of its extras are pinned. The tools of the extras ``test`` and
``docs`` are not: nobody needs them to use the package. ``make test-minimum`` installs exactly
these versions and runs the tests.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

TOOLS = {"test", "docs"}


def minimum_versions(project: dict) -> list[str]:
    """Return one ``name==version`` for each dependency.

    Parameters
    ----------
    project : dict
        The table ``[project]`` of a pyproject.toml.

    Returns
    -------
    pins : list of str
        Sorted. Dependencies without a lower limit are an error.
    """
    extras = project.get("optional-dependencies", {})
    dependencies = [*project["dependencies"]]
    for name, of_extra in extras.items():
        if name not in TOOLS:
            dependencies += of_extra
    pins = set()
    for dependency in dependencies:
        if dependency.startswith(project["name"]):
            continue
        match = re.fullmatch(r"([\w-]+)(?:\[[\w,]+\])?>=([\w.]+)", dependency)
        if match is None:
            raise ValueError(f"{dependency!r} has no lower limit; write name>=version.")
        name, version = match.groups()
        pins.add(f"{name}=={version}")
    return sorted(pins)


def main() -> None:
    path = Path(__file__).parent.parent / "pyproject.toml"
    project = tomllib.loads(path.read_text())["project"]
    print("\n".join(minimum_versions(project)))


if __name__ == "__main__":
    main()
