"""The user's own labels, learned from a release and from originals."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ecganon import ECGRecord
from sklearn_ecganon.training import StripSize
from sklearn_ecganon.utility import label_utility

BRIEF = StripSize(6, 8000, 1, 60)


@pytest.fixture(scope="module")
def data():
    """80 people with a slow or a fast wave, and with or without a second one."""
    rng = np.random.default_rng(0)
    time = np.arange(1000) / 100
    labels = rng.integers(2, size=(80, 2))
    records = [
        ECGRecord(
            np.sin(2 * np.pi * (2 + 2 * fast) * (time + rng.random()))
            + second * np.sin(2 * np.pi * 15 * time)
            + 0.3 * rng.normal(size=1000),
            100,
            name=str(i),
        )
        for i, (fast, second) in enumerate(labels)
    ]
    return records, labels, np.arange(80)


def destroyed(records):
    """Return a release that keeps nothing."""
    rng = np.random.default_rng(1)
    return [replace(r, signal=rng.normal(size=r.signal.shape)) for r in records]


def test_the_net_shows_that_a_release_keeps_no_label(data):
    records, labels, people = data
    figures = label_utility(
        records,
        destroyed(records),
        labels,
        people,
        train=people < 40,
        label_names=["fast", "second"],
        size=BRIEF,
    )
    # Five seeds gave 1.0 on originals. A net that learned from noise may sort real waves by
    # chance alone, so that only the releases, which hold nothing, are compared with .5; the
    # five seeds gave .53 +- .07.
    assert figures["trtr_fast"] > 0.85
    assert figures["trtr_second"] > 0.85
    for crossing in ("trts", "tsts"):
        assert 0.1 < figures[crossing] < 0.9
    assert figures["n_test"] == 40


@pytest.mark.parametrize(
    "classifier",
    [
        ExtraTreesClassifier(30),
        make_pipeline(StandardScaler(), RidgeClassifier()),
    ],
)
def test_any_classifier_and_one_class_a_record(data, classifier):
    records, labels, people = data
    classes = np.where(labels[:, 0] == 1, "fast", "slow")
    figures = label_utility(records, records, classes, people, classifier=classifier)
    assert figures["trtr_fast"] > 0.95
    for crossing in ("tstr", "trts", "tsts"):
        assert figures[crossing] == figures["trtr"]
    again = label_utility(records, records, classes, people, classifier=classifier)
    assert again == figures


def test_a_label_without_examples_is_left_out(data):
    records, labels, people = data
    with_empty = np.column_stack([labels[:, 0], np.zeros(80, dtype=int)])
    figures = label_utility(
        records, records, with_empty, people, classifier=ExtraTreesClassifier(10)
    )
    assert np.isnan(figures["trtr_1"])
    assert figures["trtr"] == figures["trtr_0"]


def test_refuses_what_does_not_fit(data):
    records, labels, people = data
    with pytest.raises(ValueError, match="in training and in test"):
        label_utility(records, records, labels, people // 2, train=people % 2 == 0)
    with pytest.raises(ValueError, match="79 groups"):
        label_utility(records, records, labels, people[1:])
    with pytest.raises(ValueError, match="an indicator"):
        label_utility(records, records, labels + 1, people)
    with pytest.raises(ValueError, match="give 'net'"):
        label_utility(records, records, labels, people, classifier="svm")
    with pytest.raises(ValueError, match="no label has"):
        label_utility(records, records, 0 * labels, people, classifier=ExtraTreesClassifier(10))
