"""Pseudo-identities learn from several databases through the public class."""

import numpy as np
import pytest

from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer, TrainingSource


@pytest.fixture(scope="module")
def sources():
    """Two leads with classes, and one lead of other people that teaches amplitudes only."""
    labeled = make_ecg_records(
        5, n_sessions=1, duration=15.0, n_leads=2, arrhythmia="ectopic", random_state=0
    )
    bare = make_ecg_records(4, n_sessions=2, duration=10.0, random_state=1)
    return [
        TrainingSource(
            QRSSegmenter("annotated").fit_transform(labeled.data), labeled.subject, weight=2.0
        ),
        TrainingSource(
            QRSSegmenter().fit_transform(bare.data), bare.subject, teaches=["amplitude"]
        ),
    ]


@pytest.fixture(scope="module")
def model(sources):
    return PseudoIdentityAnonymizer(max_epochs=1, random_state=0).fit_sources(
        sources, leads=["II", "V5", "V1"], amplitudes={"V1": 1.5}
    )


def test_a_model_of_several_sources_takes_any_layout(model, sources, tmp_path):
    assert model.channels_ == ("II", "V5", "V1")
    assert model.population_["size"][0, 2] == np.log(1.5)
    path = tmp_path / "weights.safetensors"
    model.save_weights(path)
    loaded = PseudoIdentityAnonymizer.from_pretrained(weights=path, random_state=1)
    for source in sources:
        for fitted in (model, loaded):
            released = fitted.transform(source.beats)
            assert released.n_leads == source.beats.n_leads
            assert len(released) == len(source.beats)
            assert np.isfinite(released.beats).all()


def test_a_number_fixes_the_training(model, sources):
    settings = {"leads": ["II", "V5", "V1"], "amplitudes": {"V1": 1.5}}
    again = PseudoIdentityAnonymizer(max_epochs=1, random_state=0).fit_sources(
        sources, **settings
    )
    np.testing.assert_allclose(again.history_["train_loss"], model.history_["train_loss"])


def test_draws_are_compared_with_training_records(model, sources):
    figures = model.draw_distances(sources, n_draws=50)
    assert 0 <= figures["nearest"] <= figures["median_nearest"]
    assert 0 <= figures["fraction_near_a_record"] <= 1
    assert 0 <= figures["fraction_near_a_draw"] <= 1


def test_what_does_not_fit_is_refused(sources):
    beats = sources[0].beats
    with pytest.raises(ValueError, match="teaches=\\['noise'\\]"):
        TrainingSource(beats, teaches=["noise"])
    with pytest.raises(ValueError, match="2 entries for 5 records"):
        TrainingSource(beats, ["a", "b"])
    with pytest.raises(ValueError, match="weight=0"):
        TrainingSource(beats, weight=0)
    untrained = PseudoIdentityAnonymizer(max_epochs=1)
    with pytest.raises(ValueError, match="sources is empty"):
        untrained.fit_sources([])
    with pytest.raises(ValueError, match="amplitudes names \\['aVR'\\]"):
        untrained.fit_sources(sources, amplitudes={"aVR": 1.0})
