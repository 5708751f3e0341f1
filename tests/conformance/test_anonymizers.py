"""The contract of this package that every anonymizer must fulfill."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar

from sklearn_ecganon import QRSSegmenter
from sklearn_ecganon.anonymizers import (
    BlockAverageAnonymizer,
    CycleGANAnonymizer,
    LowPassAnonymizer,
    NoiseAnonymizer,
    NonQRSVAEAnonymizer,
    TimeWarpAnonymizer,
)
from sklearn_ecganon.core import BaseAnonymizer, Draws, RecordPseudonym
from sklearn_ecganon.testing import (
    _stretches,
    check_anonymizer,
    check_stretches_in_any_order_and_process,
    check_stretches_share_no_draw_of_beats,
    check_transform_is_pseudonym_and_release,
    parametrize_with_anonymizer_checks,
)
from tests.conformance.estimators import ANONYMIZERS, as_parameters, quick

# These methods release each window independently of the others of its record, so that the
# concatenated releases of the stretches equal the release of the record.
SAME_IN_STRETCHES = [
    NoiseAnonymizer(),
    LowPassAnonymizer(),
    TimeWarpAnonymizer(),
    BlockAverageAnonymizer(per="record"),
    NonQRSVAEAnonymizer(max_epochs=1),
    CycleGANAnonymizer(max_epochs=1, n_filters=4),
]


@pytest.mark.trains
@parametrize_with_anonymizer_checks(
    [*(quick(cls) for cls in ANONYMIZERS), NoiseAnonymizer(per="beat")]
)
def test_contract(estimator, check):
    check(estimator)


@pytest.mark.trains
@pytest.mark.parametrize("estimator", SAME_IN_STRETCHES, ids=repr)
def test_stretches_put_together_are_the_record(estimator, beats):
    model = clone(estimator).set_params(random_state=0).fit(beats)
    record = beats[0]
    pseudonym = model.pseudonym(record)
    released = [pseudonym.release(stretch).beats for stretch in _stretches(record)]
    together = np.concatenate(released)
    np.testing.assert_allclose(together, model.transform(record).beats, rtol=0, atol=1e-9)


class RepeatsDraws(NoiseAnonymizer):
    """Keys the noise of its beats by the first stretch, so that every stretch repeats it."""

    def _release(self, beats, draws):
        keyed = Draws(draws.first[0], beats)
        keyed.__dict__["digests"] = draws.first
        return super()._release(beats, keyed)


class Remembers(BaseAnonymizer):
    """Returns something else each time that it is called."""

    def __init__(self, strength=1.0, *, random_state=None):
        self.strength = strength
        self.random_state = random_state

    def _release(self, beats, draws):
        self.n_calls_ = getattr(self, "n_calls_", 0) + 1
        return beats.with_beats(beats.beats + self.n_calls_)


def test_the_checks_find_what_they_are_for(beats):
    with pytest.raises(AssertionError, match="repeat the draws"):
        check_stretches_share_no_draw_of_beats(RepeatsDraws(per="beat"))
    for check in (
        check_transform_is_pseudonym_and_release,
        check_stretches_in_any_order_and_process,
    ):
        with pytest.raises(AssertionError):
            check(Remembers())
    with pytest.raises(TypeError, match="inherits from"):
        check_anonymizer(QRSSegmenter())


def test_a_pseudonym_is_of_one_record_of_the_same_layout(beats, bunch):
    model = NoiseAnonymizer(random_state=0).fit(beats)
    with pytest.raises(ValueError, match="BeatSet of one record, but got 2 records"):
        model.pseudonym(beats[:2])
    with pytest.raises(ValueError, match="but got ndarray"):
        model.pseudonym(beats[0]).release(beats[0].beats)
    with pytest.raises(ValueError, match="64 bytes"):
        model.resalt(b"")
    slow = QRSSegmenter(sampling_rate=200).fit_transform(bunch.data)
    with pytest.raises(ValueError, match=r"was fitted on .* at 250 Hz"):
        model.pseudonym(beats[0]).release(slow[0])
    assert isinstance(model.pseudonym(beats[0]), RecordPseudonym)


def test_numbers_of_records_and_of_beats_do_not_overlap(beats):
    draws = Draws(b"salt", beats)
    of_records, of_beats = draws.for_records(3), draws.for_beats(3)
    assert of_records.shape == (len(beats), 3)
    assert of_beats.shape == (len(beats.beats), 3)
    assert len(np.unique(np.r_[of_records, of_beats])) == of_records.size + of_beats.size
    whole = draws.for_stretches([5] * len(beats)).reshape(-1, 5)
    np.testing.assert_array_equal(whole[:, :3], of_records)


@pytest.fixture(scope="module", params=as_parameters(ANONYMIZERS), ids=lambda cls: cls.__name__)
def fitted(request, beats):
    return quick(request.param, random_state=0).fit(beats)


def test_errors_explain_what_is_wrong(fitted, bunch, beats):
    with pytest.raises(ValueError, match="put a QRSSegmenter before it"):
        clone(fitted).fit(bunch.data)
    with pytest.raises(ValueError, match="labels has shape"):
        clone(fitted).fit(beats, labels=["N"])
    with pytest.raises(ValueError, match="BeatSet without beats"):
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


def test_progress_is_shown_and_not_pickled(fitted, beats, capsys):
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
    # A GPU adds up float32 products in another order. An H200 differed by 6e-5 mV. The
    # tolerance is 1 uV, a fifth of the resolution of MIT-BIH.
    np.testing.assert_allclose(on_cpu.transform(beats).beats, expected, rtol=0, atol=1e-3)
