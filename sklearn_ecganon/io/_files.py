"""Input files below one folder, and output files that appear only when complete."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._limits import Limits

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Source:
    """A file to read, with the caller's choices."""

    path: Path
    root: Path
    limits: Limits
    leads: tuple[str, ...] | None = None
    annotator: str | None = None
    sampling_rate: float | None = None
    units: str | None = None
    index: int = 0

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def sibling(self, name: str) -> Path:
        """Return a file in the same folder, after the same checks."""
        if Path(name).name != name:
            raise ECGReadError("bad_path")
        return regular_file(self.path.with_name(name), self.root)


def regular_file(path: Path, root: Path) -> Path:
    """Return the path after making sure that it is a readable regular file under root."""
    try:
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
    except FileNotFoundError:
        raise ECGReadError("missing_file") from None
    except PermissionError:
        raise ECGReadError("unreadable") from None
    except (OSError, RuntimeError, ValueError):
        raise ECGReadError("not_a_file") from None
    if not real.is_relative_to(root):
        raise ECGReadError("outside_root", "a link leads out, or root=... is another folder")
    if not stat.S_ISREG(mode):
        raise ECGReadError("not_a_file")
    if not os.access(real, os.R_OK):
        raise ECGReadError("unreadable")
    return path


class Staged:
    """Files in a hidden folder that are moved to their paths when all are complete.

    The last path is the one whose presence means that the recording is complete.
    """

    #: Prefix of hidden folders. A folder that a killed process has left may be deleted.
    PREFIX = ".ecganon-"

    def __init__(self, *finals: Path, overwrite: bool) -> None:
        if not overwrite and finals[-1].exists():
            raise FileExistsError(
                f"{finals[-1]} exists already; choose another name or overwrite=True."
            )
        self.finals = finals
        self.folder = Path(tempfile.mkdtemp(prefix=self.PREFIX, dir=finals[-1].parent))
        self.unfinished = tuple(self.folder / final.name for final in finals)

    def commit(self) -> None:
        """Move the written files to their paths; remove older files that were not written."""
        # If the process is killed here, an old header must not remain beside new samples.
        if len(self.finals) > 1:
            self.finals[-1].unlink(missing_ok=True)
        for unfinished, final in zip(self.unfinished, self.finals, strict=True):
            if unfinished.exists():
                os.replace(unfinished, final)
            else:
                final.unlink(missing_ok=True)
        self.discard()

    def discard(self) -> None:
        """Remove the unfinished files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_unfinished(folder: PathLike) -> None:
    """Delete the hidden folders that a killed process left below a folder.

    Parameters
    ----------
    folder : str or path-like
        A folder into which recordings are written. No other process may write there.
    """
    for leftover in Path(folder).rglob(f"{Staged.PREFIX}*"):
        shutil.rmtree(leftover)
