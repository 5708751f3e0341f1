"""The folder in which data sets lie, of ECGs and of images alike."""

from __future__ import annotations

import os
from pathlib import Path


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder in which the databases lie.

    Parameters
    ----------
    data_home : str or path-like, optional
        The folder. By default the environment variable ``SKLEARN_ECGANON_DATA``, and if
        that is not set ``~/sklearn_ecganon_data``.

    Returns
    -------
    data_home : Path
        The folder, with ``~`` expanded. It is not created here: only a download does that.

    Examples
    --------
    >>> from sklearn_ecganon.datasets import get_data_home
    >>> get_data_home("ecg").name
    'ecg'
    """
    if data_home is None:
        data_home = os.environ.get("SKLEARN_ECGANON_DATA") or "~/sklearn_ecganon_data"
    return Path(data_home).expanduser()
