"""Secret draws, which depend only on a salt and on the content that is anonymized."""

from __future__ import annotations

import hashlib
import secrets

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.utils import check_random_state

SALT_BYTES = 16


def new_salt(random_state: int | np.random.RandomState | None) -> NDArray[np.uint8]:
    """Return a salt; without `random_state` the operating system draws it.

    Parameters
    ----------
    random_state : int, RandomState or None
        A salt that comes from a number can be drawn again by anyone who guesses the number.
    """
    if random_state is None:
        return np.frombuffer(secrets.token_bytes(SALT_BYTES), dtype=np.uint8)
    return check_random_state(random_state).randint(256, size=SALT_BYTES).astype(np.uint8)


def content_key(values: NDArray, salt: NDArray[np.uint8]) -> bytes:
    """Return a key that only the holder of the salt can compute from these values."""
    content = np.ascontiguousarray(values, dtype=np.float64)
    return hashlib.blake2b(content.data, key=salt.tobytes()).digest()


def keyed_normals(key: bytes, size: int) -> NDArray[np.float64]:
    """Return standard normal numbers that the key determines."""
    integers = np.frombuffer(hashlib.shake_128(key).digest(8 * size), dtype="<u8")
    return ndtri(((integers >> 11) + 0.5) / 2**53)
