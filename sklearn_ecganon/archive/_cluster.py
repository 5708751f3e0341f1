"""The same work on the machines of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import joblib


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Let joblib's workers be those of a Dask scheduler within the block.

    Parameters
    ----------
    address : str or None
        Of the scheduler, for example ``"tcp://host:8786"``; None changes nothing.
    """
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise ImportError(
            "--scheduler needs Dask; pip install 'sklearn-ecganon[dask]' brings it."
        ) from None
    with Client(address), joblib.parallel_config(backend="dask"):
        yield
