"""Training with differential privacy of each person."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_ecganon import NonQRSVAEAnonymizer
from sklearn_ecganon.privacy import audit_epsilon, gaussian_epsilon
from sklearn_ecganon.training import (
    PersonPrivateNet,
    noise_of_steps,
    numbered_people,
    spent_epsilon,
    train,
)
from sklearn_ecganon.training._nets import FIXED
from sklearn_ecganon.training._private import CLIP

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
    spent = spent_epsilon(noise, DELTA, 100)
    assert spent[-1] == pytest.approx(EPSILON, rel=1e-6)
    assert (np.diff(spent) > 0).all()
    assert spent[0] == pytest.approx(gaussian_epsilon(noise, DELTA, CLIP))


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


def test_bad_input_is_refused(beats, bunch):
    with pytest.raises(ValueError, match="give y, the subject of each record"):
        NonQRSVAEAnonymizer(epsilon=1.0).fit(beats)
    with pytest.raises(ValueError, match=r"delta=0.2 with 6 people"):
        NonQRSVAEAnonymizer(epsilon=1.0, delta=0.2).fit(beats, bunch.subject)
    with pytest.raises(ValueError, match="epsilon"):
        NonQRSVAEAnonymizer(epsilon=0.0).fit(beats, bunch.subject)
    assert numbered_people(["b", "a", "b"], 1.0, DELTA).tolist() == [1, 0, 1]
