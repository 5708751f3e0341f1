"""What README and docs claim, on the whole of MIT-BIH."""

import numpy as np
import pytest

from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.datasets import load_protocol

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


@pytest.fixture(scope="module")
def mitdb(data_home):
    protocol = load_protocol("mitdb-time", data_home=data_home)
    # As an attacker detects, also in ventricular flutter.
    segmenter = QRSSegmenter(leads=[0], check_quality=False)
    beats = segmenter.fit_transform(protocol.records)
    return beats, protocol.subjects, protocol.sessions


@pytest.fixture(scope="module")
def model(mitdb):
    beats, _, sessions = mitdb
    early = sessions == np.sort(sessions)[0]
    return NonQRSVAEAnonymizer(region="all", max_epochs=10, random_state=0).fit(beats[early])


def best(result, knowledge, evidence):
    return result.best_of_panel()[knowledge, evidence].rank1


def test_ignorance_is_fooled_and_retraining_is_not(mitdb, model):
    beats, y, sessions = mitdb
    scorer = ReidentificationScorer(["lda", "small-conv"])
    result = scorer.evaluate(model, beats, y, sessions=sessions)
    assert result.n_subjects == result.n_probe_subjects == 47
    assert best(result, "original", 20) >= 0.98
    assert best(result, "original", 1) >= 0.94
    assert best(result, "ignorant", 1) <= 0.70
    assert best(result, "semi-informed", 50) >= 0.90


def test_published_protocol_is_labelled_and_reached_on_originals(mitdb, model):
    beats, y, _ = mitdb
    scorer = ReidentificationScorer("conv", split="random", knowledge=["ignorant"])
    result = scorer.evaluate(model, beats, y)
    assert best(result, "original", 1) >= 0.97
    assert best(result, "ignorant", 1) <= 0.60
    assert "beat-level random split" in str(result)
