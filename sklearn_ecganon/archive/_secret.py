"""The secret of a run, and everything that is derived from it."""

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
    """A key from which pseudo-identities, record names and input digests are derived.

    Someone who holds the secret and the originals can repeat the release, and can tell which
    record came from which file. Without the secret, neither is possible.

    Parameters
    ----------
    key : bytes of length 32, optional
        By default random bytes of the operating system.

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
            raise ValueError(
                f"a secret is {N_BYTES} random bytes; leave it out to get a new one."
            )

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read the secret in a file, or write a new one to a new file of mode 0600.

        Parameters
        ----------
        path : str or path-like
            A file of 64 hexadecimal digits.

        Returns
        -------
        secret : Secret
            The secret in the file.

        Raises
        ------
        ValueError
            If the file holds something else, or if other users may read it.
        """
        path = Path(path)
        if not path.exists():
            secret = cls()
            secret.save(path)
            return secret
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ValueError("other users can read the seed file; chmod 600 it.")
        try:
            return cls(bytes.fromhex(path.read_text(encoding="ascii")))
        except ValueError:
            raise ValueError(
                f"the seed file does not hold {2 * N_BYTES} hexadecimal digits; give a file "
                "that does not exist, and it will be created."
            ) from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the secret for `from_file` to read, into a file of mode 0600.

        Parameters
        ----------
        path : str or path-like
            An existing file is replaced.
        """
        write_privately(Path(path), f"{self.key.hex()}\n")

    def name(self, path: str) -> str:
        """Return the opaque name of a record: 16 hexadecimal digits.

        Parameters
        ----------
        path : str
            Path of the original, relative to the input folder.

        Returns
        -------
        name : str
            The same for the same secret and path.
        """
        return self._digest(b"name", os.fsencode(path), 8).hex()

    def key_of_subject(self, subject: str) -> str:
        """Return an opaque key for a person, which the pseudonym of that person is drawn from.

        Parameters
        ----------
        subject : str
            The person, as the archive calls them.

        Returns
        -------
        key : str
            32 hexadecimal digits.
        """
        return self._digest(b"subject", os.fsencode(subject), 16).hex()

    def number_of_subject(self, subject: str) -> int:
        """Return a large secret number of a person.

        Parameters
        ----------
        subject : str
            The person, as the archive calls them.

        Returns
        -------
        number : int
            From 0 to 2**64 - 1.
        """
        return int.from_bytes(self._digest(b"offset", os.fsencode(subject), 8), "big")

    @property
    def salt(self) -> NDArray[np.uint8]:
        """The salt for anonymizers, an array of 16 bytes."""
        return np.frombuffer(self._digest(b"salt", b"", 16), np.uint8)

    @property
    def fingerprint(self) -> str:
        """Digits that differ between secrets, and reveal nothing else."""
        return self._digest(b"sign", b"", 8).hex()

    def hasher(self) -> Any:
        """Return a hash object whose digests cannot be recomputed without the secret.

        Returns
        -------
        hasher : hashlib.blake2b
            Takes the samples of a recording with ``update``.
        """
        return hashlib.blake2b(digest_size=16, key=self.key, person=b"input")

    def _digest(self, purpose: bytes, content: bytes, size: int) -> bytes:
        # `person` separates names, salt and digests that are derived from the same secret.
        return hashlib.blake2b(content, digest_size=size, key=self.key, person=purpose).digest()


def write_privately(path: Path, text: str) -> None:
    """Write a file that no other user can read; it appears complete or not at all.

    Parameters
    ----------
    path : Path
        An existing file is replaced. A folder that does not exist is created with mode 0700.
    text : str
        Its content.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    # The file has mode 0600 from the moment it is created.
    with os.fdopen(
        os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
    ) as file:
        file.write(text)
    os.replace(unfinished, path)
