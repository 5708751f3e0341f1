"""Limb leads are differences of two potentials, before and after anonymization."""

import pickle

import numpy as np
import pytest

from sklearn_ecganon import ECGRecord, QRSSegmenter, make_ecg_records
from sklearn_ecganon.leads import LIMB_LEADS, limb_relations
from tests.conformance.estimators import ANONYMIZERS, quick

NAMES = ("I", "II", "III", "aVR", "aVL", "aVF", "V2")


def limb_records(n_records=4, *, error=0.0):
    """Return records of six limb leads and V2; III differs from the law by `error` mV."""
    single = make_ecg_records(
        n_subjects=3 * n_records, n_sessions=1, duration=20.0, random_state=0
    ).data
    rng = np.random.default_rng(0)
    records = []
    for i in range(n_records):
        # Two projections of one beat, so that the leads share their R peaks.
        trace = single[3 * i].signal[:, 0]
        second = np.roll(trace, 3) * 0.4 + 0.5 * trace
        by_name = {
            name: a * second + b * trace
            for name, (a, b) in zip(NAMES, LIMB_LEADS.values(), strict=False)
        }
        by_name["III"] = by_name["III"] + error * rng.standard_normal(len(trace))
        by_name["V2"] = -0.7 * trace
        signal = np.column_stack([by_name[name] for name in NAMES])
        records.append(ECGRecord(signal, single[3 * i].sampling_rate, NAMES, name=str(i)))
    return records


@pytest.fixture(scope="module")
def beats():
    return QRSSegmenter().fit_transform(limb_records())


@pytest.mark.parametrize(
    ("names", "basis"),
    [(["i", "ii", "iii"], (0, 1)), (["V1", "aVF", "III", "II"], (3, 2)), (["II", "V1"], None)],
)
def test_any_two_limb_leads_give_the_others(names, basis):
    relations = limb_relations(names)
    if basis is None:
        assert relations is None
        return
    assert relations.basis == basis
    potentials = np.random.default_rng(0).normal(size=(2, 50))
    windows = np.array(
        [np.array(LIMB_LEADS.get(name.upper(), (0, 0))) @ potentials for name in names]
    )
    derived = list(relations.derived)
    np.testing.assert_allclose(relations.derive(windows), windows[derived], atol=1e-12)


@pytest.mark.trains
@pytest.mark.parametrize("cls", ANONYMIZERS, ids=lambda cls: cls.__name__)
def test_a_release_obeys_what_the_original_obeys(cls, beats):
    model = quick(cls, random_state=0).fit(beats)
    relations = limb_relations(NAMES)
    released = model.transform(beats)
    derived = list(relations.derived)
    np.testing.assert_allclose(
        released.beats[:, derived], relations.derive(released.beats), atol=1e-9
    )
    for record in QRSSegmenter().fit(limb_records()).inverse_transform(released):
        leads = dict(zip(record.lead_names, record.signal.T, strict=True))
        np.testing.assert_allclose(leads["III"], leads["II"] - leads["I"], atol=1e-9)
        np.testing.assert_allclose(leads["aVR"], -(leads["I"] + leads["II"]) / 2, atol=1e-9)
    pseudonym = pickle.loads(pickle.dumps(model.pseudonym(beats[0])))
    again = pseudonym.release(beats[0])
    np.testing.assert_allclose(
        again.beats[:, derived], relations.derive(again.beats), atol=1e-9
    )


def test_leads_that_do_not_obey_are_left_alone():
    from sklearn_ecganon.anonymizers import NoiseAnonymizer

    records = limb_records(error=0.2)
    beats = QRSSegmenter().fit_transform(records)
    released = NoiseAnonymizer(random_state=0).fit_transform(beats)
    relations = limb_relations(NAMES)
    broken = [True, False, False, False]  # III, and not the augmented leads
    np.testing.assert_array_equal(relations.errors(beats.beats) > 0.015, broken)
    np.testing.assert_array_equal(relations.errors(released.beats) > 1e-9, broken)
