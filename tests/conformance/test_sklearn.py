"""Every public estimator passes all checks of scikit-learn."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.exceptions import SkipTestWarning
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from sklearn_ecganon import BeatSet, QRSSegmenter
from sklearn_ecganon.anonymizers import NoiseAnonymizer, PseudoIdentityAnonymizer
from tests.conformance.estimators import ANONYMIZERS, PUBLIC, QUICK, as_parameters, quick


@pytest.mark.trains
@parametrize_with_checks([quick(cls) for cls in PUBLIC])
def test_check_estimator(estimator, check):
    check(estimator)


def test_the_list_is_not_empty():
    names = {cls.__name__ for cls in PUBLIC}
    assert {"QRSSegmenter", "NonQRSVAEAnonymizer", "ReidentificationScorer"} <= names
    assert ANONYMIZERS


@pytest.mark.parametrize("cls", PUBLIC)
def test_default_parameters_pass(cls):
    # The checks above use quick instances, which may differ from the defaults only in QUICK.
    defaults = cls().get_params()
    for name, value in quick(cls).get_params().items():
        assert name in QUICK or value == defaults[name]


@pytest.mark.slow
@pytest.mark.trains
def test_with_the_array_api_switched_on():
    # SciPy reads SCIPY_ARRAY_API when it is imported, so the checks run in a new process.
    code = "from tests.conformance.test_sklearn import run_all; print(run_all())"
    threads = os.environ.get("OMP_NUM_THREADS") or "1"
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": threads},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert int(process.stdout.split()[-1]) >= 45 * len(PUBLIC)


def run_all():
    """Check every public estimator and return how many checks passed; none may skip."""
    passed = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", SkipTestWarning)
        for cls in PUBLIC:
            passed += len(check_estimator(quick(cls)))
    return passed


@pytest.mark.parametrize("cls", as_parameters(ANONYMIZERS))
def test_set_output_and_feature_names(cls):
    X = pd.DataFrame(
        np.random.default_rng(0).normal(size=(10, 40)), columns=[f"t{i}" for i in range(40)]
    )
    new = quick(cls, random_state=0).set_output(transform="pandas").fit(X).transform(X)
    assert isinstance(new, pd.DataFrame)
    assert list(new.columns) == list(X.columns)


@pytest.mark.trains
def test_records_pass_where_data_frames_are_asked_for(bunch):
    with sklearn.config_context(transform_output="pandas"):
        for cls in ANONYMIZERS:
            pipeline = Pipeline([("segment", QRSSegmenter()), ("identity", quick(cls))])
            assert isinstance(pipeline.fit_transform(bunch.data[:4]), BeatSet)


def test_a_pipeline_names_the_columns_of_an_array(beats):
    pipeline = make_pipeline(QRSSegmenter(), NoiseAnonymizer(random_state=0))
    rows = beats.beats[:20, 0]
    names = pipeline.fit(rows).get_feature_names_out()
    assert names.tolist() == [f"x{i}" for i in range(rows.shape[1])]


def test_a_pipeline_names_the_leads_of_records(bunch):
    pipeline = make_pipeline(QRSSegmenter(), NoiseAnonymizer(random_state=0)).fit(bunch.data)
    assert pipeline.get_feature_names_out().tolist() == ["x0"]
    assert pipeline.get_feature_names_out(["MLII"]).tolist() == ["MLII"]
    with pytest.raises(ValueError, match="has 2 names, but QRSSegmenter was fitted on 1 leads"):
        pipeline.get_feature_names_out(["I", "II"])


def test_a_pretrained_model_does_not_know_the_leads(beats):
    pretrained = PseudoIdentityAnonymizer.from_pretrained()
    with pytest.raises(ValueError, match="takes beats of any leads; give the names"):
        pretrained.get_feature_names_out()
    assert pretrained.get_feature_names_out(["I", "II"]).tolist() == ["I", "II"]
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(pretrained.transform(beats[:1]), BeatSet)


def test_a_fit_on_records_does_not_change_a_later_fit_on_an_array(beats):
    model = NoiseAnonymizer(random_state=0).set_output(transform="pandas")
    assert isinstance(model.fit_transform(beats), BeatSet)
    names = [f"t{i}" for i in range(beats.n_times)]
    rows = pd.DataFrame(beats.beats[:20, 0], columns=names)
    assert list(model.fit_transform(rows).columns) == names
    assert model.get_feature_names_out().tolist() == names
