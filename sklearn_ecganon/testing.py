"""Checks that every anonymizer has to pass, in this package and in yours."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch
from threadpoolctl import threadpool_limits

from sklearn_ecganon.core import BaseAnonymizer, Pseudonym
from sklearn_ecganon.datasets import make_ecg_records
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation import QRSSegmenter
from sklearn_ecganon.training import single_thread

__all__ = ["ANONYMIZER_CHECKS", "check_anonymizer", "parametrize_with_anonymizer_checks"]

# In mV. The size of a batch changes the output of a float32 network by less than this.
TOLERANCE = 1e-6
N_STRETCHES = 3
# Packages whose classes the pickle of a fitted model may contain, besides its own package.
MODULES = {"sklearn_ecganon", "numpy", "builtins", "copyreg", "_codecs"}


@lru_cache(maxsize=1)
def _toy() -> tuple[Bunch, BeatSet]:
    """Return records of six subjects, two sessions of 30 s each, and their beats."""
    bunch = make_ecg_records(n_subjects=6, n_sessions=2, duration=30.0, random_state=0)
    beats = QRSSegmenter().fit_transform(bunch.data)
    assert isinstance(beats, BeatSet)
    return bunch, beats


# Estimators are hashed by identity, and checks of one estimator run one after the other.
@lru_cache(maxsize=1)
def _fitted(estimator: Any) -> Any:
    """Return the estimator fitted on the toy beats; checks must not change it."""
    return clone(estimator).set_params(random_state=0).fit(_toy()[1])


def _stretches(record: BeatSet, n_stretches: int = N_STRETCHES) -> list[BeatSet]:
    """Cut one record midway between beats; R peaks count from the start of a stretch."""
    rows = np.array_split(np.arange(len(record.beats)), n_stretches)
    borders = [0]
    for before, after in zip(rows, rows[1:], strict=False):
        borders.append(int(record.r_peaks[[before[-1], after[0]]].mean()))
    borders.append(int(record.lengths[0]))
    return [
        replace(
            record,
            beats=record.beats[chosen],
            record=record.record[chosen],
            r_peaks=record.r_peaks[chosen] - start,
            lengths=np.array([stop - start]),
            labels=None if record.labels is None else record.labels[chosen],
            gaps=None,
        )
        for chosen, start, stop in zip(rows, borders, borders[1:], strict=False)
    ]


def _release_all(pseudonym: Pseudonym, stretches: Iterable[BeatSet]) -> list[BeatSet]:
    """Release stretches on one thread, so that sums are computed in a fixed order."""
    with single_thread(), threadpool_limits(1):
        return [pseudonym.release(stretch) for stretch in stretches]


def _release_elsewhere(
    path: list[str], pseudonym: bytes, stretches: list[BeatSet]
) -> list[BeatSet]:
    sys.path[:] = path  # the worker may have started before a folder was added to the path
    return _release_all(pickle.loads(pseudonym), stretches)


def _transform_elsewhere(path: list[str], model: bytes, beats: BeatSet) -> BeatSet:
    sys.path[:] = path
    return pickle.loads(model).transform(beats)


def _numpy_state() -> Any:
    """Return the state of NumPy's global generator."""
    state: Any = np.random.get_state()  # noqa: NPY002
    return state[1].copy()


def _assert_same(released: BeatSet, expected: BeatSet) -> None:
    """Assert that two releases are the same, sample for sample."""
    assert_array_equal(released.beats, expected.beats)
    assert_array_equal(released.r_peaks, expected.r_peaks)
    assert_array_equal(released.lengths, expected.lengths)


def check_strength_zero_is_exact(estimator: Any) -> None:
    """Check that at strength 0 the output is the input, bit for bit."""
    beats = _toy()[1]
    unchanged = copy.copy(_fitted(estimator)).set_params(strength=0)
    assert unchanged.transform(beats).beats.tobytes() == beats.beats.tobytes()
    stretch = _stretches(beats[0])[1]
    released = unchanged.pseudonym(beats[0]).release(stretch)
    assert released.beats.tobytes() == stretch.beats.tobytes()
    for dtype in (np.float32, np.float64):
        rows = beats.beats[::8, 0].astype(dtype)
        model = clone(estimator).set_params(strength=0).fit(rows)
        out = model.transform(rows)
        assert out.tobytes() == rows.tobytes()
        assert out.dtype == dtype


def check_output_has_the_layout_of_the_input(estimator: Any) -> None:
    """Check that records keep their names, leads and lengths."""
    model, beats = _fitted(estimator), _toy()[1]
    released = model.transform(beats)
    assert isinstance(released, BeatSet)
    assert released.beats.shape[1:] == beats.beats.shape[1:]
    fields = ["names", "lead_names", "lengths"]
    # A diagnostic contract allows other R peaks.
    if getattr(model, "contract", None) != "diagnostic":
        fields += ["record", "r_peaks", "labels"]
    for field in fields:
        assert_array_equal(getattr(released, field), getattr(beats, field))
    assert model.inverse_transform(released) is released


def check_input_is_not_changed(estimator: Any) -> None:
    """Check that `transform` does not change its input."""
    beats = _toy()[1]
    before = beats.beats.copy()
    _fitted(estimator).transform(beats)
    assert_array_equal(beats.beats, before)


def check_records_do_not_depend_on_each_other(estimator: Any) -> None:
    """Check that the release of a record does not depend on the records beside it."""
    model, beats = _fitted(estimator), _toy()[1]
    together = model.transform(beats)
    order = np.random.default_rng(0).permutation(len(beats))
    reordered = model.transform(beats[order])
    for position, record in enumerate(order):
        alone = model.transform(beats[record]).beats
        assert_allclose(alone, together[record].beats, atol=TOLERANCE)
        assert_allclose(reordered[position].beats, alone, atol=TOLERANCE)


def check_transform_is_pseudonym_and_release(estimator: Any) -> None:
    """Check that `transform` gives the beats of `pseudonym` and `release`."""
    model, beats = _fitted(estimator), _toy()[1]
    together = model.transform(beats)
    for record, released in zip(beats, together, strict=True):
        single = model.pseudonym(record).release(record)
        assert_array_equal(single.r_peaks, released.r_peaks)
        assert_allclose(single.beats, released.beats, atol=TOLERANCE)
        _assert_same(single, model.transform(record))
    salted = model.pseudonym(beats[0], salt=b"another secret").release(beats[0])
    _assert_same(salted, model.resalt(b"another secret").transform(beats[0]))


def check_stretches_in_any_order_and_process(estimator: Any) -> None:
    """Check that neither order, nor pickling, nor the process changes a release."""
    model, beats = _fitted(estimator), _toy()[1]
    records = [beats[0], beats[7]]
    pseudonyms = [model.pseudonym(_stretches(record)[0]) for record in records]
    tasks, expected = [], []
    for pseudonym, record in zip(pseudonyms, records, strict=True):
        stretches = _stretches(record)
        in_order = _release_all(pseudonym, stretches)
        reversed_order = _release_all(pseudonym, stretches[::-1])[::-1]
        again = _release_all(model.pseudonym(stretches[0]), stretches[1:])
        for one, other in zip(in_order, reversed_order, strict=True):
            _assert_same(other, one)
        for one, other in zip(in_order[1:], again, strict=True):
            _assert_same(other, one)
        pickled = pickle.dumps(pseudonym)
        tasks.append(delayed(_release_elsewhere)(sys.path, pickled, stretches[::-1]))
        expected.append(in_order)
    *released, elsewhere = Parallel(n_jobs=2)(
        [*tasks, delayed(_transform_elsewhere)(sys.path, pickle.dumps(model), beats)]
    )
    for stretches, in_order in zip(released, expected, strict=True):
        for one, other in zip(in_order, stretches[::-1], strict=True):
            _assert_same(other, one)
    assert_allclose(elsewhere.beats, model.transform(beats).beats, atol=TOLERANCE)


def check_stretches_share_no_draw_of_beats(estimator: Any) -> None:
    """Check that no two stretches of a record repeat the draws of their beats.

    Two stretches hold the same beat over and over and differ in their last beat only. If
    the method draws for each beat, the releases of the equal beats must all differ.
    """
    model, beats = _fitted(estimator), _toy()[1]
    first, second = _stretches(beats[0])[:2]
    n_beats = min(len(first.beats), len(second.beats))
    copies = np.repeat(first.beats[:1], n_beats, axis=0)
    chosen = slice(0, n_beats)
    stretch = replace(
        first,
        beats=copies,
        record=first.record[chosen],
        r_peaks=first.r_peaks[chosen],
        labels=None if first.labels is None else np.repeat(first.labels[:1], n_beats),
    )
    copies = copies.copy()
    copies[-1] *= 1.01
    pseudonym = model.pseudonym(first)
    one = pseudonym.release(stretch)
    other = pseudonym.release(replace(stretch, beats=copies))
    draws_for_beats = np.abs(np.diff(one.beats[:-1], axis=0)).max() > TOLERANCE
    if draws_for_beats:
        n_common = min(len(one.beats), len(other.beats)) - 1
        change = np.abs(one.beats[:n_common] - other.beats[:n_common]).max(axis=(1, 2))
        assert (change > TOLERANCE).all(), "two stretches repeat the draws of their beats"


def check_salt_decides(estimator: Any) -> None:
    """Check that the draws depend on the salt and on nothing else."""
    model, beats = _fitted(estimator), _toy()[1]
    same, other = model.resalt(1), model.resalt(2)
    assert not np.array_equal(same.salt_, other.salt_)
    first, again = same.transform(beats), model.resalt(1).transform(beats)
    _assert_same(first, again)
    for old, new in zip(first, other.transform(beats), strict=True):
        n_beats = min(len(old.beats), len(new.beats))
        change = np.abs(old.beats[:n_beats] - new.beats[:n_beats]).max(axis=(1, 2))
        assert (change > TOLERANCE).all(), "a record does not depend on the salt"
    assert not np.array_equal(model.resalt().salt_, model.resalt().salt_)


def check_salt_is_secret_without_a_seed(estimator: Any) -> None:
    """Check that the salt does not come from NumPy's global generator."""
    beats, salts = _toy()[1][:2], []
    state = np.random.get_state()  # noqa: NPY002
    try:
        for _ in range(2):
            np.random.seed(0)  # noqa: NPY002
            model = clone(estimator).set_params(random_state=None).fit(beats)
            salts.append(model.salt_)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert not np.array_equal(*salts)


def check_pickle_is_arrays_only(estimator: Any) -> None:
    """Check that a pickled model holds only arrays and classes of its own package."""
    model, beats = _fitted(estimator), _toy()[1]
    modules = set()

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            modules.add(module.partition(".")[0])
            return super().find_class(module, name)

    again = Reader(io.BytesIO(pickle.dumps(model))).load()
    assert modules <= MODULES | {type(estimator).__module__.partition(".")[0]}
    _assert_same(again.transform(beats), model.transform(beats))


def check_model_holds_no_training_sample(estimator: Any) -> None:
    """Check that no array holds three consecutive samples of a training beat."""
    stored = pickle.dumps(_fitted(estimator))
    for beat in _toy()[1].beats[::7, 0].astype(np.float64):
        for dtype in (np.float64, np.float32):
            for start in range(0, len(beat) - 3, 5):
                assert beat[start : start + 3].astype(dtype).tobytes() not in stored


def check_same_seed_gives_the_same_model(estimator: Any) -> None:
    """Check that a seed determines the model and leaves global generators unchanged."""
    model, beats = _fitted(estimator), _toy()[1]
    torch_state, numpy_state = torch.get_rng_state(), _numpy_state()
    again = clone(model).fit(beats)
    _assert_same(again.transform(beats), model.transform(beats))
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert_array_equal(_numpy_state(), numpy_state)


def check_arrays_with_leads(estimator: Any) -> None:
    """Check that arrays with leads keep their shape, and that other layouts are refused."""
    rows = np.repeat(_toy()[1].beats[:30], 2, axis=1)
    model = clone(estimator).fit(rows)
    assert model.transform(rows).shape == rows.shape
    wrong = [
        (rows[:, :1], "expecting 2 features"),
        (rows[:, :, 1:], "fitted on 2 lead"),
    ]
    for other, message in wrong:
        refusal = ""
        try:
            model.transform(other)
        except ValueError as error:
            refusal = str(error)
        assert message in refusal, "an array of another layout than in fit is not refused"


def check_pipeline_stitches(estimator: Any) -> None:
    """Check that a Pipeline stitches records of the same lengths without a subject."""
    bunch, _ = _toy()
    pipeline = Pipeline([("segment", QRSSegmenter()), ("identity", clone(estimator))])
    released = pipeline.fit_transform(bunch.data, bunch.subject)
    records = pipeline.inverse_transform(released)
    assert [r.n_times for r in records] == [r.n_times for r in bunch.data]
    assert all(r.subject is None for r in records)


#: The checks, in the order in which they run. Each takes an estimator.
ANONYMIZER_CHECKS: tuple[Callable[[Any], None], ...] = (
    check_strength_zero_is_exact,
    check_output_has_the_layout_of_the_input,
    check_input_is_not_changed,
    check_records_do_not_depend_on_each_other,
    check_transform_is_pseudonym_and_release,
    check_stretches_in_any_order_and_process,
    check_stretches_share_no_draw_of_beats,
    check_salt_decides,
    check_salt_is_secret_without_a_seed,
    check_pickle_is_arrays_only,
    check_model_holds_no_training_sample,
    check_same_seed_gives_the_same_model,
    check_arrays_with_leads,
    check_pipeline_stitches,
)


def check_anonymizer(estimator: Any) -> None:
    """Check that an estimator fulfills the contract of an anonymizer.

    Run :func:`sklearn.utils.estimator_checks.check_estimator` as well: it checks the rules
    for every scikit-learn estimator.

    Parameters
    ----------
    estimator : BaseAnonymizer
        An instance that trains quickly. It is not changed. Its class must be importable by
        name, because some checks use it in other processes.

    Raises
    ------
    TypeError
        If `estimator` is no instance of :class:`~sklearn_ecganon.core.BaseAnonymizer`.
    AssertionError
        If a check fails.

    Examples
    --------
    >>> from sklearn_ecganon.anonymizers import NoiseAnonymizer
    >>> from sklearn_ecganon.testing import check_anonymizer
    >>> check_anonymizer(NoiseAnonymizer(per="beat"))
    """
    if not isinstance(estimator, BaseAnonymizer):
        raise TypeError(
            f"got {estimator!r}, which is no instance of BaseAnonymizer; pass an instance of "
            "a class that inherits from sklearn_ecganon.core.BaseAnonymizer."
        )
    for check in ANONYMIZER_CHECKS:
        check(estimator)


def parametrize_with_anonymizer_checks(estimators: Iterable[Any]) -> Any:
    """Return a pytest decorator that runs each check on each estimator as its own test.

    Parameters
    ----------
    estimators : iterable of BaseAnonymizer
        Instances as of :func:`check_anonymizer`.

    Returns
    -------
    decorator : pytest.MarkDecorator
        It gives a test function the arguments `estimator` and `check`.

    Examples
    --------
    >>> from sklearn_ecganon.anonymizers import NoiseAnonymizer
    >>> from sklearn_ecganon.testing import parametrize_with_anonymizer_checks
    >>> @parametrize_with_anonymizer_checks([NoiseAnonymizer(), NoiseAnonymizer(per="beat")])
    ... def test_contract(estimator, check):
    ...     check(estimator)
    """
    import pytest

    cases = [
        pytest.param(estimator, check, id=f"{estimator!r}-{check.__name__}")
        for estimator in estimators
        for check in ANONYMIZER_CHECKS
    ]
    return pytest.mark.parametrize(("estimator", "check"), cases)
