"""Strips, the nets on them, and the attackers that read them."""

import numpy as np
import pytest
import torch

from sklearn_ecganon import ECGRecord, QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.attacks._attackers._strip import (
    StripAttacker,
    StripEmbedder,
    StripEmbeddingAttacker,
)
from sklearn_ecganon.networks._strip import (
    StripNet,
    all_windows,
    random_windows,
    standardize,
)
from sklearn_ecganon.releases import Release
from sklearn_ecganon.segmentation import cut_strips
from sklearn_ecganon.training import ArcFace, StripSize, apply_strip_net

pytestmark = pytest.mark.trains

TINY = StripSize(8, 2000, 1, 60)
UNTRAINED = StripSize(4, 10, 1, 1)


class TestCutting:
    def test_any_rate_and_length_gives_strips_of_one_shape(self, bunch):
        time = np.arange(0, 25, 1 / 360)
        wave = ECGRecord(np.sin(2 * np.pi * 3 * time), 360, name="A12")
        long, short = cut_strips([wave, wave.crop(0, 360 * 4)], hop=5.0).values[[0, -1]]
        assert long.shape == short.shape == (1, 1250)
        grid = np.arange(1250) / 125
        np.testing.assert_allclose(
            long[0, 200:-200], np.sin(2 * np.pi * 3 * grid)[200:-200], atol=0.05
        )
        strips = cut_strips([wave, wave], hop=5.0)
        # From the start to the end of 25 s: four strips with equal steps of 5 s.
        assert strips.record.tolist() == [0] * 4 + [1] * 4
        assert strips.start.tolist() == [0, 5, 10, 15] * 2

    def test_gaps_are_bridged_and_empty_strips_left_out(self):
        signal = np.random.default_rng(0).normal(size=(3000, 2))
        signal[900:2100] = np.nan
        signal[:, 1] = np.nan
        strips = cut_strips([ECGRecord(signal, 100)], band=None)
        assert np.isfinite(strips.values).all()
        assert (strips.values[:, 1] == 0).all()
        assert len(strips.values) == 2
        only_gap = cut_strips([ECGRecord(np.full(1500, np.nan), 100)])
        assert len(only_gap.values) == 1

    def test_a_beat_set_is_stitched(self, bunch):
        segmenter = QRSSegmenter()
        beats = segmenter.fit_transform(bunch.data[:2])
        stitched = segmenter.inverse_transform(beats)
        np.testing.assert_array_equal(cut_strips(beats).values, cut_strips(stitched).values)

    def test_refuses_other_leads_and_nothing(self, bunch):
        two = ECGRecord(np.zeros((5000, 2)), 500, ("I", "II"), name="B7")
        with pytest.raises(ValueError, match="'B7' has 2 lead"):
            cut_strips([bunch.data[0], two])
        assert cut_strips([bunch.data[0], two], leads=[0]).values.shape[1] == 1
        with pytest.raises(ValueError, match="no record"):
            cut_strips([])
        with pytest.raises(ValueError, match="above 0"):
            cut_strips([two], duration=0)


class TestNet:
    @pytest.mark.parametrize(("n_leads", "n_times"), [(1, 1250), (12, 1000), (2, 40)])
    def test_takes_any_shape(self, n_leads, n_times):
        net = StripNet(n_leads, 5, 4)
        strips = torch.randn(3, n_leads, n_times)
        assert net(strips).shape == (3, 5)
        assert net.embed(strips).shape == (3, 40)

    def test_gain_and_offset_are_ignored(self):
        strips = torch.randn(2, 3, 500)
        torch.testing.assert_close(
            standardize(1.3 * strips + 0.4), standardize(strips), rtol=1e-4, atol=1e-5
        )

    def test_a_spherical_embedding_has_length_one(self):
        net = StripNet(1, 6, 4, n_dims=16).eval()
        points = net.embed(torch.randn(3, 1, 500))
        torch.testing.assert_close(points.norm(dim=1), torch.ones(3))
        assert net(torch.randn(3, 1, 500)).abs().max() <= 1 + 1e-5

    def test_windows_come_from_the_strip_and_cover_it(self):
        torch.manual_seed(0)
        strips = torch.randn(4, 2, 1000).cumsum(dim=2)
        covered = all_windows(strips, 250)
        assert covered.shape == (4, 7, 2, 250)
        torch.testing.assert_close(covered[1, 6], strips[1, :, 750:])
        for row, window in enumerate(random_windows(strips, 250)):
            shifts = strips[row].unfold(1, 250, 1).permute(1, 0, 2)
            nearest = (shifts - window).square().mean(dim=(1, 2)).min().sqrt()
            # White noise of at most 10 %.
            assert nearest < 0.11 * strips[row].std()
        assert random_windows(strips, 5000).shape == strips.shape

    def test_arcface_without_a_margin_is_cross_entropy_and_grows_with_it(self):
        cosines = torch.rand(6, 4) * 1.8 - 0.9
        y = torch.tensor([0, 1, 2, 3, 0, 1])
        plain = torch.nn.functional.cross_entropy(20 * cosines, y)
        torch.testing.assert_close(ArcFace(margin=0.0)(cosines, y), plain)
        losses = [float(ArcFace(margin=m)(cosines, y)) for m in (0.0, 0.2, 0.4)]
        assert losses == sorted(losses)
        edge = torch.tensor([[1.0, -1.0]], requires_grad=True)
        ArcFace()(edge, torch.tensor([0])).backward()
        assert torch.isfinite(edge.grad).all()


@pytest.fixture(scope="module")
def sides(bunch, first):
    """Strips and subjects of the gallery, then of the probes."""
    strips = cut_strips(bunch.data, duration=5.0)
    codes = np.unique(bunch.subject, return_inverse=True)[1][strips.record]
    mine = first[strips.record]
    return strips.values[mine], codes[mine], strips.values[~mine], codes[~mine]


@pytest.mark.parametrize("attacker_class", [StripAttacker, StripEmbeddingAttacker])
def test_attackers_learn_enroll_and_are_deterministic(attacker_class, sides):
    X, y, probes, subjects = sides
    state = torch.get_rng_state()
    attacker = attacker_class(size=TINY, device="cpu", seed=0).fit(X, y)
    assert torch.equal(torch.get_rng_state(), state)
    scores = attacker.log_proba(probes)
    assert scores.shape == (len(probes), 6)
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, rtol=1e-4)
    # Chance is 1/6. Six seeds gave .74 +- .11 (strip) and .56 +- .07 (embedding).
    assert (scores.argmax(axis=1) == subjects).mean() > 0.3
    again = attacker_class(size=TINY, device="cpu", seed=0).fit(X, y)
    np.testing.assert_array_equal(again.log_proba(probes), scores)
    enrolled = attacker.enroll(X, (y + 1) % 6)
    assert (enrolled.log_proba(probes).argmax(axis=1) == (subjects + 1) % 6).mean() > 0.3
    np.testing.assert_array_equal(attacker.log_proba(probes), scores)


@pytest.mark.trains
def test_one_strip_of_each_person_is_enough():
    # 33 people make a last batch of one strip.
    strips = np.random.default_rng(0).normal(size=(33, 1, 500)).cumsum(axis=2)
    strips = strips.astype(np.float32)
    attacker = StripAttacker(size=UNTRAINED, device="cpu", seed=0).fit(strips, np.arange(33))
    scores = attacker.enroll(strips, np.arange(33)).log_proba(strips)
    assert (scores.argmax(axis=1) == np.arange(33)).all()


def test_the_embedding_is_not_trained_on_the_people_it_compares(sides, monkeypatch):
    X, y, _, _ = sides
    learned = []
    fit = StripEmbedder.fit

    def spy(self, strips, codes):
        learned.append({int(y[(strip == X).all(axis=(1, 2))][0]) for strip in strips})
        return fit(self, strips, codes)

    monkeypatch.setattr(StripEmbedder, "fit", spy)
    attacker = StripEmbeddingAttacker(size=UNTRAINED, device="cpu").fit(X, y)
    for fold, people in enumerate(learned):
        assert people == set(np.flatnonzero(attacker.fold_ != fold).tolist())


def test_an_embedder_enrolls_new_people(sides):
    X, y, _, _ = sides
    known = y < 3
    embedder = StripEmbedder(size=UNTRAINED, device="cpu").fit(X[known], y[known])
    templates = embedder.templates(X[~known], y[~known] - 3)
    assert templates.shape == (3, 128)
    np.testing.assert_allclose(np.linalg.norm(templates, axis=1), 1, rtol=1e-5)


def test_outputs_do_not_depend_on_the_batch(sides):
    X, y, probes, _ = sides
    net = StripAttacker(size=UNTRAINED, device="cpu").fit(X, y).net_
    whole = apply_strip_net(net, probes)
    # float32 sums in another order differ by a few units in the last place.
    np.testing.assert_allclose(
        np.concatenate([apply_strip_net(net, probes[i : i + 1]) for i in range(4)]),
        whole[:4],
        rtol=1e-4,
        atol=1e-4,
    )


def test_an_attacker_of_another_size_reads_strips_of_a_release(beats, bunch):
    release = Release.by("passthrough", beats, bunch.subject, sessions=bunch.session)
    attacker = StripAttacker(size=UNTRAINED, device="cpu")
    scorer = ReidentificationScorer(attacker, knowledge=["ignorant"], min_original=0)
    rows = scorer.identify(release).rows
    assert {(row.attacker, row.modality) for row in rows} == {("StripAttacker", "strip")}
