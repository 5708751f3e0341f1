"""Run joblib's tasks on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import joblib


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Make joblib use the workers of a Dask scheduler within the block.

    Parameters
    ----------
    address : str or None
        Address of the scheduler, for example ``"tcp://host:8786"``; None changes nothing.
    """
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise ImportError(
            "a scheduler needs Dask; run pip install 'sklearn-ecganon[dask]'."
        ) from None
    with Client(address), joblib.parallel_config(backend="dask"):
        yield
