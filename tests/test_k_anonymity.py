"""Released profiles: every one is shared by k people, whatever the table."""

import argparse
import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_ecganon.contracts import (
    UNMEASURED,
    k_anonymous_profiles,
    nearest_profiles,
    profile_anonymity,
)

NAMES = ("rate_zone", "wide_qrs", "pr", "ventricular_conduction")
LOWEST = {"rate_zone": -2, "wide_qrs": -2, "pr": -2, "ventricular_conduction": -2}
HIGHEST = {"rate_zone": 2, "wide_qrs": 1, "pr": 2, "ventricular_conduction": 5}


@st.composite
def tables(draw):
    """Draw categories, subjects and a k that they allow."""
    n_records = draw(st.integers(1, 30))
    subjects = draw(
        st.lists(st.integers(0, 12), min_size=n_records, max_size=n_records).map(np.array)
    )
    categories = {
        name: np.array(
            draw(
                st.lists(
                    st.integers(LOWEST[name], HIGHEST[name]),
                    min_size=n_records,
                    max_size=n_records,
                )
            )
        )
        for name in NAMES
    }
    k = draw(st.integers(1, len(np.unique(subjects))))
    return categories, subjects, k


def released(anonymous):
    """Return the profiles of the records that are released, and which these are."""
    shown = np.flatnonzero(~anonymous.suppressed)
    codes = anonymous.codes
    return [tuple(int(codes[name][i]) for name in codes) for i in shown], shown


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from([0.3, 0.5, 1.0]))
def test_every_profile_is_shared_by_k_people(table, most_changed):
    categories, subjects, k = table
    anonymous = k_anonymous_profiles(categories, subjects, k, most_changed=most_changed)
    profiles, shown = released(anonymous)
    if not profiles:
        return
    assert profile_anonymity(profiles, subjects[shown]).minimum >= k
    # All records of a person have one profile, so combining them gives away no more.
    for person in np.unique(subjects):
        assert len(np.unique(anonymous.classes[subjects == person])) == 1
    assert anonymous.to_dict()["reached"] >= k
    assert anonymous.class_sizes.sum() == len(np.unique(subjects[shown]))


@settings(max_examples=100, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_no_strategy_identifies_more_than_one_in_k(table, random):
    """The theorem: any function from a released profile to a person is right for 1/k."""
    categories, subjects, k = table
    anonymous = k_anonymous_profiles(categories, subjects, k, most_changed=1.0)
    profiles, shown = released(anonymous)
    if not profiles:
        return
    people = np.unique(subjects[shown])
    profile_of = dict(zip(subjects[shown].tolist(), profiles, strict=True))
    # The best strategy knows who has which profile, and names somebody who has it.
    best = {}
    for person in people.tolist():
        best.setdefault(profile_of[person], person)
    other = {profile: random.choice(people.tolist()) for profile in set(profiles)}
    for strategy in (best, other):
        right = np.mean([strategy[profile_of[person]] == person for person in people.tolist()])
        assert right <= 1 / k + 1e-12


@settings(max_examples=100, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_order_of_records_does_not_matter(table, random):
    categories, subjects, k = table
    order = list(range(len(subjects)))
    random.shuffle(order)
    first = k_anonymous_profiles(categories, subjects, k)
    shuffled = {name: values[order] for name, values in categories.items()}
    second = k_anonymous_profiles(shuffled, subjects[order], k)
    assert first.class_sizes.tolist() == second.class_sizes.tolist()
    for name in categories:
        np.testing.assert_array_equal(first.codes[name][order], second.codes[name])


@settings(max_examples=100, deadline=None)
@given(tables())
def test_a_profile_has_codes_of_the_table(table):
    categories, subjects, k = table
    anonymous = k_anonymous_profiles(categories, subjects, k, most_changed=1.0)
    assert 0 <= anonymous.kept <= 1
    for name, codes in anonymous.profiles.items():
        assert set(codes.tolist()) <= set(categories[name].tolist())


def test_profiles_that_k_people_share_do_not_change():
    categories = {"rate_zone": np.repeat([0, 1, 2], 4), "pr": np.repeat([-1, 1, 2], 4)}
    anonymous = k_anonymous_profiles(categories, np.arange(12), 4)
    assert anonymous.kept == 1.0
    assert anonymous.class_sizes.tolist() == [4, 4, 4]
    np.testing.assert_array_equal(anonymous.codes["pr"], categories["pr"])


def test_neighboring_categories_merge_first():
    """Two people below 60 beats join those of 60 to 100, not those above 100."""
    categories = {"rate_zone": [0, 0, 1, 1, 1, 2, 2, 2]}
    anonymous = k_anonymous_profiles(categories, np.arange(8), 3, most_changed=1.0)
    assert anonymous.codes["rate_zone"].tolist() == [1, 1, 1, 1, 1, 2, 2, 2]


def test_the_rare_category_of_an_otherwise_common_profile_changes():
    categories = {
        "rate_zone": [1] * 8,
        "wide_qrs": [0] * 7 + [1],
        "pr": [1, 1, 1, 1, 2, 2, 2, 2],
    }
    anonymous = k_anonymous_profiles(categories, np.arange(8), 4)
    assert anonymous.codes["wide_qrs"].tolist() == [0] * 8
    assert anonymous.codes["pr"].tolist() == categories["pr"]


def test_a_large_group_fills_up_a_small_one():
    """One of 20 normal people joins three with two rare categories, which then stay."""
    categories = {"pr": [1] * 20 + [-1] * 3, "qtc": [0] * 20 + [1] * 3}
    anonymous = k_anonymous_profiles(categories, np.arange(23), 4, most_changed=1.0)
    assert sorted(anonymous.class_sizes.tolist()) == [4, 19]
    assert anonymous.codes["pr"][20:].tolist() == [-1] * 3


def test_unmeasured_categories_cost_nothing():
    categories = {"rate_zone": [1, 1, UNMEASURED], "pr": [1, 1, 1]}
    anonymous = k_anonymous_profiles(categories, np.arange(3), 3)
    assert anonymous.kept == 1.0
    assert anonymous.codes["rate_zone"].tolist() == [1, 1, 1]


def test_people_who_would_change_too_much_are_suppressed():
    n_normal = 10
    names = ("rate_zone", "wide_qrs", "pr", "qtc")
    categories = {name: [0] * n_normal + [1] for name in names}
    anonymous = k_anonymous_profiles(categories, np.arange(n_normal + 1), 5)
    assert anonymous.suppressed.tolist() == [False] * n_normal + [True]
    assert anonymous.kept == 1.0
    served = k_anonymous_profiles(categories, np.arange(n_normal + 1), 5, most_changed=1.0)
    assert not served.suppressed.any()


def test_people_without_any_category_are_suppressed():
    categories = {"rate_zone": [1, 1, UNMEASURED], "pr": [1, 1, UNMEASURED]}
    assert k_anonymous_profiles(categories, np.arange(3), 2).suppressed.tolist() == [
        False,
        False,
        True,
    ]


def test_large_tables_are_grouped_in_blocks():
    rng = np.random.default_rng(0)
    n_people = 1600
    categories = {
        name: rng.choice(HIGHEST[name] + 1, n_people, p=weights / weights.sum())
        for name in NAMES
        if len(weights := 0.2 ** np.arange(HIGHEST[name] + 1))
    }
    anonymous = k_anonymous_profiles(categories, np.arange(n_people), 10)
    assert anonymous.class_sizes.min() >= 10
    assert anonymous.kept > 0.95


def test_other_records_get_the_nearest_profile():
    profiles = {"rate_zone": np.array([0, 2]), "wide_qrs": np.array([0, 1])}
    categories = {"rate_zone": [0, 1, 1, 2], "wide_qrs": [0, 0, 1, UNMEASURED], "st": [1] * 4}
    assert nearest_profiles(categories, profiles).tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="at least one must be the same"):
        nearest_profiles({"st": [1]}, profiles)


@pytest.mark.parametrize("k", [0, 4, 2.5, True])
def test_impossible_k_is_refused(k):
    with pytest.raises(ValueError, match="with 3 people; give a whole number from 1"):
        k_anonymous_profiles({"pr": [1, 1, 1]}, ["a", "b", "c"], k)


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one subject, for each of at least one record"):
        k_anonymous_profiles({"pr": [1, 1, 1]}, ["a", "b"], 2)
    with pytest.raises(ValueError, match="one subject, for each of at least one record"):
        k_anonymous_profiles({}, ["a", "b"], 2)
    with pytest.raises(ValueError, match="give a fraction from 0 to 1"):
        k_anonymous_profiles({"pr": [1, 1]}, ["a", "b"], 2, most_changed=1.5)


# The leads of one record of PTB-XL disagree.
@pytest.mark.filterwarnings("ignore::sklearn_ecganon.segmentation.SignalQualityWarning")
@pytest.mark.slow
@pytest.mark.parametrize("database", ["ecgid-same-day", "ludb", "ptbxl-300"])
def test_real_databases_keep_most_categories(database, data_home):
    """Every profile is shared by five people, and few categories change."""
    read = importlib.import_module("benchmarks.k_anonymity").read
    categories, subjects = read(database, argparse.Namespace(quick=False, data_home=data_home))
    anonymous = k_anonymous_profiles(categories, subjects, 5)
    alone = k_anonymous_profiles(categories, subjects, 1)
    assert anonymous.class_sizes.min() >= 5
    assert anonymous.suppressed.mean() <= 0.05
    assert anonymous.kept >= 0.85 * alone.kept
