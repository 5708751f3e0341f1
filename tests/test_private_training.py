"""Training with differential privacy of each person."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import GANImageAnonymizer
from sklearn_ecganon.anonymizers._gan_image._learning import (
    private_frequencies,
    public_traces,
)
from sklearn_ecganon.imaging import BeatImager
from sklearn_ecganon.privacy import audit_epsilon, gaussian_epsilon
from sklearn_ecganon.training import (
    ARCHITECTURES,
    PersonPrivateGANNet,
    PersonPrivateNet,
    PrivacyBudget,
    noise_of_steps,
    numbered_people,
    spent_epsilon,
    train,
)
from sklearn_ecganon.training._nets import FIXED
from sklearn_ecganon.training._private import (
    CLIP,
    PEOPLE_CHUNK,
    rows_of_people,
    set_private_gradient,
)

EPSILON, DELTA, N_STEPS = 1.0, 1e-5, 2


class Offset(nn.Module):
    """A net with one parameter for each input, whose gradient is the mean of the inputs."""

    def __init__(self):
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return self.offset.expand_as(x)


class Product(nn.Module):
    def forward(self, y_pred, y_true):
        return -(y_pred * y_true).sum() / len(y_true)


def trained(rows, people, *, noise, seed=0, net_class=PersonPrivateNet, n_steps=N_STEPS):
    """Return the offset after some steps of plain gradient descent."""
    torch.manual_seed(seed)
    net = net_class(
        Offset,
        noise=noise,
        criterion=Product,
        optimizer=torch.optim.SGD,
        lr=1.0,
        max_epochs=n_steps,
        batch_size=-1,
        **FIXED,
    ).initialize()
    X = torch.as_tensor(rows, dtype=torch.float32)
    train(net, X, torch.as_tensor(people))
    return net.module_.offset.detach().numpy()


def test_every_person_contributes_one_clipped_gradient():
    rows = np.array([[0.1, 0, 0]] * 5 + [[0, 50.0, 0]] * 40)
    offset = trained(rows, np.r_[np.zeros(5, int), np.ones(40, int)], noise=0.0, n_steps=1)
    np.testing.assert_allclose(offset, [0.1, CLIP, 0], rtol=1e-5)


def test_noise_has_the_stated_size():
    offsets = [trained(np.zeros((2, 3)), [0, 1], noise=2.0, seed=s) for s in range(200)]
    assert np.std(offsets) == pytest.approx(2.0 * np.sqrt(N_STEPS), rel=0.12)


def test_all_steps_together_spend_the_budget():
    noise = noise_of_steps(EPSILON, DELTA, 100)
    spent = [spent_epsilon(noise, DELTA, n) for n in (1, 50, 99, 100)]
    assert spent[-1] == pytest.approx(EPSILON, rel=1e-6)
    assert (np.diff(spent) > 0).all()
    assert spent[0] == pytest.approx(gaussian_epsilon(noise, DELTA, CLIP))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Opacus divides by 0 where it samples everybody.
@pytest.mark.parametrize(("epsilon", "n_steps"), [(1.0, 1), (4.0, 100), (10.0, 300)])
def test_opacus_accounts_alike(epsilon, n_steps):
    accountants = pytest.importorskip("opacus.accountants")
    accountant = accountants.PRVAccountant()
    accountant.history = [(noise_of_steps(epsilon, DELTA, n_steps) / CLIP, 1.0, n_steps)]
    # Its upper bound is 0.01 above the true value.
    assert accountant.get_epsilon(DELTA) == pytest.approx(epsilon, abs=0.02)


def test_people_without_a_row_and_infinite_gradients_contribute_nothing():
    rows = rows_of_people(torch.tensor([0, 2, 2, 5]), 40)
    assert rows.shape == (3, 40)
    assert [set(of_person.tolist()) for of_person in rows] == [{0}, {1, 2}, {3}]
    values = np.array([[0.5, 0, 0], [np.inf, 0, 0]])
    offset = trained(values, [0, 1], noise=0.0, n_steps=1)
    np.testing.assert_allclose(offset, [0.5, 0, 0], rtol=1e-5)


def test_many_people_are_summed_in_chunks():
    rows = np.tile([[0, 3.0, 0]], (2 * PEOPLE_CHUNK + 1, 1))
    offset = trained(rows, np.arange(len(rows)), noise=0.0, n_steps=1)
    np.testing.assert_allclose(offset, [0, len(rows), 0], rtol=1e-5)


def test_a_training_ends_at_the_budget():
    noise = noise_of_steps(EPSILON, DELTA, 3)
    torch.manual_seed(0)
    net = PersonPrivateNet(
        Offset,
        noise=noise,
        criterion=Product,
        optimizer=torch.optim.SGD,
        max_epochs=10,
        batch_size=-1,
        callbacks=[("budget", PrivacyBudget(EPSILON, DELTA))],
        **FIXED,
    ).initialize()
    history = train(net, torch.zeros(4, 3), torch.arange(4))
    assert len(history["train_loss"]) == 3
    assert net.history[:, "epsilon"] == [spent_epsilon(noise, DELTA, n) for n in (1, 2, 3)]
    before = net.module_.offset.detach().clone()
    train(net, torch.zeros(4, 3), torch.arange(4))
    assert len(net.history) == 3
    assert torch.equal(net.module_.offset, before)
    # What was spent on something else counts.
    again = clone(net).set_params(callbacks=[("budget", PrivacyBudget(EPSILON, DELTA, 2))])
    train(again.initialize(), torch.zeros(4, 3), torch.arange(4))
    assert len(again.history) == 1


class ByRow(PersonPrivateNet):
    """A broken net that clips rows in place of people."""

    def train_step_single(self, batch, **fit_params):
        X, _ = batch
        return super().train_step_single((X, torch.arange(len(X))), **fit_params)


def bound_of(net_class=PersonPrivateNet, factor=1.0):
    noise = factor * noise_of_steps(EPSILON, DELTA, N_STEPS)
    people = np.zeros((3, 3))
    with_canary = np.r_[people, np.tile([9.0, 0, 0], (20, 1))]
    numbers = np.r_[np.arange(3), np.full(20, 3)]

    def score(rows, persons, rng):
        seed = int(rng.integers(2**31))
        return trained(rows, persons, noise=noise, seed=seed, net_class=net_class)[0]

    return audit_epsilon(
        lambda rng: score(people, np.arange(3), rng),
        lambda rng: score(with_canary, numbers, rng),
        delta=DELTA,
        n_runs=500,
        rng=np.random.default_rng(0),
    ).epsilon


@pytest.mark.trains
def test_an_attack_on_the_training_stays_below_epsilon():
    assert bound_of() < EPSILON


@pytest.mark.trains
def test_clipping_of_rows_in_place_of_people_is_caught():
    assert bound_of(ByRow) > 2 * EPSILON


@pytest.mark.trains
def test_too_little_noise_is_caught():
    assert bound_of(factor=0.25) > EPSILON


@pytest.mark.trains
def test_an_anonymizer_trains_with_a_budget(beats, bunch):
    model = NonQRSVAEAnonymizer(epsilon=4.0, max_epochs=5, lr=0.01, random_state=0)
    model.fit(beats, bunch.subject)
    assert model.history_["epsilon"][-1] == pytest.approx(4.0, rel=1e-6)
    assert len(model.history_["epsilon"]) == model.n_iter_ == 5
    assert np.isnan(model.history_["train_loss"]).all()
    released = model.transform(beats).beats
    assert np.isfinite(released).all()
    again = pickle.loads(pickle.dumps(model)).transform(beats).beats
    np.testing.assert_array_equal(again, released)


# GANs

SMALL = {"n_filters": 4, "batch_size": 8, "max_epochs": 4}


@pytest.mark.trains
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_gan_trains_with_a_budget(ectopic, architecture):
    beats, subjects = ectopic
    model = GANImageAnonymizer(
        epsilon=4.0, architecture=architecture, random_state=0, **SMALL
    ).fit(beats, subjects)
    history = model.history_
    assert len(history["epsilon"]) == model.n_iter_ == SMALL["max_epochs"]
    assert history["epsilon"][-1] == pytest.approx(4.0, rel=1e-6)
    # The frequencies of the classes have cost as much as one step.
    noise = noise_of_steps(4.0, DELTA, SMALL["max_epochs"] + 1)
    assert history["epsilon"][0] == pytest.approx(spent_epsilon(noise, DELTA, 2))
    assert np.isfinite(history["generator_loss"][0])
    for name in ("discriminator_loss", "reconstruction", "distance", "diversity"):
        assert np.isnan(history[name]).all()
    released = model.transform(beats).beats
    assert np.isfinite(released).all()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(beats).beats, released)
    other = clone(model).set_params(random_state=1).fit(beats, subjects)
    assert not np.array_equal(other.transform(beats).beats, released)


@pytest.fixture(scope="module")
def ectopic():
    """Beats of three classes, 64 samples each, and the subject of each record."""
    bunch = make_ecg_records(
        n_subjects=4, n_sessions=2, duration=30.0, arrhythmia="ectopic", random_state=0
    )
    beats = QRSSegmenter("annotated", sampling_rate=80.0).fit_transform(bunch.data)
    return beats, bunch.subject


@pytest.mark.trains
def test_without_noise_and_people_a_gan_learns_nothing_of_the_data(ectopic, monkeypatch):
    """Gradients of people are the only way from beats to weights."""
    beats, subjects = ectopic
    monkeypatch.setattr("sklearn_ecganon.training._private.CLIP", 1e-30)
    models = [
        GANImageAnonymizer(epsilon=4.0, random_state=0, **SMALL).fit(data, subjects)
        for data in (beats, beats.with_beats(3 * beats.beats[::-1] + 1))
    ]
    one, other = (model.net_.module_.state_dict() for model in models)
    for name, weights in one.items():
        torch.testing.assert_close(other[name], weights)
    assert models[0].pictures_.imager.standardization_.scale == pytest.approx(0.5)
    np.testing.assert_array_equal(*(model.class_frequencies_ for model in models))


@pytest.mark.trains
def test_a_person_moves_the_sum_of_gradients_by_the_clip_at_most(ectopic, monkeypatch):
    """The sensitivity on which the noise of a GAN rests, however many records a person has."""
    beats, subjects = ectopic
    sums = []
    monkeypatch.setattr(PersonPrivateGANNet, "_update_generator_blindly", lambda *a: {})

    def gradient_of(data, y):
        def spy(module, loss, people, noise):
            set_private_gradient(module, loss, people, 0.0)
            sums.append(torch.cat([p.grad.flatten() for p in module.parameters()]))

        monkeypatch.setattr("sklearn_ecganon.training._private_gan.set_private_gradient", spy)
        GANImageAnonymizer(epsilon=4.0, random_state=0, **{**SMALL, "max_epochs": 1}).fit(
            data, y
        )

    rows = np.flatnonzero(subjects == np.unique(subjects)[0])
    of_one = beats[rows]
    gradient_of(of_one, subjects[rows])
    gradient_of(of_one.with_beats(1e3 * of_one.beats), subjects[rows])
    for total in sums:
        assert 0 < total.norm() <= CLIP * (1 + 1e-4)


def test_frequencies_of_classes_are_by_person_and_noisy():
    person = np.r_[np.zeros(1000, int), [3, 3]]
    codes = np.r_[np.zeros(1000, int), [1, 1]]
    np.testing.assert_allclose(private_frequencies(person, codes, 2, 0.0, 0), [0.5, 0.5])
    assert private_frequencies(person, codes, 1, 9.0, 0) == 1
    draws = np.array([private_frequencies(person, codes, 2, 5.0, s) for s in range(50)])
    assert (draws > 0).all()
    np.testing.assert_allclose(draws.sum(axis=1), 1)
    assert draws[:, 0].std() > 0.1


@pytest.mark.parametrize("standardization", ["z-score", "global", "adapted"])
def test_images_of_a_private_gan_have_a_public_scale(standardization):
    imager = BeatImager("stack", standardization=standardization)
    learned = imager.fit(public_traces((1, 20))).standardization_
    assert (learned.center, learned.scale) == pytest.approx((0.0, 0.5))


def test_bad_input_of_a_gan_is_refused(beats, bunch, tmp_path):
    with pytest.raises(ValueError, match="give y, the subject of each record"):
        GANImageAnonymizer(epsilon=1.0).fit(beats)
    with pytest.raises(ValueError, match=r"delta=0.2 with 6 people"):
        GANImageAnonymizer(epsilon=1.0, delta=0.2).fit(beats, bunch.subject)
    with pytest.raises(ValueError, match="give checkpoint=None with epsilon"):
        GANImageAnonymizer(epsilon=1.0, checkpoint=tmp_path / "c").fit(beats, bunch.subject)


def test_bad_input_is_refused(beats, bunch):
    with pytest.raises(ValueError, match="give y, the subject of each record"):
        NonQRSVAEAnonymizer(epsilon=1.0).fit(beats)
    with pytest.raises(ValueError, match=r"delta=0.2 with 6 people"):
        NonQRSVAEAnonymizer(epsilon=1.0, delta=0.2).fit(beats, bunch.subject)
    with pytest.raises(ValueError, match="epsilon"):
        NonQRSVAEAnonymizer(epsilon=0.0).fit(beats, bunch.subject)
    assert numbered_people(["b", "a", "b"], 1.0, DELTA).tolist() == [1, 0, 1]
