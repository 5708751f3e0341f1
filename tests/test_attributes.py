"""Reading sex and age from originals, releases, and people outside of the release."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ecganon import ECGRecord
from sklearn_ecganon.attacks import attribute_inference


@pytest.fixture(scope="module")
def data():
    """60 people with two records each, whose amplitude depends on sex and rate on age."""
    rng = np.random.default_rng(0)
    time = np.arange(1000) / 100
    sex = rng.permutation(np.repeat(["F", "M"], 30))
    age = rng.uniform(20, 80, size=60)
    records, subjects = [], []
    for person in range(60):
        for visit in range(2):
            wave = np.sin(2 * np.pi * (1 + age[person] / 20) * (time + rng.random()))
            signal = (1 + 2 * (sex[person] == "M")) * wave + 0.2 * rng.normal(size=1000)
            records.append(ECGRecord(signal, 100, name=f"{person}-{visit}"))
            subjects.append(person)
    return records, np.array(subjects), sex, age


def noise(records):
    rng = np.random.default_rng(1)
    return [replace(r, signal=rng.normal(size=r.signal.shape)) for r in records]


def test_sex_is_inferred_from_originals_and_not_from_noise(data):
    records, subjects, sex, _ = data
    inference = attribute_inference(
        records, noise(records), sex[subjects], subjects, random_state=0
    )
    assert inference.metric == "AUC"
    assert inference.original > 0.95
    # 60 people give an AUC of noise a standard deviation of .075.
    assert 0.2 < inference.informed < 0.8
    assert inference.n_subjects == 60
    assert 0.5 < inference.chance_high < 0.8
    assert "60 people" in str(inference)


def test_age_is_inferred_as_a_number(data):
    records, subjects, _, age = data
    inference = attribute_inference(records, records, age[subjects], subjects, random_state=0)
    assert inference.metric == "rank correlation"
    assert inference.original > 0.9
    # An untouched release is read as the originals are.
    assert (
        inference.original
        == inference.ignorant
        == inference.informed
        == inference.control
        == inference.worst
    )
    assert inference.members >= inference.control


def test_a_reader_that_memorizes_is_better_on_members(data):
    records, subjects, _, _ = data
    coin = np.random.default_rng(2).permutation(np.repeat([0, 1], 30))
    inference = attribute_inference(records, records, coin[subjects], subjects, random_state=0)
    assert inference.members > 0.95
    assert inference.control < 0.8


def test_unknown_values_are_left_out_and_any_reader_is_accepted(data):
    records, subjects, sex, _ = data
    unknown = np.where(np.arange(60) < 10, "", sex)[subjects]
    reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    inference = attribute_inference(
        records, records, unknown, subjects, reader=reader, random_state=0
    )
    assert inference.n_subjects == 50
    assert inference.original > 0.9
    with pytest.raises(ValueError, match="give a classifier"):
        attribute_inference(records, records, unknown, subjects, reader=Ridge())


def test_refuses_what_does_not_fit(data):
    records, subjects, sex, _ = data
    with pytest.raises(ValueError, match="119 subjects"):
        attribute_inference(records, records, sex[subjects], subjects[1:])
    with pytest.raises(ValueError, match="has two values"):
        attribute_inference(records, records, np.tile(["F", "M"], 60), subjects)
    with pytest.raises(ValueError, match="two classes, or"):
        attribute_inference(records, records, np.repeat(["F"], 120), subjects)
    with pytest.raises(ValueError, match="give at least 10"):
        attribute_inference(records[:8], records[:8], list("FFMMFFMM"), subjects[:8])
