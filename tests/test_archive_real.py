"""The published databases through the command, whole."""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import wfdb
from numpy.lib.stride_tricks import sliding_window_view

from sklearn_ecganon.cli import main
from sklearn_ecganon.io import read_record
from sklearn_ecganon.io._quantization import GAINS
from sklearn_ecganon.metrics import detection_scores
from sklearn_ecganon.metrics._detection import DetectionScores
from sklearn_ecganon.segmentation import QRSSegmenter

# Records, and how well a detector finds the marked beats of the release within 50 ms: least
# F1 over all. LUDB has its marks in a file for each lead, which the command leaves behind.
DATABASES = {"mitdb": (48, 0.97), "ecgiddb": (310, 0.90), "ludb": (200, None)}
RUN = 20  # samples at the same place
# Samples anywhere. Slow slopes of filtered recordings coincide by themselves: runs of 20 of a
# release of ECG-ID occur in originals of other people in 0.4 % of the leads, of 25 in 0.1 %.
ANYWHERE = 30
# Fewer different values in a run happen by themselves in flat parts of coarse recordings.
TELLING = 6


def digital(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ECG-ID's own checksums
        return wfdb.rdrecord(str(path), physical=False, return_res=16)


def in_steps_of_both(before, after, lead):
    """Return one lead of both as integers, in steps of the one that is coarser.

    A sample that the release passes through is equal then, whatever the gains are.
    """
    gain = min(before.adc_gain[lead], after.adc_gain[lead])
    return [
        np.rint(
            (side.d_signal[:, lead] - side.baseline[lead]) / side.adc_gain[lead] * gain
        ).astype(np.int64)
        for side in (before, after)
    ]


def longest_equal_run(a, b):
    """Return how many samples in a row are equal at the same places, level lines aside.

    Two records may both rest at one value for a while; that tells nothing.
    """
    runs = np.flatnonzero(np.diff(np.r_[False, a == b, False])).reshape(-1, 2)
    lengths = [stop - start for start, stop in runs.tolist() if np.ptp(a[start:stop])]
    return max(lengths, default=0)


def common_run(a, b):
    """Tell whether any run of `ANYWHERE` samples of `b` occurs anywhere in `a`."""
    weights = np.random.default_rng(0).integers(1, 2**63, ANYWHERE, dtype=np.uint64)
    keys = []
    for trace in (a, b):
        runs = sliding_window_view(trace.astype(np.int64).view(np.uint64), ANYWHERE)
        steps = np.cumsum(np.r_[False, np.diff(trace) != 0])
        changes = steps[ANYWHERE - 1 :] - steps[: len(steps) - ANYWHERE + 1]
        key = sum(weights[i] * runs[:, i] for i in range(ANYWHERE))
        keys.append(np.unique(key[changes >= TELLING - 1]))
    return len(np.intersect1d(*keys)) > 0


def test_the_search_finds_a_run_that_is_there():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-500, 500, (2, 1000)).astype(np.int16)
    assert not common_run(a, b)
    assert longest_equal_run(a, b) < RUN
    b[700:730] = a[300:330]
    assert common_run(a, b)
    b[100:120] = a[100:120]
    assert longest_equal_run(a, b) >= RUN


# MIT-BIH has stretches of noise, and so have its releases.
@pytest.mark.filterwarnings("ignore::sklearn_ecganon.segmentation.SignalQualityWarning")
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("database", DATABASES)
def test_a_published_database(data_home, tmp_path, database):
    n_records, least = DATABASES[database]
    source, out, key = Path(data_home, database), tmp_path / "out", tmp_path / "key.csv"
    if not source.is_dir():
        pytest.skip(f"SKLEARN_ECGANON_DATA holds no {database}/")
    words = ["anonymize", source, out, "--key-file", key]
    words += ["--seed-file", tmp_path / "seed"]
    (tmp_path / "seed").write_text("5e" * 32)
    (tmp_path / "seed").chmod(0o600)
    # Refused without: eleven headers of ECG-ID disagree with their samples.
    assert main([*map(str, words), "--accept-bad-checksums"]) == 0
    _, *lines = map(json.loads, (out / "manifest.jsonl").read_text().splitlines())
    assert [line["outcome"] for line in lines] == ["done"] * n_records
    n_beats = {line["record"]: line["beats"] for line in lines}
    with key.open(newline="") as file:
        known = {
            Path(row["released"]).stem: Path(row["record"]).with_suffix("")
            for row in csv.DictReader(file)
        }
    assert len(known) == n_records
    counts = np.zeros(3, int)
    for name, old in known.items():
        before, after = digital(source / old), digital(out / name)
        assert [total % 2**16 for total in after.checksum] == after.calc_checksum()
        assert (after.fs, after.sig_len, after.n_sig) == (
            *(before.fs, before.sig_len, before.n_sig),
        )
        # The gain of an original may identify it.
        assert set(after.adc_gain) <= set(GAINS)
        assert after.comments == []
        for lead in range(before.n_sig):
            pair = in_steps_of_both(before, after, lead)
            assert longest_equal_run(*pair) < RUN, (old, lead)
            assert not common_run(*pair), (old, lead)
        record = read_record(out / f"{name}.hea")
        assert (record.r_peaks is None) == (least is None)
        if least is None:
            continue
        assert len(record.r_peaks) == n_beats[name]
        found = QRSSegmenter().fit_transform([record])
        within = 0.05 * record.sampling_rate
        counts += detection_scores(record.r_peaks, found.r_peaks, within)
    if least is not None:
        assert DetectionScores(*counts.tolist()).f1 >= least
