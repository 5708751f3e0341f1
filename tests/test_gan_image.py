"""GANImageAnonymizer: its training, its release, its blends and its refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.base import clone
from skorch.dataset import Dataset

from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import GANImageAnonymizer
from sklearn_ecganon.anonymizers._gan_image import _anonymizer, _blending, _learning
from sklearn_ecganon.anonymizers._gan_image._blending import blend, blending_weights
from sklearn_ecganon.core import Draws
from sklearn_ecganon.imaging import BeatImager
from sklearn_ecganon.networks import Discriminator, Grid, InvertibleGenerator
from sklearn_ecganon.plot._preview_grid import PreviewGrid
from sklearn_ecganon.training import (
    ARCHITECTURES,
    GANInference,
    GANNet,
    GANWatch,
    ResidentGroups,
    diversity_of,
    fit_gan,
    hold_out,
    mean_discrepancy,
    seeded,
)
from tests.perturbing import Kill

pytestmark = pytest.mark.trains

SMALL = {"n_filters": 4, "batch_size": 16, "max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def ectopic():
    """Beats of two classes, 64 samples each."""
    bunch = make_ecg_records(
        n_subjects=4, n_sessions=2, duration=30.0, arrhythmia="ectopic", random_state=0
    )
    return QRSSegmenter("annotated", sampling_rate=80.0).fit_transform(bunch.data)


@pytest.fixture(scope="module")
def gan(ectopic):
    """Briefly trained; tests must not change it."""
    return GANImageAnonymizer(
        n_filters=8,
        batch_size=32,
        max_epochs=20,
        discriminator_lr=5e-4,
        n_blended=1,
        random_state=0,
    ).fit(ectopic)


# networks


@pytest.mark.parametrize("shape", [(1, 100), (100, 1), (10, 10), (64, 64), (3, 50), (2, 2)])
def test_nets_take_images_of_any_size(shape):
    sizes = {"n_channels": 2, "height": shape[0], "width": shape[1]}
    sizes |= {"n_conditions": 3, "n_filters": 4}
    generator = InvertibleGenerator(n_record=2, n_beat=3, **sizes)
    z, condition = torch.randn(5, 5), torch.eye(3)[[0, 1, 2, 0, 1]]
    images = generator(z, condition)
    assert images.shape == (5, 2, *shape)
    latent, logits = generator.invert(images)
    assert (latent.shape, logits.shape) == (z.shape, condition.shape)
    for classifies in (True, False):
        discriminator = Discriminator(2, classifies=classifies, normalized=True, **sizes)
        pairs = images[:4].unflatten(0, (2, 2)), condition[:4].unflatten(0, (2, 2))
        scores, logits = discriminator(*pairs)
        assert scores.shape == (2,)
        assert (logits is not None) == classifies


def test_generators_of_lines_and_of_squares_have_one_size():
    assert Grid.of(1, 256).kernel == (1, 9)
    assert Grid.of(16, 16).kernel == (3, 3)
    shapes = [
        [
            w.numel()
            for w in InvertibleGenerator(
                1, *size, n_record=2, n_beat=2, n_conditions=1, n_filters=8
            ).up.parameters()
        ]
        for size in ((1, 256), (16, 16))
    ]
    assert shapes[0] == shapes[1]


def test_rows_of_a_generator_are_independent():
    with seeded(0):
        generator = InvertibleGenerator(
            1, 9, 9, n_record=2, n_beat=2, n_conditions=1, n_filters=4
        ).double()
        z, condition = torch.randn(6, 4).double(), torch.ones(6, 1).double()
    whole = generator(z, condition)
    torch.testing.assert_close(generator(z[2:3], condition[2:3]), whole[2:3])


# training


@pytest.fixture
def rows():
    """Six images of three records."""
    record = torch.tensor([0, 0, 0, 1, 2, 2])
    images = record.reshape(-1, 1, 1, 1)
    weight = torch.tensor([1.0, 1, 1, 1, 1, 0])
    return {"images": images, "condition": torch.eye(6), "record": record, "weight": weight}


def test_groups_are_of_one_record(rows):
    with seeded(0):
        batches = list(ResidentGroups(Dataset(rows), 160, n_views=2, n_drawn=400))
    assert [len(x) for x, _ in batches] == [160, 160, 80]
    pairs = torch.cat([x for x, _ in batches])[:, :, 0, 0, 0]
    assert torch.equal(pairs[:, 0], pairs[:, 1])
    assert set(pairs[:, 0].tolist()) == {0, 1, 2}
    chosen = torch.cat([c for _, c in batches])
    assert chosen[:, 0, 5].sum() == 0  # weight 0: only the second of a pair
    assert chosen[:, 1, 5].sum() > 0


def test_discrepancy_is_zero_for_one_distribution_and_not_for_two():
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(rng.normal(size=(300, 5))) for _ in range(2))
    assert abs(mean_discrepancy(a, b)) < 0.01
    assert mean_discrepancy(a, b + 1) > 0.1
    x, y = a[:7], b[:9] + 1
    scale = np.median(cdist(x, x)[cdist(x, x) > 0])
    k = [sum(np.exp(-(cdist(*p) ** 2) / (2 * (f * scale) ** 2)) for f in (0.5, 1, 2))
         for p in ((x, x), (y, y), (x, y))]  # fmt: skip
    within = [(one.sum() - np.trace(one)) / (len(one) * (len(one) - 1)) for one in k[:2]]
    assert mean_discrepancy(x, y) == pytest.approx(sum(within) - 2 * k[2].mean())


def test_diversity_is_within_classes():
    images = torch.tensor([0.0, 0, 9, 9]).reshape(-1, 1, 1, 1)
    condition = torch.eye(2)[[0, 0, 1, 1]]
    assert diversity_of(images, condition) == 0
    assert diversity_of(images, torch.ones(4, 1)) > 0


def test_running_average_begins_short_and_becomes_long():
    net = GANNet(InvertibleGenerator, ema=0.9, criterion=torch.nn.Identity)
    for n_steps, decay in ((0, 0.1), (8, 0.5), (10**6, 0.9)):
        net.n_steps_, average = n_steps, torch.ones(1)
        net._average([average], [torch.zeros(1)], None)
        assert average == pytest.approx(decay)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_history_is_complete(ectopic, architecture):
    model = GANImageAnonymizer(architecture=architecture, **SMALL).fit(ectopic)
    for name, values in model.history_.items():
        assert len(values) == model.n_iter_ == 2
        if name != "class_accuracy" or architecture == "classifier":
            assert np.isfinite(values).all(), name
    assert np.isnan(model.history_["class_accuracy"]).all() == (architecture != "classifier")
    assert np.isfinite(model.transform(ectopic).beats).all()


def test_lost_diversity_and_a_vanishing_gradient_are_noticed():
    row = {"diversity": 1.0, "discriminator_accuracy": 1.0, "generator_gradient": 1.0}
    image = torch.zeros(1, 1, 2, 2)
    watch = GANWatch(image, image, diversity=1, patience=None, checkpoint=None, stamp={})
    watch.log = [row] * 5
    assert watch.warning() is None
    watch.log = [row] * 5 + [row | {"generator_gradient": 1e-3}]
    assert "vanishing gradient" in watch.warning()
    watch.log = [row] * 5 + [row | {"diversity": 0.05}]
    assert "mode collapse" in watch.warning()


@pytest.mark.parametrize("architecture", ["dcgan", "wgan-gp"])
def test_a_killed_training_resumes_bit_for_bit(ectopic, tmp_path, architecture):
    settings = {**SMALL, "max_epochs": 5, "architecture": architecture}
    whole = GANImageAnonymizer(**settings).fit(ectopic)
    resumable = GANImageAnonymizer(**settings, checkpoint=tmp_path / "gan.pt")
    with pytest.raises(SystemExit, match="killed"):
        clone(resumable).set_callbacks(Kill(3)).fit(ectopic)
    resumed = clone(resumable).fit(ectopic)
    assert resumed.n_iter_ == 5
    for name, values in whole.history_.items():
        if name != "dur":
            np.testing.assert_array_equal(resumed.history_[name], values)
    for name, values in whole.net_.module_.state_dict().items():
        assert torch.equal(resumed.net_.module_.state_dict()[name], values)
    with pytest.raises(ValueError, match=r"training with other parameters; remove the file"):
        clone(resumable).set_params(lr=0.1).fit(ectopic)
    with pytest.raises(ValueError, match=r"with other data"):
        clone(resumable).fit(ectopic.with_beats(ectopic.beats + 1))


def test_a_checkpoint_holds_no_sample(ectopic, tmp_path):
    path = tmp_path / "gan.pt"
    GANImageAnonymizer(**SMALL, checkpoint=path).fit(ectopic)
    stored = path.read_bytes()
    imager = BeatImager(standardization="z-score").fit(ectopic)
    for array in (ectopic.beats, imager.transform(ectopic).images):
        for row in array.reshape(len(array), -1)[::11]:
            for dtype in (np.float64, np.float32):
                assert row[10:14].astype(dtype).tobytes() not in stored


def test_previews_are_written(ectopic, tmp_path):
    preview = PreviewGrid(tmp_path / "new", every=2, n_columns=3)
    GANImageAnonymizer(**{**SMALL, "max_epochs": 5}).set_callbacks(preview).fit(ectopic)
    assert [path.name for path in preview.paths] == ["epoch-0002.png", "epoch-0004.png"]
    for path in preview.paths:
        assert path.read_bytes().startswith(b"\x89PNG")


# blends


def test_blends_preserve_mean_and_covariance(monkeypatch):
    monkeypatch.setattr(_blending, "AMPLITUDE_SPREAD", 0)
    monkeypatch.setattr(_blending, "TIME_SPREAD", 0)
    rng = np.random.default_rng(0)
    weights = blending_weights(50, 5, rng)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose((weights**2).sum(axis=1), 1)
    record = np.repeat(np.arange(200), 16)
    values = rng.normal(2, [1, 3], (200, 2))[record] + rng.normal(size=(3200, 2))
    blended, _ = blend(values[:, None], record, np.zeros(3200, int), 4, rng)
    np.testing.assert_allclose(blended[:, 0].mean(axis=0), values.mean(axis=0), atol=0.8)
    np.testing.assert_allclose(blended[:, 0].std(axis=0), values.std(axis=0), rtol=0.15)


def test_blends_are_of_one_class_and_a_run_has_one_set_of_weights(monkeypatch):
    monkeypatch.setattr(_blending, "AMPLITUDE_SPREAD", 0)
    monkeypatch.setattr(_blending, "TIME_SPREAD", 0)
    rng = np.random.default_rng(0)
    record = np.repeat([0, 1, 2], [40, 3, 20])
    codes = rng.integers(2, size=63)
    codes[[7, 8]] = 2  # in the first record only
    values = np.repeat(codes[:, None, None], 10, axis=2).astype(float)
    blended, run = blend(values, record, codes, 3, rng)
    np.testing.assert_allclose(blended, values, atol=1e-12)
    np.testing.assert_array_equal(np.bincount(run), [16, 16, 8, 3, 16, 4])
    # Equal beats of a record stay equal: all beats of a run have the same weights.
    blended, _ = blend(record[:, None, None] * np.ones(10), record, 0 * codes, 3, rng)
    spread = [np.ptp(blended[run == r], axis=0).max() for r in range(6)]
    assert max(spread) < 1e-12
    assert np.ptp(blended) > 0.1


def test_blends_vary_in_amplitude_and_duration_and_the_r_peak_stays_in_place():
    n_times = 101
    beat = np.exp(-((np.arange(n_times) - n_times // 2) ** 2) / 50)
    record = np.repeat(np.arange(20), 16)
    values = np.tile(beat, (320, 1, 1))
    blended, run = blend(values, record, 0 * record, 3, np.random.default_rng(0))
    assert (blended.argmax(axis=2) == n_times // 2).all()
    size = blended.max(axis=2)[:, 0]
    assert np.log(size).std() == pytest.approx(0.2, rel=0.4)
    width = (blended > blended.max(axis=2, keepdims=True) / 2).sum(axis=2)[:, 0]
    assert len(np.unique(width)) > 3
    assert (size == size[np.unique(run, return_index=True)[1]][run]).all()


def test_nets_never_train_on_a_recorded_beat(ectopic, monkeypatch):
    training_data = []

    def spy(estimator, build, X, held_out, **options):
        training_data.append(X)
        return fit_gan(estimator, build, X, held_out, **options)

    monkeypatch.setattr(_anonymizer, "fit_gan", spy)
    for n_blended in (1, 5):
        GANImageAnonymizer(n_blended=n_blended, **SMALL).fit(ectopic)
    recorded, blended = (X["images"].flatten(1).numpy() for X in training_data)
    assert len(recorded) == len(blended)
    assert np.bincount(training_data[1]["record"]).max() == 16
    scale = np.linalg.norm(recorded, axis=1).mean()
    assert cdist(blended, recorded).min() > 0.01 * scale


# release


def test_beats_of_a_record_vary_less_than_beats_of_several_records(gan, ectopic):
    new = gan.transform(ectopic)
    owner = new.labels == "N"
    within, between = [], []
    rows = [new.beats[(new.record == r) & owner][:, 0] for r in range(len(new))]
    for i, one in enumerate(rows):
        assert np.abs(one[0] - one[1]).max() > 1e-3  # beats vary
        within.append(cdist(one, one)[np.triu_indices(len(one), 1)].mean())
        between += [cdist(one, other).mean() for other in rows[:i]]
    assert np.mean(within) < 0.9 * np.mean(between)


def test_at_full_strength_nothing_but_classes_reaches_the_release(gan, ectopic):
    # The original keys the draw, but the generator gets no sample of it.
    latents = gan._latents(Draws(gan.salt_.tobytes(), ectopic), ectopic.record)
    codes = np.eye(3)[np.searchsorted(gan.classes_, ectopic.labels)]
    expected = gan.pictures_.read(gan._model().generate(latents, codes))
    np.testing.assert_allclose(gan.transform(ectopic).beats, expected, atol=1e-12)


def test_parts_of_the_latent_are_independent(gan, ectopic):
    latents = gan._latents(Draws(gan.salt_.tobytes(), ectopic), ectopic.record)
    of_record, of_beat = latents[:, :16], latents[:, 16:]
    bounds = ectopic.bounds()
    for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
        assert (of_record[start:stop] == of_record[start]).all()
        assert len(np.unique(of_beat[start:stop, 0])) == stop - start
    assert not (of_record == of_beat).any()
    assert abs(of_beat.mean()) < 0.1
    assert of_beat.std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("strength", [0.9, 1.0])
def test_segments_of_a_record_share_the_latent_of_the_record_only(gan, ectopic, strength):
    model = clone(gan)
    model.__setstate__({**gan.__getstate__(), "strength": strength})
    first, second = ectopic[:1], ectopic[1:2]
    pseudonym = model.pseudonym(first)
    released = pseudonym.release(first)
    np.testing.assert_array_equal(released.beats, model.transform(first).beats)
    latents = [
        model._latents(Draws(pseudonym.salt, segment, (pseudonym.first,)), segment.record)
        for segment in (first, second)
    ]
    assert (latents[0][0, :16] == latents[1][:, :16]).all()
    assert not np.isin(latents[0][:, 16:], latents[1][:, 16:]).any()
    # Below full strength all segments get the inversion of the first one.
    released = pseudonym.release(second).beats
    settled = model.pseudonym(second).settled
    if strength < 1:
        assert not np.array_equal(
            replace(pseudonym, settled=settled).release(second).beats, released
        )
    else:
        assert settled is None


def test_no_class_is_held_out_as_a_whole():
    record = np.repeat(np.arange(10), 3)
    for rare in range(10):
        codes = (record == rare).astype(int)
        out = hold_out(record, codes, 0.5)
        assert out.sum() == 15
        assert not out[record == rare].any()
    with pytest.raises(ValueError, match="none can be held out"):
        hold_out(np.arange(3), np.arange(3), 0.1)


def test_people_are_held_out_and_not_records(ectopic, monkeypatch):
    """A second record of somebody in the training would be no hold-out."""
    held_out = []

    def spy(owner, codes, fraction):
        held_out.append(owner[hold_out(owner, codes, fraction)])
        return hold_out(owner, codes, fraction)

    monkeypatch.setattr(_learning, "hold_out", spy)
    subjects = np.repeat(["a", "b", "c", "d"], 2)
    GANImageAnonymizer(**SMALL).fit(ectopic, subjects)
    GANImageAnonymizer(**SMALL).fit(ectopic)
    GANImageAnonymizer(**SMALL).fit(ectopic, ["a"] * 8)
    by_person, *by_record = held_out
    # One person of four, with both records; else one record of eight.
    assert len(by_person) == (ectopic.record // 2 == by_person[0]).sum()
    for owner in by_record:
        assert len(owner) == (ectopic.record == owner[0]).sum()


def test_change_grows_with_strength_from_nothing(gan, ectopic):
    changes = []
    for strength in (0.0, 1e-8, 0.3, 1.0):
        model = clone(gan).set_params(strength=strength)
        model.__setstate__({**gan.__getstate__(), "strength": strength})
        new = model.transform(ectopic).beats
        changes.append(np.sqrt(np.mean((new - ectopic.beats) ** 2)))
    assert changes[0] == 0
    assert 0 < changes[1] < 5e-3
    # Six seeds gave 0.13 (standard deviation 0.02) at 0.3 and 0.19 (0.02) at 1; within a seed
    # the second was larger by 0.06 (0.02).
    assert changes[1] < changes[2] < changes[3]


def test_from_a_quarter_on_only_the_latent_depends_on_the_original(gan, ectopic, monkeypatch):
    def nothing(model, images):
        return np.zeros((len(images), 32)), np.zeros((len(images), 3))

    monkeypatch.setattr(GANInference, "invert", nothing)
    latents = gan._latents(Draws(gan.salt_.tobytes(), ectopic), ectopic.record)
    codes = np.eye(3)[np.searchsorted(gan.classes_, ectopic.labels)]
    model = clone(gan)
    for strength, alike in ((0.25, True), (0.24, False)):
        model.__setstate__({**gan.__getstate__(), "strength": strength})
        expected = gan.pictures_.read(gan._model().generate(strength**0.5 * latents, codes))
        assert np.allclose(model.transform(ectopic).beats, expected, atol=1e-9) == alike


def test_classes_are_used_and_are_predicted_where_they_are_missing(gan, ectopic):
    unknown = replace(ectopic, labels=None)
    assert np.isfinite(gan.transform(unknown).beats).all()
    other = np.where(ectopic.labels == "N", "V", "N")
    swapped = gan.transform(replace(ectopic, labels=other)).beats
    assert np.abs(swapped - gan.transform(ectopic).beats).max() > 1e-3
    # Six seeds gave 0.98 with a standard deviation of 0.015.
    _, logits = gan._model().invert(gan.pictures_.paint(ectopic.beats))
    assert (gan.classes_[logits.argmax(axis=1)] == ectopic.labels).mean() > 0.8


def test_samples(gan, ectopic):
    one = gan.sample(6, random_state=0)
    assert one.shape == (6, 1, ectopic.n_times)
    np.testing.assert_array_equal(one, gan.sample(6, random_state=0))
    assert np.abs(one - gan.sample(6)).max() > 1e-3
    # The same draws under another label are other beats.
    normal, ventricular = (gan.sample(5, [label] * 5, random_state=0) for label in "NV")
    assert (np.abs(normal - ventricular).max(axis=(1, 2)) > 1e-3).all()
    rows = clone(gan).set_params(max_epochs=1).fit(ectopic.beats[:, 0], labels=ectopic.labels)
    assert rows.sample(3, ["V"] * 3).shape == (3, ectopic.n_times)


@pytest.mark.parametrize(
    "imager",
    [
        BeatImager("stack", windows_per_image=4),
        BeatImager("stack"),
        BeatImager("rgb", windows_per_image=3, standardization="z-score"),
        BeatImager("serpentine", standardization="adapted"),
        BeatImager("time-frequency"),
    ],
    ids=lambda imager: f"{imager.arrangement} {imager.windows_per_image}",
)
def test_every_arrangement_gives_beats_again(ectopic, imager):
    model = GANImageAnonymizer(imager=imager, **SMALL).fit(ectopic)
    new = model.transform(ectopic)
    assert new.beats.shape == ectopic.beats.shape
    assert model.sample(2).shape == (2, 1, ectopic.n_times)
    gentle = clone(model).set_params(strength=1e-9).fit(ectopic).transform(ectopic)
    assert np.abs(gentle.beats - ectopic.beats).max() < 0.01


# refusals


@pytest.mark.parametrize(
    ("parameters", "X", "labels", "message"),
    [
        ({}, np.ones((9, 8)), None, "nothing to learn from constant beats"),
        ({}, np.eye(8)[:1], None, "give 2 or more"),
        ({"architecture": "classifier"}, np.eye(8), None, "labels of two or more"),
        ({"architecture": "classifier"}, np.eye(8), ["N"] * 8, "labels of two or more"),
        ({"imager": BeatImager(windows_per_image=2)}, np.eye(8), None, "give a BeatSet"),
        (
            {"imager": BeatImager(dtype="uint8")},
            np.eye(8),
            None,
            r"give BeatImager\(dtype='float'\)",
        ),
    ],
)
def test_refusals(parameters, X, labels, message):
    with pytest.raises(ValueError, match=message):
        GANImageAnonymizer(**parameters).fit(X, labels=labels)


def test_fewer_samples_than_a_batch_are_one_batch():
    X = np.random.default_rng(0).normal(size=(5, 30))
    model = GANImageAnonymizer(batch_size=64, max_epochs=2, random_state=0).fit(X)
    assert np.isfinite(model.transform(X)).all()


def test_labels_never_seen_are_refused(gan, ectopic):
    strange = replace(ectopic, labels=np.full(len(ectopic.beats), "Q"))
    with pytest.raises(
        ValueError, match=r"label 'Q' was not seen in fit, which saw \['N', 'S', 'V'\]"
    ):
        gan.transform(strange)
    with pytest.raises(ValueError, match="label 'Q' was not seen"):
        gan.sample(1, ["Q"])
    with pytest.raises(ValueError, match=r"labels has shape \(1,\); give \(2,\)"):
        gan.sample(2, ["N"])
    unlabeled = GANImageAnonymizer(**SMALL).fit(ectopic.beats[:, 0])
    with pytest.raises(ValueError, match="fit saw no labels"):
        unlabeled.sample(1, ["N"])
