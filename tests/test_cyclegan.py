"""CycleGAN: what it learns to translate, and how its training goes on after a kill."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from skorch.dataset import Dataset

from sklearn_ecganon import QRSSegmenter
from sklearn_ecganon.anonymizers import CycleGANAnonymizer
from sklearn_ecganon.networks._cycle import PatchDiscriminator, UNetTranslator
from sklearn_ecganon.plot import PreviewGrid
from sklearn_ecganon.training._cycle import (
    CrossEntropyLoss,
    ImageBuffer,
    LeastSquaresLoss,
    ResidentPairs,
)
from sklearn_ecganon.training._nets import seeded
from tests.perturbing import Kill

pytestmark = pytest.mark.trains

SIZE = (12, 10)
SMALL = {"n_filters": 4, "max_epochs": 2, "random_state": 0}
IMAGES = {**SMALL, "image_shape": SIZE}


def spots(n, *, seed):
    """Make images of a light spot on dark ground, at any place."""
    rng = np.random.default_rng(seed)
    y, x = (rng.uniform(2, side - 2, (n, 1, 1)) for side in SIZE)
    rows, columns = np.arange(SIZE[0])[:, np.newaxis], np.arange(SIZE[1])
    return 0.9 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 6)


@pytest.fixture(scope="module")
def domains():
    """Light spots, and fewer dark ones: other spots, none of them of both kinds."""
    X = np.concatenate([spots(40, seed=0), 1 - spots(24, seed=1)])
    return X, np.repeat(["dark", "light"], [40, 24])


@pytest.fixture(scope="module")
def gan(domains):
    """Trained until it translates; tests must not change it.

    The figures beside the tests are means of seven seeds, with the standard deviation in
    parentheses. With cycle=10 one seed in five learns to return every image as it is.
    """
    model = CycleGANAnonymizer(
        image_shape=SIZE,
        n_filters=8,
        max_epochs=12,
        lr=2e-3,
        discriminator_lr=2e-3,
        cycle=2.0,
        random_state=0,
    )
    return model.fit(domains[0], domain=domains[1])


# networks


@pytest.mark.parametrize("shape", [(1, 100), (100, 1), (10, 10), (64, 64), (3, 50), (1, 2)])
def test_nets_take_images_of_any_size(shape):
    net = UNetTranslator(2, *shape, n_latent=3, n_filters=4)
    images = torch.randn(5, 2, *shape)
    assert net(images, torch.randn(5, 3)).shape == images.shape
    assert PatchDiscriminator(2, *shape, n_filters=4)(images).shape[:2] == (5, 1)


def test_rows_of_a_translator_do_not_see_each_other():
    with seeded(0):
        net = UNetTranslator(1, 9, 9, n_latent=2, n_filters=4).double()
        x, z = torch.randn(6, 1, 9, 9).double(), torch.randn(6, 2).double()
    torch.testing.assert_close(net(x[2:3], z[2:3]), net(x, z)[2:3])


def test_the_draw_reaches_a_translation():
    with seeded(0):
        net = UNetTranslator(1, 16, 16, n_latent=2, n_filters=4)
        x = torch.randn(1, 1, 16, 16)
    assert (net(x, torch.zeros(1, 2)) - net(x, torch.ones(1, 2))).abs().max() > 1e-3


@pytest.mark.parametrize(("shape", "patch"), [((128, 128), 49), ((1, 200), 81)])
def test_a_judge_sees_patches(shape, patch):
    with seeded(0):
        judge = PatchDiscriminator(1, *shape, n_filters=2)
    # Normalization looks at a whole channel: without it, what is left are convolutions.
    for layer in judge.modules():
        if isinstance(layer, torch.nn.GroupNorm):
            layer.forward = lambda x: x
    images = torch.zeros(1, 1, *shape, requires_grad=True)
    scores = judge(images)
    middle = tuple(side // 2 for side in scores.shape[2:])
    scores[0, 0][middle].backward()
    seen = images.grad[0, 0] != 0
    assert int(seen.any(dim=0).sum()) <= patch
    assert int(seen.any(dim=0).sum()) > patch // 2


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
def test_losses_reward_what_they_should(loss):
    low, high = torch.zeros(5, 1, 2, 2), torch.ones(5, 1, 2, 2)
    assert loss.discriminator(high, low) < loss.discriminator(low, high)
    assert loss.generator(high) < loss.generator(low)


def test_cycle_error_falls(gan, domains):
    errors = gan.history_["cycle_error"]
    assert errors[-1] < 0.3 * errors[0]  # 0.15 (0.02)
    back = gan.round_trip(domains[0][:20])
    assert np.abs(back - domains[0][:20]).mean() < 0.12  # 0.050 (0.010)


def test_a_translation_turns_one_domain_into_the_other(gan):
    new = spots(20, seed=2)
    there = gan.translate(new)
    assert there.mean() > new.mean() + 0.4  # 0.72 (0.003)
    assert gan.translate(1 - new, "b-to-a").mean() < 0.4  # 0.14 (0.01)
    # What is light already stays as it is.
    assert np.abs(gan.translate(1 - new) - (1 - new)).mean() < 0.1  # 0.029 (0.002)


def test_a_translation_is_one_to_one(gan):
    new = spots(20, seed=2)
    back = gan.round_trip(new)
    apart = cdist(back.reshape(20, -1), new.reshape(20, -1))
    # Chance is 0.05.
    assert (apart.argmin(axis=1) == np.arange(20)).mean() > 0.15  # 0.56 (0.12)


def test_direction_decides_what_transform_does(gan):
    dark, light = spots(10, seed=3), 1 - spots(10, seed=4)
    other = pickle.loads(pickle.dumps(gan)).set_params(direction="b-to-a")
    assert gan.transform(dark).mean() > 0.6
    assert other.transform(light).mean() < 0.4
    np.testing.assert_allclose(
        other.round_trip(light), gan.translate(other.translate(light), "a-to-b")
    )


def test_strength_goes_from_the_input_to_the_translation(gan):
    X = spots(10, seed=3)
    half = pickle.loads(pickle.dumps(gan)).set_params(strength=0.5).transform(X)
    np.testing.assert_allclose(half, (X + gan.transform(X)) / 2, atol=1e-12)


def test_pixels_stay_within_the_range_seen(gan, domains):
    noise = np.random.default_rng(0).uniform(-5, 5, (10, *SIZE))
    found = gan.translate(noise)
    assert found.min() >= domains[0].min()
    assert found.max() <= domains[0].max()


def test_learning_rate_falls_in_the_second_half():
    model = CycleGANAnonymizer(**{**SMALL, "max_epochs": 7}, lr=0.01).fit(np.eye(8))
    expected = [0.01, 0.01, 0.01, 0.008, 0.006, 0.004, 0.002]
    np.testing.assert_allclose(model.history_["lr"], expected)


@pytest.mark.parametrize("buffer_size", [50, 0])
def test_a_killed_training_resumes_bit_for_bit(domains, tmp_path, buffer_size):
    X, domain = domains
    settings = {**IMAGES, "max_epochs": 5, "buffer_size": buffer_size}
    whole = CycleGANAnonymizer(**settings).fit(X, domain=domain)
    part = CycleGANAnonymizer(**settings, checkpoint=tmp_path / "cycle.pt")
    with pytest.raises(SystemExit, match="killed"):
        clone(part).set_callbacks(Kill(3)).fit(X, domain=domain)
    resumed = clone(part).fit(X, domain=domain)
    assert resumed.n_iter_ == 5
    for name, values in whole.history_.items():
        if name != "dur":
            np.testing.assert_array_equal(resumed.history_[name], values)
    for name, values in whole.net_.module_.state_dict().items():
        assert torch.equal(resumed.net_.module_.state_dict()[name], values)
    with pytest.raises(ValueError, match=r"training with other parameters; remove the file"):
        clone(part).set_params(lr=0.1).fit(X, domain=domain)
    with pytest.raises(ValueError, match=r"with other data"):
        clone(part).fit(X, domain=domain[::-1])


def test_a_checkpoint_holds_no_image(domains, tmp_path):
    X, domain = domains
    path = tmp_path / "cycle.pt"
    model = CycleGANAnonymizer(**IMAGES, checkpoint=path).fit(X, domain=domain)
    stored = path.read_bytes()
    for images in (X, model.scale_.forward(X), model.translate(X)):
        for row in images.reshape(len(images), -1)[::7]:
            for dtype in (np.float64, np.float32):
                assert row[50:53].astype(dtype).tobytes() not in stored
    # Nor is there room for any: nothing but modules, optimizers, and the log.
    state = torch.load(path, weights_only=True)
    assert set(state["watch"]) == {"log"}
    assert set(state["modules"]) == {
        "module_", "discriminator_", "optimizer_", "discriminator_optimizer_"
    }  # fmt: skip


def test_a_diverged_training_is_refused(domains):
    X, domain = domains
    model = CycleGANAnonymizer(**IMAGES, lr=1e30)
    with pytest.raises(ValueError, match="the training diverged"):
        model.fit(X, domain=domain)
    assert not any(name in vars(model) for name in ("_domain", "_shown"))


def test_previews_are_written_and_leave_nothing_behind(domains, beats, tmp_path):
    X, domain = domains
    preview = PreviewGrid(tmp_path / "new", n_columns=3, every=2)
    model = CycleGANAnonymizer(**IMAGES).set_callbacks(preview).fit(X, domain=domain)
    assert [path.name for path in preview.paths] == ["epoch-0002.png"]
    assert "_shown" not in vars(model)
    preview = PreviewGrid(tmp_path / "ecg", n_columns=2, every=1)
    CycleGANAnonymizer(**{**SMALL, "max_epochs": 1}).set_callbacks(preview).fit(beats[:2])
    assert preview.paths[0].read_bytes().startswith(b"\x89PNG")


def test_previews_show_each_domain_there_and_back(domains):
    X, domain = domains
    seen = []

    class Look:
        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch":
                seen.append(estimator._preview_rows(4))

    CycleGANAnonymizer(**IMAGES).set_callbacks(Look()).fit(X, domain=domain)
    assert list(seen[0]) == ["A", "A to B", "A, back", "B", "B to A", "B, back"]
    np.testing.assert_array_equal(seen[0]["A"], X[:40:10])
    np.testing.assert_array_equal(seen[1]["B"], X[40::6])
    np.testing.assert_array_equal(seen[0]["B"], seen[1]["B"])
    for name in ("A to B", "B to A"):
        assert seen[0][name].shape == seen[0]["A"].shape
        assert np.abs(seen[0][name] - seen[1][name]).max() > 1e-3


# domains


@pytest.mark.parametrize("y", [None, ["p", "p", "q", "q", "r", "r"]])
def test_without_domains_subjects_are_parted_and_stay_together(y):
    of_b = []

    class Watching(CycleGANAnonymizer):
        def _in_b(self, beats, y):
            of_b.extend(super()._in_b(beats, y))
            return np.array(of_b)

    model = Watching(**SMALL).fit(np.random.default_rng(0).normal(size=(6, 20)), y)
    assert model.domains_.tolist() == ["a", "b"]
    assert 0 < sum(of_b) < 6
    if y is not None:
        assert of_b[::2] == of_b[1::2]


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


def test_flat_and_square_images_are_the_same(domains):
    X, domain = domains
    square = CycleGANAnonymizer(**IMAGES).fit(X, domain=domain)
    flat = clone(square).fit(X.reshape(len(X), -1), domain=domain)
    assert flat.transform(X[:5].reshape(5, -1)).shape == (5, 120)
    np.testing.assert_allclose(
        flat.translate(X[:5].reshape(5, -1)).reshape(5, *SIZE), square.translate(X[:5])
    )


def test_leads_are_channels(beats):
    rows = np.concatenate([beats.beats, -2 * beats.beats, 0 * beats.beats], axis=1)[:60]
    model = CycleGANAnonymizer(**SMALL, adversarial="cross-entropy").fit(rows)
    new = model.transform(rows)
    assert new.shape == rows.shape
    assert np.isfinite(new).all()
    # Each lead on a scale of its own; one of zeros has any.
    assert np.ptp(new[:, 1]) > np.ptp(new[:, 0]) > 0


def test_artefacts_pass_through_and_leave_other_beats_alone(beats):
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
        ({}, np.eye(8), {"domain": ["a", "b"]}, r"domain has shape \(2,\); want one for each"),
        ({}, np.eye(8), {"y": ["p"] * 8}, "1 subject only .*; give domain"),
        ({}, np.eye(8)[:1], {}, "n_samples=1"),
        ({}, np.ones((8, 9)), {}, "domain 'a' is 1; there is nothing"),
        ({}, np.diag([1, 2, 0, 0]), {"domain": [0, 0, 1, 1]}, "domain 1 is 0"),
        ({}, np.arange(4.0).reshape(4, 1, 1), {}, "windows of 1 sample"),
        ({"image_shape": (3, 3)}, np.eye(8), {}, r"no images of image_shape=\(3, 3\)"),
        ({"image_shape": (0, 8)}, np.eye(8), {}, "two positive integers"),
    ],
)
def test_refuses_in_clear_words(parameters, X, fit, message):
    with pytest.raises(ValueError, match=message):
        CycleGANAnonymizer(**parameters).fit(X, **fit)


def test_a_domain_without_beats_is_refused(beats):
    empty = replace(beats, beats=beats.beats[:0], record=beats.record[:0],
                    r_peaks=beats.r_peaks[:0], labels=None)  # fmt: skip
    joined = type(beats).concatenate([beats[:3], empty[:2]])
    with pytest.raises(ValueError, match="domain 'b' is empty: its records have no beats"):
        CycleGANAnonymizer(**SMALL).fit(joined, domain=list("aaabb"))


def test_an_unknown_direction_is_refused(gan):
    lost = pickle.loads(pickle.dumps(gan)).set_params(direction="up")
    for method in (lost.transform, lost.translate, lost.round_trip):
        with pytest.raises(ValueError, match="direction is 'up'; give one of"):
            method(spots(2, seed=0))
    with pytest.raises(ValueError, match="direction is 'there'; give one of"):
        gan.translate(spots(2, seed=0), "there")
