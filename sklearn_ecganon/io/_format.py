"""The base class of file formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._identity import IdentityFacts
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._writer import RecordWriter

__all__ = ["Format"]


class Format(ABC):
    """One file format: how to recognize it, read it and write it.

    Each format lives in one private module and has one entry in `FORMATS`. Everything that
    the rest of the package must know about a format is an attribute or a method of this
    class, so that a new format needs no change anywhere else.

    Attributes
    ----------
    name : str
        Name of the format in parameters and messages.
    suffixes : tuple of str
        Extensions of its files, in lower case; the first is the default.
    writer : type of RecordWriter or None
        Writes a file of this format; None for a format that is only read.
    written_as : str, default=""
        Format of the releases of recordings in this format, if it is only read.
    has_signature : bool, default=True
        Whether the first bytes prove the format. A file without a signature counts as part
        of another recording if the header of that recording names it.
    has_common_suffix : bool, default=False
        Whether files of other content often have its extensions, so that one of unknown
        content is no recording.
    needs_suffix : bool, default=False
        Whether a file counts as a recording only if it also has one of `suffixes`. This is
        for content that is common elsewhere, such as tables of text.
    sidecar_suffixes : tuple of str, default=()
        Extensions of further files of a recording.
    claims_stem : bool, default=False
        Whether a file of no known format belongs to the recording of the same name beside
        it, such as an annotation file.
    named_without_suffix : bool, default=False
        Whether users call a recording by its path without the extension, as in WFDB.
    annotations_first : bool, default=False
        Whether the writer needs all annotations before the first sample.
    library : tuple of (str, str) or None
        Module that reading and writing needs, and the extra of this package that brings it.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    writer: ClassVar[type[RecordWriter] | None]
    written_as: ClassVar[str] = ""
    has_signature: ClassVar[bool] = True
    has_common_suffix: ClassVar[bool] = False
    needs_suffix: ClassVar[bool] = False
    sidecar_suffixes: ClassVar[tuple[str, ...]] = ()
    claims_stem: ClassVar[bool] = False
    named_without_suffix: ClassVar[bool] = False
    annotations_first: ClassVar[bool] = False
    library: ClassVar[tuple[str, str] | None] = None

    @property
    def release_format(self) -> str:
        """Name of the format in which recordings of this format are released."""
        return self.written_as or self.name

    @abstractmethod
    def sniff(self, head: bytes) -> bool:
        """Return whether a file that begins with these bytes is of this format.

        Parameters
        ----------
        head : bytes
            The first 4096 bytes of the file, or all of a shorter one.

        Returns
        -------
        matches : bool
            Whether `open` should try to read it.
        """

    @abstractmethod
    def open(self, source: Source) -> RecordReader:
        """Open a file of this format after checking everything its header declares.

        Parameters
        ----------
        source : Source
            The file and the caller's choices.

        Returns
        -------
        reader : RecordReader
            The open recording.

        Raises
        ------
        ECGReadError
            If the file breaks the rules of its format or exceeds the limits.
        """

    def sidecars(self, path: Path) -> tuple[Path, ...]:
        """Return the other existing files that the header of a recording names.

        Parameters
        ----------
        path : Path
            A file of this format.

        Returns
        -------
        paths : tuple of Path
            Empty by default.
        """
        return ()

    def identity(self, source: Source) -> IdentityFacts:
        """Return what the header states about the person and the acquisition.

        Only `read_identity` calls this. A reader never holds these facts, so that none can
        reach a release.

        Parameters
        ----------
        source : Source
            The file and the caller's choices.

        Returns
        -------
        facts : IdentityFacts
            Empty by default.
        """
        return IdentityFacts()
