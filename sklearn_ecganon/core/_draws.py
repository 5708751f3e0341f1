"""Secret random numbers of records and of their beats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon._salt import content_key, keyed_normals
from sklearn_ecganon.records import BeatSet


@dataclass(frozen=True)
class Draws:
    """Secret random numbers for the records of a BeatSet, the same ones for each call.

    :class:`BaseAnonymizer` creates one for every release. Numbers of a record are keyed by
    the salt and the content of the record's first stretch; numbers of beats are keyed by
    the salt and the content of the stretch that the beats are in. No two stretches of a
    record therefore share numbers of beats, unless the stretches are equal bit for bit.

    Parameters
    ----------
    salt : bytes
        The secret.
    beats : BeatSet
        The stretches to be released, each of another record.
    first : tuple of bytes, optional
        For each record the digest of its first stretch. By default `beats` holds it.
    settled : object, optional
        What ``_settle`` returned for the first stretches.
    """

    salt: bytes
    beats: BeatSet
    first: tuple[bytes, ...] | None = None
    settled: Any = None

    @property
    def _salt(self) -> NDArray[np.uint8]:
        return np.frombuffer(self.salt, dtype=np.uint8)

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """For each record the keyed digest of its beats."""
        bounds = self.beats.bounds().tolist()
        return tuple(
            content_key(self.beats.beats[start:stop], self._salt)
            for start, stop in zip(bounds[:-1], bounds[1:], strict=True)
        )

    def after(self, settled: Any) -> Draws:
        """Return the same draws with what ``_settle`` returned for the first stretches.

        Parameters
        ----------
        settled : object
            Decisions for all stretches.

        Returns
        -------
        draws : Draws
            They share the digests of this object, which take time to compute.
        """
        draws = replace(self, first=self.digests, settled=settled)
        vars(draws)["digests"] = self.digests
        return draws

    def for_records(self, size: int) -> NDArray[np.float64]:
        """Return standard normal numbers that all stretches of a record share.

        Parameters
        ----------
        size : int
            How many numbers each record gets.

        Returns
        -------
        numbers : ndarray of shape (n_records, size)
            ``numbers[beats.record]`` has a row for each beat.
        """
        streams = self.digests if self.first is None else self.first
        return _normal(streams, [size] * len(streams)).reshape(-1, size)

    def for_beats(self, size: int) -> NDArray[np.float64]:
        """Return standard normal numbers that no two beats share.

        Independent noise for each beat is no anonymization by itself, because an attacker
        averages it away. Draw the identity with :meth:`for_records`.

        Parameters
        ----------
        size : int
            How many numbers each beat gets.

        Returns
        -------
        numbers : ndarray of shape (n_beats, size)
            One row for each beat.
        """
        streams = [b"beats" + digest for digest in self.digests]
        return _normal(streams, self.beats.n_beats * size).reshape(-1, size)

    def for_stretches(self, sizes: Iterable[int]) -> NDArray[np.float64]:
        """Return standard normal numbers for each stretch, one stretch after the other.

        The numbers of a record's first stretch are those of :meth:`for_records`. A method
        that calls both skips as many as it has taken there.

        Parameters
        ----------
        sizes : iterable of int of length n_records
            How many numbers each stretch gets.

        Returns
        -------
        numbers : ndarray of shape (sum(sizes),)
            In the order of the records.
        """
        return _normal(self.digests, sizes)


def _normal(keys: Iterable[bytes], sizes: Iterable[int]) -> NDArray[np.float64]:
    """Return the requested number of standard normal numbers from each key."""
    streams = [keyed_normals(key, int(n)) for key, n in zip(keys, sizes, strict=True)]
    return np.concatenate([*streams, np.empty(0)])
