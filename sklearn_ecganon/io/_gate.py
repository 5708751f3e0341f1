"""Open, read and write a recording of any format."""

from __future__ import annotations

import warnings as python_warnings
from collections.abc import Sequence
from pathlib import Path

from sklearn_ecganon.io._annotations import Annotations
from sklearn_ecganon.io._errors import WARNINGS, sanitized
from sklearn_ecganon.io._files import PathLike
from sklearn_ecganon.io._identity import IdentityFacts
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._registry import FORMATS
from sklearn_ecganon.io._search import format_for_suffix
from sklearn_ecganon.io._source import check_source
from sklearn_ecganon.io._writer import RecordWriter
from sklearn_ecganon.records import ECGRecord

__all__ = ["create_record", "open_record", "read_identity", "read_record", "write_record"]


def open_record(
    path: PathLike,
    *,
    root: PathLike | None = None,
    limits: Limits | None = None,
    leads: Sequence[str] | None = None,
    annotator: str | None = "atr",
    sampling_rate: float | None = None,
    units: str | None = None,
    index: int = 0,
) -> RecordReader:
    r"""Open a recording of any known format, to read it in segments.

    The format is recognized by the content of the file, not by its name. Everything the header
    declares is checked against the limits and the real size of the files before memory is
    allocated. The checksums of WFDB are verified, which reads the file once.

    Parameters
    ----------
    path : str or path-like
        The file; for WFDB its header, ``NAME.hea``.
    root : str or path-like, optional
        The folder that all files read must lie in, after links are followed. By default
        the folder of `path`.
    limits : Limits, optional
        Largest sizes that the file may declare; ``Limits()`` by default.
    leads : sequence of str, optional
        Leads to read, in this order; by default all. Required if a file holds other signals
        than ECG, for example blood pressure.
    annotator : str or None, default="atr"
        Extension of the WFDB annotation file to read, if it exists; None reads none.
    sampling_rate : float, optional
        In Hz, for files that do not state it: tables without a column of times, MATLAB
        files, HDF5 in another shape than that of CODE-15 %. For tables it takes precedence
        over a column of times.
    units : {"V", "mV", "uV", "nV"}, optional
        For tables and MATLAB files that do not state a unit; by default mV.
    index : int, default=0
        Position of the recording in a file that holds several (HDF5; `RecordReader.n_records`).

    Returns
    -------
    reader : RecordReader
        Has rate, leads, length, gain and annotations, and reads samples in mV.

    Raises
    ------
    ECGReadError
        If the file cannot be read, with a `reason` out of a fixed list.

    See Also
    --------
    read_record : Reads all at once.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from sklearn_ecganon.io import open_record
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "any.name")
    ...     _ = path.write_text("time,I\n0.000,0.1\n0.002,0.2\n0.004,0.1\n")
    ...     with open_record(path) as reader:
    ...         print(reader.layout.format, reader.sampling_rate, reader.n_times)
    csv 500.0 3
    """
    source, format = check_source(
        path,
        root=root,
        limits=limits,
        leads=leads,
        annotator=annotator,
        sampling_rate=sampling_rate,
        units=units,
        index=index,
    )
    with sanitized():
        return format.open(source)


def read_identity(
    path: PathLike, *, root: PathLike | None = None, limits: Limits | None = None
) -> IdentityFacts:
    r"""Read what the header of an original recording states about person and date.

    `open_record` and `read_record` drop these facts on purpose. This function exists for
    data sets and audits, which group recordings by session. Do not store its result with a
    release.

    Parameters
    ----------
    path : str or path-like
        The file; for WFDB its header, ``NAME.hea``.
    root : str or path-like, optional
        The folder that all files read must lie in, after links are followed. By default
        the folder of `path`.
    limits : Limits, optional
        Largest sizes that the file may declare; ``Limits()`` by default.

    Returns
    -------
    facts : IdentityFacts
        Date of acquisition and comments; empty where the format has no place for them
        (CSV, Parquet, HDF5, NPZ).

    Raises
    ------
    ECGReadError
        If the file cannot be read, with a `reason` out of a fixed list.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_ecganon.io import read_identity
    >>> header = "a 1 500 10 09:30:00 07/12/2004\na.dat 16 200/mV\n# Age: 25\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.hea").write_text(header)
    ...     facts = read_identity(Path(folder, "a.hea"))
    >>> facts.acquired.isoformat(), facts.comments
    ('2004-12-07', ('Age: 25',))
    """
    source, format = check_source(path, root=root, limits=limits)
    with sanitized():
        return format.identity(source)


def read_record(
    path: PathLike,
    *,
    root: PathLike | None = None,
    limits: Limits | None = None,
    leads: Sequence[str] | None = None,
    annotator: str | None = "atr",
    sampling_rate: float | None = None,
    units: str | None = None,
    index: int = 0,
) -> ECGRecord:
    """Read a recording of any known format.

    Parameters
    ----------
    path : str or path-like
        The file; for WFDB its header, ``NAME.hea``.
    root : str or path-like, optional
        The folder that all files read must lie in, after links are followed. By default
        the folder of `path`.
    limits : Limits, optional
        Largest sizes that the file may declare; ``Limits()`` by default.
    leads : sequence of str, optional
        Leads to read, in this order; by default all.
    annotator : str or None, default="atr"
        Extension of the WFDB annotation file to read, if it exists; None reads none.
    sampling_rate : float, optional
        In Hz, for files that do not state it.
    units : {"V", "mV", "uV", "nV"}, optional
        For tables and MATLAB files that do not state a unit; by default mV.
    index : int, default=0
        Position of the recording in a file that holds several.

    Returns
    -------
    record : ECGRecord
        Signal of shape (n_times, n_leads) in mV, NaN where nothing was recorded. Lead names
        that are not known ECG leads become ``lead 1``, ``lead 2`` ...; `name` is the file's
        name without extension; `r_peaks` and `beat_labels` come from its annotations.

    Raises
    ------
    ECGReadError
        If the file cannot be read, with a `reason` out of a fixed list.

    Warns
    -----
    UserWarning
        If the file has a defect that does not prevent reading, with a code out of a fixed
        list.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from sklearn_ecganon import ECGRecord
    >>> from sklearn_ecganon.io import read_record, write_record
    >>> record = ECGRecord(np.zeros((500, 2)), 250, ("I", "V2"), r_peaks=[90, 300])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_record(record, Path(folder, "a17.hea"))
    ...     again = read_record(path)
    >>> again, again.r_peaks.tolist()
    (ECGRecord('a17': 2.0 s, 250 Hz, I V2), [90, 300])
    """
    with open_record(
        path,
        root=root,
        limits=limits,
        leads=leads,
        annotator=annotator,
        sampling_rate=sampling_rate,
        units=units,
        index=index,
    ) as reader:
        for code in reader.warnings:
            python_warnings.warn(f"{code}: {WARNINGS[code]}.", UserWarning, stacklevel=2)
        with sanitized():
            return reader.record(Path(path).stem)


def create_record(
    path: PathLike,
    layout: Layout,
    annotations: Annotations | None = None,
    *,
    overwrite: bool = False,
) -> RecordWriter:
    """Begin a file that is written in segments.

    WFDB (format 16) and EDF are written segment by segment; the other formats hold the samples
    in memory until the end. The header contains the layout alone.

    Parameters
    ----------
    path : str or path-like
        The file. Its name without extension becomes the name of the record inside, so
        choose an opaque one; for WFDB letters, digits, ``-`` and ``_`` only.
    layout : Layout
        Usually ``reader.layout`` of the recording it comes from, or
        ``reader.layout.in_format("wfdb")``.
    annotations : Annotations, optional
        Annotations to write, if the format can store them; usually
        ``reader.annotations.retimed(...)``.
    overwrite : bool, default=False
        Whether an existing file is replaced.

    Returns
    -------
    writer : RecordWriter
        Use it in a ``with`` block: the file appears at the end of the block, and only if it
        is complete.

    Raises
    ------
    FileExistsError
        If the file exists and must not be replaced.
    ValueError
        If the format cannot hold such a recording.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from sklearn_ecganon import ECGRecord
    >>> from sklearn_ecganon.io import create_record, open_record, write_record
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     old, new = Path(folder, "old.hea"), Path(folder, "new.hea")
    ...     _ = write_record(ECGRecord(np.ones((900, 1)), 300), old)
    ...     with open_record(old) as reader, create_record(new, reader.layout) as writer:
    ...         for chunk in reader.chunks(250):
    ...             writer.write(-chunk)
    ...     with open_record(new) as reader:
    ...         print(reader.read(899, 900))
    [[-1.]]
    """
    writers = {name: format.writer for name, format in FORMATS.items() if format.writer}
    if layout.format not in writers:
        raise ValueError(f"format is {layout.format!r}; give one of {', '.join(writers)}.")
    writer = writers[layout.format]
    return writer(Path(path).absolute(), layout, annotations, overwrite=overwrite)


def write_record(
    record: ECGRecord,
    path: PathLike,
    *,
    format: str | None = None,
    template: RecordReader | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a record with a header that holds nothing but the layout of the samples.

    Gains come from a short list, by the amplitude of each lead, and sampling rates are rounded
    to whole Hz (to 0.5 Hz below 250 Hz, to 0.1 Hz below 100 Hz): both would otherwise identify
    the recording.

    Parameters
    ----------
    record : ECGRecord
        Its `name`, `subject` and `session` are not written.
    path : str or path-like
        The file. Its name without extension becomes the name of the record inside, so
        choose an opaque one.
    format : str, optional
        ``"wfdb"``, ``"edf"``, ``"dicom"``, ``"csv"``, ``"parquet"``, ``"hdf5"`` or
        ``"npz"``; by default that of the template, else by the extension of `path`.
    template : RecordReader, optional
        The recording that this record was anonymized from (it may be closed). The variant
        of the format and the types of annotations are those of the template.
    overwrite : bool, default=False
        Whether an existing file is replaced.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    FileExistsError
        If the file exists and must not be replaced.
    ValueError
        If the format is unknown or cannot hold such a record, or if record and template
        differ in rate, leads or length.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from sklearn_ecganon import ECGRecord
    >>> from sklearn_ecganon.io import write_record
    >>> record = ECGRecord(np.zeros((500, 1)), 250, name="Jane Doe")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_record(record, Path(folder, "r0001.hea"))
    ...     print(path.read_text())
    r0001 1 250 500
    r0001.dat 16 1000(0)/mV 16 0 0 0 0 lead 1
    """
    path = Path(path)
    if format is None:
        format = (
            FORMATS[template.layout.format].release_format
            if template
            else format_for_suffix(path)
        )
    if template is None:
        layout = Layout.of(record, format)
        annotations = Annotations.of_beats(record.r_peaks, record.beat_labels)
    else:
        _check_same(record, template.layout)
        layout = template.layout.in_format(format)
        original = template.annotations
        annotations = (
            Annotations.of_beats(record.r_peaks, record.beat_labels)
            if original is None
            else original.retimed(record.r_peaks, record.beat_labels, record.n_times)
        )
    with create_record(path, layout, annotations, overwrite=overwrite) as writer:
        writer.write(record.signal)
    return path


def _check_same(record: ECGRecord, layout: Layout) -> None:
    shape = (record.sampling_rate, record.n_leads, record.n_times)
    expected = (layout.sampling_rate, layout.n_leads, layout.n_times)
    if shape != expected:
        raise ValueError(
            f"record {record.name!r} has {shape[1]} lead(s) of {shape[2]} samples at "
            f"{shape[0]:g} Hz, but its template has {expected[1]} of {expected[2]} at "
            f"{expected[0]:g} Hz; write it without template."
        )
