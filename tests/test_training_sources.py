"""A population is learned from several databases through the public class."""

import numpy as np
import pytest

from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer, TrainingSource


@pytest.fixture(scope="module")
def sources():
    """Two leads with classes, and one lead of other people."""
    labeled = make_ecg_records(
        5, n_sessions=1, duration=15.0, n_leads=2, arrhythmia="ectopic", random_state=0
    )
    bare = make_ecg_records(4, n_sessions=2, duration=10.0, random_state=1)
    return [
        TrainingSource(
            QRSSegmenter("annotated", window=1400).fit_transform(labeled.data),
            labeled.subject,
            weight=2.0,
        ),
        TrainingSource(QRSSegmenter().fit_transform(bare.data), bare.subject),
    ]


@pytest.fixture(scope="module")
def model(sources):
    return PseudoIdentityAnonymizer(n_people=30, random_state=0).fit_sources(sources)


def test_a_model_of_several_sources_takes_any_layout(model, sources, tmp_path):
    path = tmp_path / "weights.safetensors"
    model.save_weights(path)
    loaded = PseudoIdentityAnonymizer.from_pretrained(weights=path, random_state=1)
    assert loaded.leads_ == model.leads_
    for source in sources:
        for fitted in (model, loaded):
            released = fitted.transform(source.beats)
            assert released.n_leads == source.beats.n_leads
            assert len(released) == len(source.beats)
            assert np.isfinite(released.beats).all()


def test_a_number_fixes_the_population(model, sources):
    again = PseudoIdentityAnonymizer(n_people=30, random_state=0).fit_sources(sources)
    beats = sources[1].beats
    np.testing.assert_allclose(
        again.resalt(1).transform(beats).beats, model.resalt(1).transform(beats).beats
    )


def test_what_does_not_fit_is_refused(sources):
    beats = sources[0].beats
    with pytest.raises(ValueError, match="2 entries for 5 records"):
        TrainingSource(beats, ["a", "b"])
    with pytest.raises(ValueError, match="weight=0"):
        TrainingSource(beats, weight=0)
    with pytest.raises(ValueError, match="sources is empty"):
        PseudoIdentityAnonymizer().fit_sources([])
    with pytest.raises(ValueError, match="ecganon fit"):
        PseudoIdentityAnonymizer(weights="no such file").fit(beats)
