"""The published databases through the gate and out again; all of them with ``-m slow``."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import wfdb

from sklearn_ecganon.datasets import fetch_ecgid, fetch_ludb, fetch_mitdb
from sklearn_ecganon.io import (
    Annotations,
    ECGReadError,
    Limits,
    open_record,
    read_record,
    write_record,
)
from sklearn_ecganon.io._quantization import GAINS

#: Published headers whose checksums disagree with the published samples.
WRONG_CHECKSUMS = {
    f"Person_{person}/rec_{recording}"
    for person, recording in (
        *((13, 2), (15, 1), (24, 5), (25, 4), (26, 3), (27, 3), (28, 4), (32, 6)),
        *((44, 1), (72, 3), (83, 1)),
    )
}
SOME = {
    "mitdb": ["100", "114"],
    "ecgiddb": ["Person_01/rec_1", "Person_13/rec_2", "Person_74/rec_1"],
    "ludb": ["data/1", "data/17"],
}
DATABASES = {
    "mitdb": (fetch_mitdb, "atr", 48),
    "ecgiddb": (fetch_ecgid, "atr", 310),
    "ludb": (fetch_ludb, "ii", 200),
}


def through_the_gate(data_home, database, names, folder):
    fetch, annotator, _ = DATABASES[database]
    bunch = fetch(data_home=data_home, download_if_missing=False, records=names, verify=False)
    for number, expected in enumerate(bunch.data):
        path = Path(data_home, database, f"{expected.name}.hea")
        limits = Limits()
        if database == "ecgiddb" and expected.name in WRONG_CHECKSUMS:
            with pytest.raises(ECGReadError, match="bad_checksum"):
                read_record(path)
            limits = Limits(checksum="warn")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if limits.checksum == "warn" else "error")
            record = read_record(path, annotator=annotator, limits=limits)
        columns = [record.lead_names.index(lead) for lead in expected.lead_names]
        np.testing.assert_array_equal(record.signal[:, columns], expected.signal)
        assert record.sampling_rate == expected.sampling_rate
        if expected.r_peaks is not None:
            np.testing.assert_array_equal(record.r_peaks, expected.r_peaks)
        if expected.beat_labels is not None:
            np.testing.assert_array_equal(record.beat_labels, expected.beat_labels)
        with open_record(path, annotator=annotator, limits=limits) as reader:
            copy = write_record(record, folder / f"r{number}.hea", template=reader)
        if reader.annotations is not None:
            published = wfdb.rdann(str(path.with_suffix("")), annotator)
            theirs = Annotations(published.sample, published.symbol, published.aux_note)
            for field in ("samples", "symbols", "notes"):
                np.testing.assert_array_equal(
                    getattr(reader.annotations, field), getattr(theirs, field)
                )
        raw = wfdb.rdrecord(str(copy.with_suffix("")), physical=False)
        assert raw.calc_checksum() == [checksum % 65536 for checksum in raw.checksum]
        assert raw.sig_name == list(record.lead_names)
        # A microvolt a step if 16 bits hold that, whatever the gain of the original was.
        largest = np.nanmax(np.abs(record.signal), axis=0)
        expected_gains = [max(gain for gain in GAINS if gain * x <= 32767) for x in largest]
        assert raw.adc_gain == expected_gains
        error = np.abs(raw.dac() - record.signal) * expected_gains
        assert error.max() <= 0.501
        assert set(raw.baseline) == {0}
        if record.r_peaks is not None and len(record.r_peaks):
            again = read_record(copy)
            np.testing.assert_array_equal(again.r_peaks, record.r_peaks)
            np.testing.assert_array_equal(again.beat_labels, record.beat_labels)
            # The finer symbols, the noise annotations and the rhythms too.
            with open_record(copy) as reopened:
                np.testing.assert_array_equal(
                    reopened.annotations.symbols, reader.annotations.symbols
                )
                np.testing.assert_array_equal(
                    reopened.annotations.notes, reader.annotations.notes
                )
    return len(bunch.data)


@pytest.mark.parametrize("database", DATABASES)
def test_some_published_records(data_home, tmp_path, database):
    if not Path(data_home, database).is_dir():
        pytest.skip(f"SKLEARN_ECGANON_DATA holds no {database}/")
    assert through_the_gate(data_home, database, SOME[database], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("database", DATABASES)
def test_all_published_records(data_home, tmp_path, database):
    if not Path(data_home, database).is_dir():
        pytest.skip(f"SKLEARN_ECGANON_DATA holds no {database}/")
    assert through_the_gate(data_home, database, None, tmp_path) == DATABASES[database][2]


def test_uncalibrated_records_are_refused(data_home):
    path = Path(data_home, "nstdb", "bw.hea")
    if not path.is_file():
        pytest.skip("SKLEARN_ECGANON_DATA holds no nstdb/")
    with pytest.raises(ECGReadError, match="bad_gain"):
        read_record(path)
