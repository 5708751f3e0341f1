"""CycleGAN on beats: networks, training, domains, artifacts and errors."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.pipeline import Pipeline
from skorch.dataset import Dataset

from sklearn_ecganon import QRSSegmenter
from sklearn_ecganon.anonymizers import CycleGANAnonymizer
from sklearn_ecganon.networks import PatchDiscriminator, UNetTranslator
from sklearn_ecganon.plot import PreviewGrid
from sklearn_ecganon.training import (
    CrossEntropyLoss,
    ImageBuffer,
    LeastSquaresLoss,
    ResidentPairs,
    seeded,
    split_domains,
)

pytestmark = pytest.mark.trains

SMALL = {"n_filters": 4, "max_epochs": 2, "random_state": 0}


# networks


@pytest.mark.parametrize("shape", [(1, 100), (100, 1), (10, 10), (64, 64), (3, 50), (1, 2)])
def test_nets_take_images_of_any_size(shape):
    net = UNetTranslator(2, *shape, n_latent=3, n_filters=4)
    images = torch.randn(5, 2, *shape)
    assert net(images, torch.randn(5, 3)).shape == images.shape
    assert PatchDiscriminator(2, *shape, n_filters=4)(images).shape[:2] == (5, 1)


def test_rows_of_a_translator_do_not_depend_on_each_other():
    with seeded(0):
        net = UNetTranslator(1, 9, 9, n_latent=2, n_filters=4).double()
        x, z = torch.randn(6, 1, 9, 9).double(), torch.randn(6, 2).double()
    torch.testing.assert_close(net(x[2:3], z[2:3]), net(x, z)[2:3])


def test_the_draw_changes_a_translation():
    with seeded(0):
        net = UNetTranslator(1, 16, 16, n_latent=2, n_filters=4)
        x = torch.randn(1, 1, 16, 16)
    assert (net(x, torch.zeros(1, 2)) - net(x, torch.ones(1, 2))).abs().max() > 1e-3


@pytest.mark.parametrize(("shape", "patch"), [((128, 128), 49), ((1, 200), 81)])
def test_a_discriminator_scores_patches(shape, patch):
    with seeded(0):
        discriminator = PatchDiscriminator(1, *shape, n_filters=2)
    # Normalization looks at a whole channel: without it, what is left are convolutions.
    for layer in discriminator.modules():
        if isinstance(layer, torch.nn.GroupNorm):
            layer.forward = lambda x: x
    images = torch.zeros(1, 1, *shape, requires_grad=True)
    scores = discriminator(images)
    middle = tuple(side // 2 for side in scores.shape[2:])
    scores[0, 0][middle].backward()
    receptive_field = images.grad[0, 0] != 0
    assert int(receptive_field.any(dim=0).sum()) <= patch
    assert int(receptive_field.any(dim=0).sum()) > patch // 2


# training


def test_pairs_go_through_the_larger_domain_once():
    images = torch.arange(12.0).reshape(-1, 1, 1, 1)
    X = {"images": images, "of_b": images[:, 0, 0, 0] >= 9}
    with seeded(0):
        batches = list(ResidentPairs(Dataset(X), 4, n_drawn=9))
    a, b = (torch.cat(part).flatten().tolist() for part in zip(*batches, strict=True))
    assert [len(batch) for batch, _ in batches] == [4, 4, 1]
    assert sorted(a) == list(range(9))
    assert sorted(b) == [9] * 3 + [10] * 3 + [11] * 3


def test_a_buffer_keeps_few_and_gives_half_of_them_back():
    buffer, n_earlier = ImageBuffer(10), 0
    with seeded(0):
        for step in range(200):
            new = torch.full((4, 1), float(step)) + torch.arange(4)[:, None] / 8
            shown = buffer.exchange(new)
            n_earlier += int((shown < step).sum())
            assert shown.shape == new.shape
            assert len(buffer.images) == min(4 * (step + 1), 10)
            assert len(torch.unique(shown)) == 4
            assert (shown < step + 1).all()
    assert 0.4 < n_earlier / 800 < 0.6
    new = torch.ones(3, 2)
    assert ImageBuffer(0).exchange(new) is new


@pytest.mark.parametrize("loss", [LeastSquaresLoss(), CrossEntropyLoss()])
def test_losses_reward_the_right_scores(loss):
    low, high = torch.zeros(5, 1, 2, 2), torch.ones(5, 1, 2, 2)
    assert loss.discriminator(high, low) < loss.discriminator(low, high)
    assert loss.generator(high) < loss.generator(low)


def test_learning_rate_falls_in_the_second_half():
    model = CycleGANAnonymizer(**{**SMALL, "max_epochs": 7}, lr=0.01).fit(np.eye(8))
    expected = [0.01, 0.01, 0.01, 0.008, 0.006, 0.004, 0.002]
    np.testing.assert_allclose(model.history_["lr"], expected)


def test_previews_are_written(beats, tmp_path):
    preview = PreviewGrid(tmp_path / "ecg", n_columns=2, every=1)
    CycleGANAnonymizer(**{**SMALL, "max_epochs": 1}).set_callbacks(preview).fit(beats[:2])
    assert preview.paths[0].read_bytes().startswith(b"\x89PNG")


# domains


@pytest.mark.parametrize("y", [None, ["p", "p", "q", "q", "r", "r"]])
def test_without_domains_subjects_are_split_and_stay_together(y):
    names, of_b = split_domains(None, y, 6)
    assert names.tolist() == ["a", "b"]
    assert 0 < of_b.sum() < 6
    if y is not None:
        np.testing.assert_array_equal(of_b[::2], of_b[1::2])


def test_domains_reach_the_step_of_a_pipeline(bunch):
    pipeline = Pipeline(
        [("segment", QRSSegmenter()), ("translate", CycleGANAnonymizer(**SMALL))]
    )
    domain = np.where(np.arange(len(bunch.data)) < 4, "first", "then")
    pipeline.fit(bunch.data, bunch.subject, translate__domain=domain)
    assert pipeline["translate"].domains_.tolist() == ["first", "then"]


def test_nothing_is_drawn_for_a_single_beat(beats):
    model = CycleGANAnonymizer(**SMALL).fit(beats[:4])
    same = np.repeat(beats.beats[::9][:3], 4, axis=0)
    record = np.repeat(np.arange(3), 4)
    twins = replace(
        beats[:3],
        beats=same,
        record=record,
        r_peaks=np.tile(np.arange(4) * 250 + 300, 3),
        labels=None,
        gaps=None,
    )
    new = model.transform(twins).beats.reshape(3, 4, -1)
    np.testing.assert_array_equal(new, np.repeat(new[:, :1], 4, axis=1))


def test_leads_are_channels(beats):
    rows = np.concatenate([beats.beats, -2 * beats.beats, 0 * beats.beats], axis=1)[:60]
    model = CycleGANAnonymizer(**SMALL, adversarial="cross-entropy").fit(rows)
    new = model.transform(rows)
    assert new.shape == rows.shape
    assert np.isfinite(new).all()
    # Each lead has its own scale, and a lead of zeros has an arbitrary one.
    assert np.ptp(new[:, 1]) > np.ptp(new[:, 0]) > 0


def test_artifacts_pass_through_and_do_not_affect_other_beats(beats):
    rows = beats.beats[:60, 0].copy()
    model = CycleGANAnonymizer(**SMALL).fit(rows)
    before = model.translate(rows)
    rows[7, 50] = 1000.0  # mV
    after = model.translate(rows)
    assert 900 < after[7, 50] < 1100
    assert np.abs(np.delete(after[7], 50)).max() < 10
    np.testing.assert_array_equal(np.delete(after, 7, axis=0), np.delete(before, 7, axis=0))


# refusals


@pytest.mark.parametrize(
    ("parameters", "X", "fit", "message"),
    [
        (
            {},
            np.eye(8),
            {"domain": ["a"] * 8},
            r"names 1 domain\(s\), \['a'\]; there must be two",
        ),
        ({}, np.eye(8), {"domain": list("aabbccdd")}, "names 4"),
        ({}, np.eye(8), {"domain": ["a", "b"]}, r"domain has shape \(2,\); give one for each"),
        ({}, np.eye(8), {"y": ["p"] * 8}, "1 subject only .*; give domain"),
        ({}, np.eye(8)[:1], {}, "n_samples=1"),
        ({}, np.ones((8, 9)), {}, "domain 'a' is 1; there is nothing"),
        ({}, np.diag([1, 2, 0, 0]), {"domain": [0, 0, 1, 1]}, "domain 1 is 0"),
        ({}, np.arange(4.0).reshape(4, 1, 1), {}, "1 value in each row"),
    ],
)
def test_errors_explain_what_is_wrong(parameters, X, fit, message):
    with pytest.raises(ValueError, match=message):
        CycleGANAnonymizer(**parameters).fit(X, **fit)


def test_a_domain_without_beats_is_refused(beats):
    empty = replace(beats, beats=beats.beats[:0], record=beats.record[:0],
                    r_peaks=beats.r_peaks[:0], labels=None)  # fmt: skip
    joined = type(beats).concatenate([beats[:3], empty[:2]])
    with pytest.raises(ValueError, match="domain 'b' is empty: its records have no beats"):
        CycleGANAnonymizer(**SMALL).fit(joined, domain=list("aaabb"))
