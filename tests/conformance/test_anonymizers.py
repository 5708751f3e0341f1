"""Our own contract: what every anonymizer must keep, whatever its method."""

import io
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.pipeline import Pipeline

from sklearn_ecganon import BeatSet, QRSSegmenter
from tests.conformance.estimators import ANONYMIZERS, as_parameters, quick


@pytest.fixture(scope="module", params=as_parameters(ANONYMIZERS), ids=lambda cls: cls.__name__)
def fitted(request, beats):
    return quick(request.param, random_state=0).fit(beats)


def test_strength_zero_is_bit_exact(fitted, beats):
    unchanged = clone(fitted).set_params(strength=0).fit(beats)
    assert unchanged.transform(beats).beats.tobytes() == beats.beats.tobytes()
    for dtype in (np.float32, np.float64):
        rows = beats.beats[:, 0].astype(dtype)
        out = unchanged.fit(rows).transform(rows)
        assert out.tobytes() == rows.tobytes()
        assert out.dtype == dtype


def retimes(anonymizer):
    """Tell whether a release has R peaks of its own, as the diagnostic contract allows."""
    return getattr(anonymizer, "contract", None) == "diagnostic"


def test_what_goes_in_comes_out(fitted, beats):
    new = fitted.transform(beats)
    assert isinstance(new, BeatSet)
    assert new.beats.shape[1:] == beats.beats.shape[1:]
    kept = ["names", "lead_names", "lengths"]
    if not retimes(fitted):
        kept += ["record", "r_peaks", "labels"]
    for field in kept:
        np.testing.assert_array_equal(getattr(new, field), getattr(beats, field))
    assert fitted.inverse_transform(new) is new


def test_input_is_not_changed(fitted, beats):
    before = beats.beats.copy()
    fitted.transform(beats)
    np.testing.assert_array_equal(beats.beats, before)


def test_answer_does_not_depend_on_the_company(fitted, beats):
    whole = fitted.transform(beats)
    order = np.random.default_rng(0).permutation(len(beats))
    reordered = fitted.transform(beats[order])
    for position, record in enumerate(order):
        alone = fitted.transform(beats[record]).beats
        np.testing.assert_allclose(alone, whole[record].beats, atol=1e-6)
        np.testing.assert_allclose(reordered[position].beats, alone, atol=1e-6)


@pytest.fixture(scope="module")
def other_process():
    """Return a process that shares no memory with this one."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        yield executor


def test_answer_does_not_depend_on_the_process(fitted, beats, other_process):
    released = other_process.submit(fitted.transform, beats).result()
    np.testing.assert_allclose(released.beats, fitted.transform(beats).beats, atol=1e-6)


def test_salt_decides_and_resalt_changes_it(fitted, beats):
    same, other = fitted.resalt(1), fitted.resalt(2)
    assert not np.array_equal(same.salt_, other.salt_)
    first, again = same.transform(beats), fitted.resalt(1).transform(beats)
    np.testing.assert_array_equal(first.beats, again.beats)
    np.testing.assert_array_equal(first.r_peaks, again.r_peaks)
    for old, new in zip(first, other.transform(beats), strict=True):
        n_beats = min(len(old.beats), len(new.beats))
        changed = np.abs(old.beats[:n_beats] - new.beats[:n_beats]).max(axis=(1, 2))
        assert (changed > 1e-6).all()
    assert not np.array_equal(fitted.resalt().salt_, fitted.resalt().salt_)


def test_salt_is_secret_without_a_seed(fitted, beats):
    # Seeding NumPy's global generator must not make the salt guessable.
    salts = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002
        salts.append(clone(fitted).set_params(random_state=None).fit(beats[:2]).salt_)
    assert not np.array_equal(*salts)


def test_pickle_is_arrays_only(fitted, beats):
    seen = set()

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            seen.add(module.partition(".")[0])
            return super().find_class(module, name)

    again = Reader(io.BytesIO(pickle.dumps(fitted))).load()
    assert seen <= {"sklearn_ecganon", "numpy", "builtins", "copyreg", "_codecs"}
    np.testing.assert_array_equal(again.transform(beats).beats, fitted.transform(beats).beats)


def test_model_holds_no_training_sample(fitted, beats):
    # No stored array may hold three consecutive samples of a training beat.
    stored = pickle.dumps(fitted)
    for beat in beats.beats[::7, 0].astype(np.float64):
        for dtype in (np.float64, np.float32):
            for start in range(0, len(beat) - 3, 5):
                assert beat[start : start + 3].astype(dtype).tobytes() not in stored


def test_same_seed_same_model_and_global_generators_rest(fitted, beats):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = clone(fitted).fit(beats)
    np.testing.assert_array_equal(again.transform(beats).beats, fitted.transform(beats).beats)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_three_dimensional_arrays(fitted, beats):
    rows = np.repeat(beats.beats[:30], 2, axis=1)
    model = clone(fitted).fit(rows)
    assert model.transform(rows).shape == rows.shape
    with pytest.raises(ValueError, match="expecting 2 features"):
        model.transform(rows[:, :1])
    with pytest.raises(ValueError, match="fitted on 2 lead"):
        model.transform(rows[:, :, 1:])


def test_refuses_in_clear_words(fitted, bunch, beats):
    with pytest.raises(ValueError, match="put a QRSSegmenter before it"):
        clone(fitted).fit(bunch.data)
    with pytest.raises(ValueError, match="labels has shape"):
        clone(fitted).fit(beats, labels=["N"])
    with pytest.raises(ValueError, match="without a single beat"):
        fitted.transform(beats[:0])
    with pytest.raises(ValueError, match=r"was fitted on .* at 250 Hz"):
        fitted.transform(QRSSegmenter(sampling_rate=200).fit_transform(bunch.data))
    rows = beats.beats[:, 0].copy()
    rows[3, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        clone(fitted).fit(rows)
    with pytest.raises(ValueError, match=r"[Cc]omplex"):
        clone(fitted).fit(rows.astype(complex))
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2, 50\)"):
        clone(fitted).fit(np.ones((2, 2, 2, 50)))


def test_pipeline_stitches(fitted, bunch):
    pipeline = Pipeline([("segment", QRSSegmenter()), ("identity", clone(fitted))])
    released = pipeline.fit_transform(bunch.data, bunch.subject)
    records = pipeline.inverse_transform(released)
    assert [r.n_times for r in records] == [r.n_times for r in bunch.data]
    assert all(r.subject is None for r in records)


def test_progress_is_shown_and_leaves_nothing_behind(fitted, beats, capsys):
    model = clone(fitted).set_callbacks(ProgressBar())
    model.fit(beats)
    assert type(model).__name__ in capsys.readouterr().out
    pickle.dumps(model)


@pytest.mark.gpu
@pytest.mark.usefixtures("full_float32")
def test_model_from_a_gpu_loads_on_a_cpu(fitted, beats):
    if "device" not in fitted.get_params():
        pytest.skip("has no net")
    on_gpu = clone(fitted).set_params(device="cuda").fit(beats)
    assert on_gpu.device_ == "cuda"
    expected = on_gpu.transform(beats).beats
    on_gpu.set_params(device="cpu")
    on_cpu = pickle.loads(pickle.dumps(on_gpu))
    # A GPU adds up float32 products in another order; 6e-5 mV were seen on an H200. What may
    # remain is 1 uV, a fifth of the step in which MIT-BIH is stored.
    np.testing.assert_allclose(on_cpu.transform(beats).beats, expected, rtol=0, atol=1e-3)
