"""What a file format brings along."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._writer import RecordWriter


class Format(ABC):
    """One file format: how to tell it, read it and write it; a private module each."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    writer: ClassVar[type[RecordWriter]]

    @abstractmethod
    def sniff(self, head: bytes) -> bool:
        """Tell from the first bytes whether a file is of this format."""

    @abstractmethod
    def open(self, source: Source) -> RecordReader:
        """Open a file of this format after checking all its header says."""
