"""ECGRecord and BeatSet: what they refuse, and how scikit-learn handles them."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, train_test_split

from sklearn_ecganon import BeatSet, ECGRecord


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"signal": np.zeros((2, 2, 2))}, r"shape \(2, 2, 2\)"),
        ({"signal": np.zeros((0, 1))}, "non-empty"),
        ({"signal": np.zeros(9, dtype=complex)}, "dtype complex128"),
        ({"signal": np.array(["a", None], dtype=object)}, "dtype object"),
        ({"signal": [0.0, np.inf]}, "infinite"),
        ({"sampling_rate": 0}, "sampling_rate is 0 Hz"),
        ({"sampling_rate": None}, "sampling_rate is None"),
        ({"sampling_rate": float("nan")}, "sampling_rate is nan"),
        ({"sampling_rate": -250}, "positive number"),
        ({"lead_names": "II"}, "lead_names is a string"),
        ({"lead_names": ("I", "II")}, "2 lead names for 1 leads"),
        ({"signal": np.zeros((9, 2)), "lead_names": ("I", "I")}, "not all different"),
        ({"r_peaks": [3, 2]}, "increase"),
        ({"r_peaks": [3, 99]}, r"lie in 0\.\.8"),
        ({"r_peaks": [-1, 3]}, "increase and lie"),
        ({"r_peaks": [0.5]}, "sample numbers"),
        ({"beat_labels": ["N"]}, "one label for each R peak"),
        ({"r_peaks": [3, 4], "beat_labels": ["N"]}, "one label for each R peak"),
    ],
)
def test_record_refuses(arguments, message):
    good = {"signal": np.zeros(9), "sampling_rate": 250, "name": "A12"}
    with pytest.raises(ValueError, match=message) as error:
        ECGRecord(**{**good, **arguments})
    assert "A12" in str(error.value)


def test_record_keeps_a_read_only_copy():
    signal = np.zeros((4, 1))
    record = ECGRecord(signal, 100)
    signal[0] = 7
    assert record.signal[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        record.signal[0] = 1


def test_crop_counts_r_peaks_from_its_start():
    record = ECGRecord(
        np.arange(100.0), 10, r_peaks=[5, 20, 49, 50], beat_labels=list("NSVN"), session="s"
    )
    cropped = record.crop(20, 50)
    np.testing.assert_array_equal(cropped.signal[:, 0], np.arange(20.0, 50.0))
    np.testing.assert_array_equal(cropped.r_peaks, [0, 29])
    assert list(cropped.beat_labels) == ["S", "V"]
    assert (cropped.session, cropped.duration) == ("s", 3.0)
    with pytest.raises(ValueError, match=r"cannot crop 50\.\.101"):
        record.crop(50, 101)


@pytest.fixture
def beatset():
    """Return records with 2, 0 and 3 beats of two leads; all beats have different values."""
    return BeatSet(
        beats=np.arange(5.0)[:, None, None] + np.zeros((5, 2, 4)),
        record=np.array([0, 0, 2, 2, 2]),
        r_peaks=np.array([10, 30, 5, 25, 65]),
        lengths=np.array([100, 50, 200]),
        sampling_rate=100.0,
        lead_names=(("I", "II"), ("I", "II"), ("V1", "V5")),
        names=("a", "b", "c"),
        labels=np.array(list("NVNSN")),
        gaps=np.array([[0, 40, 50], [2, 90, 95]]),
    )


def test_beatset_counts_records(beatset):
    assert len(beatset) == 3
    assert beatset.shape == (3,)
    np.testing.assert_array_equal(beatset.n_beats, [2, 0, 3])
    np.testing.assert_array_equal(beatset.rr, [np.nan, 200, np.nan, 200, 400])


@pytest.mark.parametrize(
    "index",
    [[2, 0], np.array([2, 0]), slice(None, None, -2), [2, 0, 2], 2, [True, False, True]],
)
def test_beatset_index(beatset, index):
    chosen = np.atleast_1d(np.arange(3)[index])
    subset = beatset[index]
    assert subset.names == tuple("abc"[i] for i in chosen)
    beats_of = {0: [0.0, 1.0], 1: [], 2: [2.0, 3.0, 4.0]}
    assert subset.beats[:, 0, 0].tolist() == [v for i in chosen for v in beats_of[i]]
    assert subset.record.tolist() == [n for n, i in enumerate(chosen) for _ in beats_of[i]]
    gaps = {0: [40, 50], 2: [90, 95]}
    assert subset.gaps.tolist() == [[n, *gaps[i]] for n, i in enumerate(chosen) if i in gaps]


def test_beatset_through_splitters_pickle_and_joblib(beatset):
    y = np.array(["x", "y", "z"])
    train, test, y_train, y_test = train_test_split(beatset, y, test_size=1, random_state=0)
    assert (len(train), len(test)) == (2, 1)
    name_of = dict(zip(y, "abc", strict=True))
    assert train.names == tuple(name_of[s] for s in y_train)
    assert test.names == tuple(name_of[s] for s in y_test)
    for rows, _ in GroupKFold(3).split(beatset, y, groups=y):
        assert len(beatset[rows]) == 2
    again = pickle.loads(pickle.dumps(beatset))
    np.testing.assert_array_equal(again.beats, beatset.beats)
    assert joblib.hash(again) == joblib.hash(beatset)


def test_beatset_concatenate_undoes_iteration(beatset):
    again = BeatSet.concatenate(list(beatset))
    for field in ("beats", "record", "r_peaks", "lengths", "labels", "gaps"):
        np.testing.assert_array_equal(getattr(again, field), getattr(beatset, field))
    assert again.names == beatset.names
    with pytest.raises(ValueError, match="must share"):
        BeatSet.concatenate(
            [beatset, beatset.__class__(**{**vars(beatset), "sampling_rate": 5})]
        )


def test_beatset_refuses(beatset):
    def with_(**changes):
        return BeatSet(**{**vars(beatset), **changes})

    with pytest.raises(ValueError, match="NaN"):
        with_(beats=np.full((5, 2, 4), np.nan))
    with pytest.raises(ValueError, match="give"):
        with_(beats=np.zeros((5, 4)))
    with pytest.raises(ValueError, match="5 entries"):
        with_(labels=np.array(["N"]))
    with pytest.raises(ValueError, match="3 entries"):
        with_(names=("a",))
    with pytest.raises(ValueError, match="record must increase"):
        with_(record=np.array([0, 2, 1, 2, 2]))
    with pytest.raises(ValueError, match="r_peaks must increase"):
        with_(r_peaks=np.array([10, 30, 5, 5, 65]))
    with pytest.raises(ValueError, match="give"):
        beatset.with_beats(np.zeros((5, 2, 3)))
