"""Images must come back as what they were made from: every arrangement, size and dtype."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from sklearn_ecganon import BeatSet, ECGRecord, QRSSegmenter, make_ecg_records
from sklearn_ecganon.datasets import fetch_mitdb
from sklearn_ecganon.imaging import BeatImager, BeatImages

ARRANGEMENTS = ["raster", "serpentine", "stack", "rgb", "rgb-concatenated", "time-frequency"]
STANDARDIZATIONS = ["global", "adapted", "z-score"]
DTYPES = [np.float64, np.float32, np.float16, np.int16, ">f8", "<f4"]
EXACT = 1e-6  # mV
QUIETLY = settings(deadline=None, max_examples=60, derandomize=True)


@st.composite
def arrays(draw):
    """Beats of up to 5 mV: random ones, and a constant one, of any length and dtype."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(2, 3), st.integers(2, 400)))
    if draw(st.booleans()):
        shape = (shape[0], shape[2])
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.normal(size=shape) * rng.choice([1e-3, 0.1, 1.0])
    values[0] = draw(st.sampled_from([0.0, 0.1, -2.0]))
    return np.clip(values, -5, 5).astype(draw(st.sampled_from(DTYPES)))


@QUIETLY
@given(
    X=arrays(),
    standardization=st.sampled_from(STANDARDIZATIONS),
    levels=st.sampled_from([None, 2, 7, 256, 4096]),
    more=st.none() | st.tuples(st.integers(0, 30), st.integers(0, 30)),
)
@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_floats_come_back(arrangement, X, standardization, levels, more):
    def imager(shape):
        return BeatImager(
            arrangement,
            standardization=standardization,
            range_levels=levels,
            image_shape=shape,
        )

    model = imager(None).fit(X)
    if more is not None:
        model = imager(tuple(np.add(model.image_shape_[:2], more))).fit(X)
    images = model.transform(X)
    assert images.shape == (len(X), *model.image_shape_)
    back = model.inverse_transform(images)
    assert back.shape == X.shape
    assert back.dtype == images.dtype
    assert images.dtype == (np.float32 if X.dtype == np.float32 else np.float64)
    np.testing.assert_allclose(back, X.astype(float), rtol=0, atol=EXACT)
    assert (images[:, model.padding_] == 0).all()
    n_ends = 2 if standardization == "adapted" else 0
    if arrangement != "time-frequency":
        assert (~model.padding_).sum() == X[0].size + n_ends * X[0].size // X.shape[-1]


@QUIETLY
@given(
    X=arrays(),
    standardization=st.sampled_from(STANDARDIZATIONS),
    levels=st.sampled_from([2, 7, 256]),
)
@pytest.mark.parametrize("arrangement", ARRANGEMENTS[:-1])
def test_eight_bits_come_back_within_half_a_quantum(arrangement, X, standardization, levels):
    model = BeatImager(
        arrangement, standardization=standardization, range_levels=levels, dtype="uint8"
    )
    images = model.fit_transform(X)
    assert images.dtype == np.uint8
    values = X.astype(float)
    low, high = values.min(), values.max()
    span = high - low if high > low else 2.0
    if standardization == "z-score":
        mean = values.mean()
        widest = max(2 * max(high - mean, mean - low), 2.0 * (low == high))
    elif standardization == "adapted":
        # Both ends of a range are rounded outwards by less than one level.
        step = span / (levels - 1)
        ranges = np.ptp(values, axis=-1, keepdims=True)
        widest = np.minimum(ranges + 2 * step, span)
    else:
        widest = span
    error = np.abs(model.inverse_transform(images) - values)
    assert (error <= widest / 255 / 2 + EXACT).all()


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("standardization", STANDARDIZATIONS)
def test_beats_outside_of_the_fitted_range_come_back(arrangement, standardization):
    X = np.random.default_rng(0).normal(size=(6, 100))
    model = BeatImager(arrangement, standardization=standardization).fit(X / 10)
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), X, atol=EXACT)


def test_eight_bits_warn_when_values_are_clipped():
    X = np.random.default_rng(0).normal(size=(6, 100))
    model = BeatImager(dtype="uint8").fit(X)
    with pytest.warns(UserWarning, match="outside the range seen in fit"):
        back = model.inverse_transform(model.transform(3 * X))
    np.testing.assert_allclose(back.max(), X.max(), atol=EXACT)


def test_arrangements_are_what_they_are_called():
    X = np.arange(12.0).reshape(1, 3, 4)

    def pixels(arrangement, shape=None):
        model = BeatImager(arrangement, image_shape=shape).fit(X)
        return np.rint(model.transform(X)[0] * 5.5 + 5.5)

    np.testing.assert_array_equal(
        pixels("raster", (3, 4)), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    )
    np.testing.assert_array_equal(
        pixels("serpentine", (2, 6)), [[0, 1, 2, 3, 4, 5], [11, 10, 9, 8, 7, 6]]
    )
    np.testing.assert_array_equal(pixels("stack"), X[0])
    np.testing.assert_array_equal(pixels("rgb")[..., 1], [[4, 5], [6, 7]])
    X = X.reshape(1, 12)
    np.testing.assert_array_equal(pixels("rgb-concatenated")[..., 2], [[8, 9], [10, 11]])


def test_neighbors_in_time_are_neighbors_in_a_serpentine():
    ramp = np.arange(30.0)[np.newaxis]
    image = BeatImager("serpentine", image_shape=(5, 6)).fit_transform(ramp)[0]
    row, column = np.unravel_index(np.argsort(image, axis=None), image.shape)
    assert (np.abs(np.diff(row)) + np.abs(np.diff(column)) == 1).all()


def test_time_frequency_shows_a_tone_at_its_frequency():
    # Three cycles a window of 32 samples: the fourth row from the bottom of the magnitude.
    tone = np.sin(2 * np.pi * 3 * np.arange(256) / 32)[np.newaxis]
    model = BeatImager("time-frequency").fit(tone)
    image = model.transform(tone)[0]
    assert image.shape[0] == 2 * 17
    assert image[:17].mean(axis=1).argmax() == 17 - 1 - 3


def test_time_frequency_accepts_images_that_are_no_spectrum():
    # A generated image is the transform of no signal: the answer is finite, and settles.
    X = np.random.default_rng(0).normal(size=(4, 100))
    model = BeatImager("time-frequency", standardization="adapted").fit(X)
    noise = np.random.default_rng(1).uniform(-1.2, 1.2, size=(4, *model.image_shape_))
    first = model.inverse_transform(noise)
    again = model.inverse_transform(model.transform(first))
    np.testing.assert_allclose(again, first, atol=EXACT)


def test_adapted_uses_the_whole_scale_and_levels_blur_the_range():
    X = np.random.default_rng(0).normal(size=(50, 100)) * np.linspace(0.1, 1, 50)[:, None]

    def ends(levels):
        model = BeatImager("stack", standardization="adapted", range_levels=levels)
        images = model.fit_transform(X)[:, 0]
        return images[:, :-2], images[:, -2:]

    samples, exact = ends(None)
    np.testing.assert_allclose(samples.min(axis=1), -1)
    np.testing.assert_allclose(samples.max(axis=1), 1)
    assert len(np.unique(exact)) == 100
    samples, blurred = ends(8)
    assert len(np.unique(blurred)) <= 8
    assert (blurred[:, 0] <= exact[:, 0] + 1e-9).all()
    assert (blurred[:, 1] >= exact[:, 1] - 1e-9).all()
    assert np.abs(samples).max() <= 1 + 1e-9


def test_a_generated_image_may_have_its_ends_in_the_wrong_order():
    X = np.random.default_rng(0).normal(size=(5, 30))
    model = BeatImager("stack", standardization="adapted").fit(X)
    images = model.transform(X)
    swapped = images.copy()
    swapped[..., -2:] = images[..., :-3:-1]
    assert not np.array_equal(swapped, images)
    np.testing.assert_array_equal(
        model.inverse_transform(swapped), model.inverse_transform(images)
    )


@pytest.mark.parametrize("windows_per_image", [1, 3, 7])
@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_a_beatset_comes_back(beats, arrangement, windows_per_image):
    if arrangement == "rgb" and windows_per_image > 3:
        with pytest.raises(ValueError, match="up to 3 traces"):
            BeatImager(arrangement, windows_per_image=windows_per_image).fit(beats)
        return
    model = BeatImager(arrangement, windows_per_image=windows_per_image)
    images = model.fit_transform(beats)
    assert isinstance(images, BeatImages)
    assert len(images) == len(beats)
    np.testing.assert_array_equal(images.n_images, -(-beats.n_beats // windows_per_image))
    back = model.inverse_transform(images)
    assert isinstance(back, BeatSet)
    np.testing.assert_allclose(back.beats, beats.beats, atol=EXACT)
    for field in ("record", "r_peaks", "lengths", "labels", "names", "lead_names"):
        np.testing.assert_array_equal(getattr(back, field), getattr(beats, field))
    labels = beats.labels[images.windows]
    assert labels.shape == (len(images.images), windows_per_image)


def test_an_image_never_mixes_records(beats):
    model = BeatImager("stack", windows_per_image=4).fit(beats)
    images = model.transform(beats)
    np.testing.assert_array_equal(
        beats.record[images.windows], np.repeat(images.record[:, np.newaxis], 4, axis=1)
    )
    for position, index in enumerate([3, 0]):
        chosen = images[[3, 0]]
        alone = model.transform(beats[index])
        np.testing.assert_array_equal(chosen[position].images, alone.images)
        np.testing.assert_allclose(
            model.inverse_transform(chosen[position]).beats, beats[index].beats, atol=EXACT
        )
    assert sum(len(of_record.images) for of_record in images) == len(images.images)


def test_images_of_a_beatset_hold_no_other_signal(beats):
    model = BeatImager().fit(beats)
    images = model.transform(beats)
    blank = images.with_images(np.zeros_like(images.images))
    assert blank.frame.beats.size == 0
    assert blank.frame.beats.base is None
    beat = beats.beats[5, 0, 40:43].tobytes()
    assert beat in pickle.dumps(beats)
    assert beat not in pickle.dumps((blank, model))
    assert np.ptp(model.inverse_transform(blank).beats) == 0


@pytest.mark.parametrize("windows_per_image", [1, 3])
@pytest.mark.parametrize("arrangement", ["raster", "stack", "time-frequency"])
def test_records_come_back(arrangement, windows_per_image):
    rng = np.random.default_rng(0)
    signals = [rng.normal(size=(n, 2)) for n in (1000, 777, 3)]
    signals[1][100:400] = np.nan
    signals[1][600:, 1] = np.nan
    records = [
        ECGRecord(s, 250, ("I", "II"), r_peaks=[1], subject="Ann", name=f"r{i}")
        for i, s in enumerate(signals)
    ]
    model = BeatImager(arrangement, windows_per_image=windows_per_image, segment=500)
    images = model.fit_transform(records)
    np.testing.assert_array_equal(images.n_windows, [8, 7, 1])
    back = model.inverse_transform(images)
    for old, new in zip(records, back, strict=True):
        np.testing.assert_allclose(new.signal, old.signal, atol=EXACT)
        assert (new.name, new.lead_names, new.sampling_rate) == (old.name, ("I", "II"), 250)
        np.testing.assert_array_equal(new.r_peaks, old.r_peaks)
        assert new.subject is None
    [last] = model.inverse_transform(images[2])
    np.testing.assert_allclose(last.signal, signals[2], atol=EXACT)
    blank = model.inverse_transform(images.with_images(0 * images.images))
    assert np.nanstd(blank[0].signal) < EXACT or arrangement == "time-frequency"


def test_pipeline_goes_to_images_and_back(bunch, beats):
    pipeline = Pipeline(
        [("segment", QRSSegmenter()), ("image", BeatImager(windows_per_image=2))]
    )
    with sklearn.config_context(transform_output="pandas"):
        images = pipeline.fit_transform(bunch.data, bunch.subject)
    records = pipeline.inverse_transform(images)
    expected = pipeline[0].inverse_transform(beats)
    for old, new in zip(expected, records, strict=True):
        np.testing.assert_allclose(new.signal, old.signal, atol=EXACT)


def test_arrays_of_images_are_enough(beats):
    # Generated images belong to no record, so the fitted imager must be enough.
    model = BeatImager("stack", windows_per_image=3, standardization="adapted").fit(beats)
    images = pickle.loads(pickle.dumps(model.transform(beats))).images
    windows = pickle.loads(pickle.dumps(model)).inverse_transform(images)
    assert windows.shape == (3 * len(images), 1, beats.n_times)
    np.testing.assert_allclose(windows[:3], beats.beats[:3], atol=EXACT)
    rows = pd.DataFrame(beats.beats[:, 0])
    flat = BeatImager().fit(rows)
    np.testing.assert_allclose(
        flat.inverse_transform(flat.transform(rows)), rows, rtol=0, atol=EXACT
    )


def test_refusals(beats, bunch):
    X = np.random.default_rng(0).normal(size=(5, 100))
    for arrangement, words in {
        "raster": "needs 100 pixels",
        "serpentine": "needs 100 pixels",
        "stack": r"one row for each trace: \(1, 100\)",
        "rgb": "100 pixels per channel",
        "rgb-concatenated": "34 pixels per channel",
        "time-frequency": r"coarsest transform: \(6, 51\)",
    }.items():
        with pytest.raises(ValueError, match=words):
            BeatImager(arrangement, image_shape=(4, 5)).fit(X)
    for shape in ((10,), (10, 10, 3), (0, 900), (10.0, 10.0), "ab"):
        with pytest.raises(ValueError, match="image_shape"):
            BeatImager(image_shape=shape).fit(X)
    with pytest.raises(ValueError, match="give dtype='float'"):
        BeatImager("time-frequency", dtype="uint8").fit(X)
    for levels in (None, 257):
        with pytest.raises(ValueError, match="at most 256 levels"):
            BeatImager(standardization="adapted", range_levels=levels, dtype="uint8").fit(X)
    with pytest.raises(ValueError, match="the order of the rows of an array is not known"):
        BeatImager(windows_per_image=2).fit(X)
    with pytest.raises(ValueError, match="beats of 1 sample"):
        BeatImager().fit(X[:, :5].reshape(5, 5, 1))
    model = BeatImager().fit(beats)
    with pytest.raises(ValueError, match=r"images of shape \(3, 3\)"):
        model.inverse_transform(np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match="was fitted on"):
        model.transform(QRSSegmenter(window=600).fit_transform(bunch.data))
    images = model.transform(beats)
    with pytest.raises(ValueError, match="windows_per_image=2"):
        BeatImager(windows_per_image=2).fit(beats).inverse_transform(images)
    with pytest.raises(ValueError, match="images has shape"):
        images.with_images(images.images[1:])
    with pytest.raises(ValueError, match="convert them separately"):
        BeatImager().fit([*bunch.data, ECGRecord(np.zeros(500), 100.0, name="slow")])
    with pytest.raises(ValueError, match="1 sample"):
        BeatImager(segment=4).fit(bunch.data)
    with pytest.raises(ValueError, match="n_windows has"):
        BeatImages(images.images, images.frame, images.n_windows[1:])
    with pytest.raises(ValueError, match="images has shape"):
        BeatImages(images.images[1:], images.frame, images.n_windows)


# Record 207 holds ventricular flutter, about whose beats its leads disagree.
@pytest.mark.filterwarnings("ignore:record '207'")
def test_real_beats_come_back(data_home):
    bunch = fetch_mitdb(data_home=data_home, records=["100", "207"], download_if_missing=False)
    records = [record.crop(0, 30_000) for record in bunch.data]
    beats = QRSSegmenter().fit_transform(records)
    for arrangement in ARRANGEMENTS:
        for standardization in STANDARDIZATIONS:
            model = BeatImager(arrangement, standardization=standardization)
            back = model.inverse_transform(model.fit_transform(beats))
            np.testing.assert_allclose(back.beats, beats.beats, rtol=0, atol=EXACT)


def test_many_images_are_made_in_chunks():
    # More than a chunk, and the same answer for each as alone.
    X = make_ecg_records(n_subjects=1, duration=10.0, random_state=0).data[0].signal[:, 0]
    X = np.lib.stride_tricks.sliding_window_view(X, 60)[:700]
    model = BeatImager("time-frequency").fit(X)
    images = model.transform(X)
    np.testing.assert_array_equal(images[600:], model.transform(X[600:]))
    np.testing.assert_allclose(model.inverse_transform(images), X, atol=EXACT)


def test_a_range_too_narrow_for_its_dtype_comes_back():
    # In single precision both ends of the first beat's range are carried as one number.
    X = np.array([[0, 1e-9, 0], [1, 5, 3]], dtype=np.float32)
    model = BeatImager(standardization="adapted", range_levels=None).fit(X)
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), X, atol=EXACT)
