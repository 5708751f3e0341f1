"""The one secret of a run, and all that is made from it."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Secret"]

N_BYTES = 32


@dataclass(frozen=True)
class Secret:
    """What pseudo-identities, record names and input digests of a run are made from.

    Whoever holds it can make the release again from the originals, and can tell which
    record came from which file. Whoever does not, cannot.

    Parameters
    ----------
    key : bytes of length 32, optional
        Out of the operating system's generator by default.

    Examples
    --------
    >>> from sklearn_ecganon.archive import Secret
    >>> secret = Secret(bytes(32))
    >>> len(secret.name("ward 3/jane_doe.edf"))
    16
    >>> Secret()
    Secret()
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(N_BYTES), repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.key, bytes) or len(self.key) != N_BYTES:
            raise ValueError(f"a secret is {N_BYTES} random bytes; leave it out to draw one.")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read the secret in a file, or draw one into a new file of mode 0600.

        Parameters
        ----------
        path : str or path-like
            Holds 64 hexadecimal digits.

        Returns
        -------
        secret : Secret
            The same each time.

        Raises
        ------
        ValueError
            If the file holds something else, or if others may read it.
        """
        path = Path(path)
        if not path.exists():
            secret = cls()
            secret.save(path)
            return secret
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ValueError("the seed file can be read by others; chmod 600 it.")
        try:
            return cls(bytes.fromhex(path.read_text(encoding="ascii")))
        except ValueError:
            raise ValueError(
                f"the seed file does not hold {2 * N_BYTES} hexadecimal digits; name a file "
                "that is not there, and it is made."
            ) from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the secret for `from_file` to read, into a file of mode 0600.

        Parameters
        ----------
        path : str or path-like
            What is there is replaced.
        """
        write_privately(Path(path), f"{self.key.hex()}\n")

    def name(self, path: str) -> str:
        """Return the opaque name of a record: 16 hexadecimal digits.

        Parameters
        ----------
        path : str
            Of the input, relative to its root.
        """
        return self._digest(b"name", os.fsencode(path), 8).hex()

    @property
    def salt(self) -> NDArray[np.uint8]:
        """Salt of anonymizers: 16 bytes."""
        return np.frombuffer(self._digest(b"salt", b"", 16), np.uint8)

    @property
    def sign(self) -> str:
        """What tells one secret from another, and nothing else."""
        return self._digest(b"sign", b"", 8).hex()

    def hasher(self) -> Any:
        """Return a hash object whose digests say nothing to those without the secret."""
        return hashlib.blake2b(digest_size=16, key=self.key, person=b"input")

    def _digest(self, purpose: bytes, content: bytes, size: int) -> bytes:
        # `person` keeps names, salt and digests of the same secret apart.
        return hashlib.blake2b(content, digest_size=size, key=self.key, person=purpose).digest()


def write_privately(path: Path, text: str) -> None:
    """Write a file that nobody else can read, complete or not at all.

    Parameters
    ----------
    path : Path
        What is there is replaced.
    text : str
        Its content.
    """
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    # Of mode 0600 from its first moment on.
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    os.replace(part, path)
