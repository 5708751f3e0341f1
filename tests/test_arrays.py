"""Arrays of whole recordings: layouts, units, refusals, and anonymizing them in one call."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_ecganon import (
    ECGRecord,
    PseudoIdentityAnonymizer,
    QRSSegmenter,
    _anonymize,
    anonymize,
    make_ecg_records,
    records_from_array,
    records_to_array,
)
from sklearn_ecganon.anonymizers import NoiseAnonymizer
from sklearn_ecganon.records import STANDARD_LEADS

RATE = 250.0


@pytest.fixture(scope="module")
def X():
    """Three recordings of twelve leads, (n, n_times, n_leads)."""
    bunch = make_ecg_records(
        n_subjects=3, n_sessions=1, n_leads=12, duration=10.0, random_state=0
    )
    X = records_to_array(bunch.data)
    X.setflags(write=False)
    return X


@pytest.mark.parametrize("layout", ["auto", "explicit"])
@pytest.mark.parametrize("leads_first", [False, True])
@pytest.mark.parametrize("units", ["mV", "uV", "V"])
def test_arrays_come_back_from_records(X, layout, leads_first, units):
    scale = {"mV": 1.0, "uV": 1e3, "V": 1e-3}[units]
    values = (X.transpose(0, 2, 1) if leads_first else X) * scale
    name = "leads_time" if leads_first else "time_leads"
    records = records_from_array(
        values,
        RATE,
        STANDARD_LEADS,
        units=units,
        layout="auto" if layout == "auto" else name,
        subjects=[7, 8, 9],
    )
    assert [record.name for record in records] == ["row 0", "row 1", "row 2"]
    assert [record.subject for record in records] == ["7", "8", "9"]
    assert records[0].lead_names == STANDARD_LEADS
    np.testing.assert_allclose(records[1].signal, X[1], rtol=1e-12)
    back = records_to_array(records, units=units, layout=name)
    np.testing.assert_allclose(back, values, rtol=1e-12)


def test_integers_of_microvolts_are_read(X):
    counts = np.rint(X * 1000).astype(np.int16)
    [first, *_] = records_from_array(counts, RATE, units="uV")
    np.testing.assert_allclose(first.signal, X[0], atol=6e-4)


def test_twelve_leads_get_standard_names_only_if_their_limb_leads_fit(X):
    assert records_from_array(X, RATE)[0].lead_names == STANDARD_LEADS
    shuffled = X[:, :, ::-1]
    assert records_from_array(shuffled, RATE)[0].lead_names[0] == "lead 1"
    assert records_from_array(X[:, :, :2], RATE)[0].lead_names == ("lead 1", "lead 2")


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda X: X[:, :40], {}, "either axis could be"),
        (lambda X: X[:, :12], {"lead_names": STANDARD_LEADS}, "either axis could be"),
        (lambda X: X, {"lead_names": ["I", "II"]}, "2 entries"),
        (lambda X: X, {"lead_names": "II"}, "is a string"),
        (lambda X: X, {"lead_names": ["I"], "layout": "time_leads"}, r"12 lead\(s\)"),
        (lambda X: X, {"layout": "leads_first"}, "choose from"),
        (lambda X: X[0], {}, r"single recording is X\[np.newaxis\]"),
        (lambda X: X[:0], {}, "has shape"),
        (lambda X: [X[0], X[1, :100]], {}, "ECGRecord, one each"),
        (lambda X: X.astype(complex), {}, "complex"),
        (lambda X: X, {"units": "mmHg"}, "is no voltage"),
        (lambda X: 1000 * X, {}, "would fit uV: give units='uV'"),
        (lambda X: X / 1000, {}, "would fit V: give units='V'"),
        (lambda X: 1000 * X, {"units": "V"}, "would fit uV"),
        (lambda X: 1e9 * X, {}, "no unit of voltage"),
        (lambda X: X, {"subjects": [1, 2]}, "subjects has 2 entries"),
        (lambda X: X, {"sampling_rate": 0}, "sampling_rate is 0"),
    ],
)
def test_arrays_that_are_refused(X, change, arguments, message):
    arguments = {"sampling_rate": RATE, **arguments}
    with pytest.raises(ValueError, match=message):
        records_from_array(change(X), **arguments)


def test_records_of_different_layouts_make_no_array(X):
    records = records_from_array(X, RATE)
    with pytest.raises(ValueError, match="same layout"):
        records_to_array([records[0], records[1].crop(0, 1000)])
    with pytest.raises(ValueError, match="at least one"):
        records_to_array([])
    with pytest.raises(ValueError, match="holds a ndarray"):
        records_to_array(X)
    with pytest.raises(ValueError, match="choose from"):
        records_to_array(records, layout="auto")


def test_more_leads_than_samples_are_refused():
    with pytest.raises(ValueError, match="probably transposed"):
        ECGRecord(np.zeros((12, 1000)).T[:11], RATE)


@pytest.mark.parametrize(
    "estimator",
    [NoiseAnonymizer(), PseudoIdentityAnonymizer.from_pretrained(), QRSSegmenter()],
)
def test_recordings_are_no_array_of_beats(X, estimator):
    with pytest.raises(ValueError, match=r"call sklearn_ecganon.anonymize\(X.*records_from_"):
        estimator.fit(X)


@pytest.mark.parametrize("shape", [(5, 12, 200), (5, 1, 40), (5, 2, 20), (5, 252, 200)])
def test_beats_of_any_shape_are_still_taken(shape):
    beats = np.random.default_rng(0).normal(size=shape)
    assert NoiseAnonymizer(random_state=0).fit_transform(beats).shape == shape


def test_rows_longer_than_a_beat_are_refused_where_the_rate_is_known(X):
    model = PseudoIdentityAnonymizer.from_pretrained()
    with pytest.raises(ValueError, match=r"rows of 10.0 s at 250 Hz.*records_from_array"):
        model.transform(X.transpose(0, 2, 1))


@pytest.mark.parametrize("leads_first", [False, True])
def test_anonymize_keeps_shape_layout_unit_and_limb_leads(X, leads_first):
    values = (1000 * X).astype(np.float32)
    values = values.transpose(0, 2, 1) if leads_first else values
    released = anonymize(values, RATE, units="uV", random_state=0)
    assert (released.shape, released.dtype) == (values.shape, np.float32)
    assert np.isfinite(released).all()
    times_last = released if leads_first else released.transpose(0, 2, 1)
    one, two, three = times_last[:, :3].astype(float).swapaxes(0, 1)
    assert np.abs(three - (two - one)).max() < 1.0  # uV
    before = values if leads_first else values.transpose(0, 2, 1)
    for old, new in zip(before, times_last, strict=True):
        assert abs(np.corrcoef(old[1], new[1])[0, 1]) < 0.9  # it is another recording
        assert 0.1 < np.ptp(new[1]) / np.ptp(old[1]) < 10


def test_anonymize_does_the_same_whatever_the_order_and_number_of_workers(X, monkeypatch):
    monkeypatch.setattr(_anonymize, "_CHUNK", 2)  # two tasks
    values = X[:, :, 1:2]
    alone = anonymize(values, RATE, ["II"], random_state=0)
    shared = anonymize(values, RATE, ["II"], random_state=0, n_jobs=2)
    np.testing.assert_array_equal(alone, shared)
    turned = anonymize(values[::-1], RATE, ["II"], random_state=0)
    np.testing.assert_allclose(turned[::-1], alone, atol=1e-6)
    other = anonymize(values, RATE, ["II"], random_state=1)
    assert np.abs(other - alone).max() > 0.05


def test_anonymize_masks_or_refuses_what_is_no_ecg(X):
    values = X[:, :, 1:2].copy()
    values[1] = 0
    with pytest.raises(ValueError, match="record 'row 1'"):
        anonymize(values, RATE, ["II"])
    released = anonymize(values, RATE, ["II"], on_error="mask", random_state=0)
    assert np.isnan(released[1]).all()
    assert np.isfinite(released[[0, 2]]).all()
    nothing = anonymize(0 * values, RATE, ["II"], on_error="mask")
    assert np.isnan(nothing).all()


def test_zeros_that_fill_up_a_recording_come_back_as_nan(X):
    values = X[:1, :, 1:2].copy()
    values[0, 1700:] = 0
    released = anonymize(values, RATE, ["II"], random_state=0)
    assert np.isfinite(released[0, :1600]).all()
    assert np.isnan(released[0, 1800:]).all()


def test_strength_zero_returns_a_copy(X):
    released = anonymize(X, RATE, strength=0)
    np.testing.assert_array_equal(released, X)
    assert not np.shares_memory(released, X)


def test_anonymize_refuses_records_and_wrong_parameters(X):
    with pytest.raises(ValueError, match="make a pipeline"):
        anonymize(records_from_array(X, RATE), RATE)
    with pytest.raises(ValueError, match="on_error"):
        anonymize(X, RATE, on_error="skip")
    with pytest.raises(ValueError, match="contract"):
        anonymize(X, RATE, contract="none")


def test_anonymize_shows_progress(X, capsys):
    anonymize(X[:1, :, 1:2], RATE, ["II"], verbose=1)
    assert "anonymize" in capsys.readouterr().out


def test_labels_of_several_classes_pass_through_a_pipeline(X):
    labels = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]])
    settings = {"sampling_rate": RATE, "random_state": 0}
    pipeline = make_pipeline(
        FunctionTransformer(anonymize, kw_args=settings),
        FunctionTransformer(lambda X: X.reshape(len(X), -1)),
        KNeighborsClassifier(1),
    ).fit(X, labels)
    np.testing.assert_array_equal(pipeline.predict(X), labels)
