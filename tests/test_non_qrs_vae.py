"""The VAE that replaces the beat outside of the QRS."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.base import clone

from sklearn_ecganon import NonQRSVAEAnonymizer
from sklearn_ecganon.networks._vae import VAE
from sklearn_ecganon.training._losses import NegativeELBO

pytestmark = pytest.mark.trains


def test_published_layer_sizes():
    beats = np.random.default_rng(0).normal(size=(8, 200))
    model = NonQRSVAEAnonymizer(region="pre", max_epochs=1, random_state=0).fit(beats)
    np.testing.assert_array_equal(model.columns_, np.arange(25, 75))
    shapes = [tuple(w.shape) for w in model.net_.module_.parameters() if w.ndim == 2]
    encoder = [(40, 50), (40, 40), (30, 40), (30, 30), (5, 30), (5, 30)]
    decoder = [(30, 5), (30, 30), (40, 30), (40, 40), (50, 40)]
    assert shapes == encoder + decoder


def test_elbo_against_its_formula():
    rng = np.random.default_rng(0)
    logits, mean, log_variance = rng.normal(size=(3, 4, 6))
    target = rng.random((4, 6))
    p = expit(logits)
    bce = -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum()
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum()
    arrays = [torch.from_numpy(a) for a in (logits, mean, log_variance)]
    loss = NegativeELBO()(tuple(arrays), torch.from_numpy(target))
    assert loss.item() == pytest.approx((bce + kl) / 4)


def test_latent_is_sampled_in_training_only():
    vae = VAE(6, (5, 4), 2)
    x = torch.rand(3, 6)
    assert not torch.equal(vae(x)[0], vae(x)[0])
    vae.eval()
    assert torch.equal(vae(x)[0], vae(x)[0])


def test_training_lowers_the_elbo(vae, beats):
    losses = vae.history_["train_loss"]
    assert losses[-1] < losses[0]
    assert vae.n_iter_ == len(losses) == 3


@pytest.mark.parametrize("region", ["pre", "all"])
def test_only_the_region_changes(beats, region):
    model = NonQRSVAEAnonymizer(region=region, max_epochs=1, random_state=0).fit(beats)
    new = model.transform(beats).beats
    protected = np.setdiff1d(np.arange(beats.n_times), model.columns_)
    np.testing.assert_array_equal(new[..., protected], beats.beats[..., protected])
    center = beats.n_times // 2
    assert protected.min() <= center - 25
    assert protected.max() >= center + 24
    assert (new[..., model.columns_] != beats.beats[..., model.columns_]).mean() > 0.99


def test_no_step_where_segments_join(vae, beats):
    new = vae.transform(beats).beats
    joins = np.flatnonzero(np.diff(vae.columns_) > 1)
    before, after = vae.columns_[joins] + 1, vae.columns_[joins + 1]
    for inner, outer in ((before, before - 1), (after - 1, after)):
        np.testing.assert_allclose(new[..., inner], new[..., outer], atol=1e-12)


def test_neighboring_beats_still_join(vae, beats):
    new = vae.transform(beats).beats
    np.testing.assert_allclose(new[..., [0, -1]], beats.beats[..., [0, -1]], atol=1e-12)


def test_beats_of_a_record_share_one_draw(vae, beats):
    # At full strength the latent contains nothing of the original beat. After scaling to unit
    # range, all beats of a record have the same replaced shape away from the joins.
    new = vae.transform(beats[:2])
    away = vae.columns_[12 : len(vae.columns_) // 4]
    for record in (0, 1):
        rows = new.beats[new.record == record][:, 0, away]
        shape = rows - rows[:, :1]
        shape /= np.ptp(shape, axis=1, keepdims=True)
        np.testing.assert_allclose(shape, np.broadcast_to(shape[0], shape.shape), atol=1e-9)


def test_two_records_never_share_a_draw(vae, beats):
    new = vae.transform(beats)
    away = vae.columns_[12 : len(vae.columns_) // 4]
    shapes = []
    for record in range(len(beats)):
        row = new.beats[new.record == record][0, 0, away]
        shapes.append((row - row[0]) / np.ptp(row))
    apart = np.abs(np.array(shapes)[:, None] - np.array(shapes)).max(axis=2)
    assert apart[~np.eye(len(shapes), dtype=bool)].min() > 1e-3


def test_small_strength_changes_little(vae, beats):
    gentle = clone(vae).fit(beats).set_params(strength=1e-8)
    change = np.abs(gentle.transform(beats).beats - beats.beats).max()
    assert 0 < change < 5e-3


def test_change_grows_with_strength(vae, beats):
    model = clone(vae).fit(beats)
    changes = []
    for strength in (0.0, 0.3, 0.6, 1.0):
        new = model.set_params(strength=strength).transform(beats).beats
        changes.append(np.sqrt(np.mean((new - beats.beats) ** 2)))
    assert changes[0] == 0
    assert (np.diff(changes) > 0).all()


def test_constant_region_stays_finite():
    flat = np.zeros((6, 200))
    model = NonQRSVAEAnonymizer(max_epochs=1, random_state=0).fit(flat)
    assert np.isfinite(model.transform(flat)).all()


def test_given_layer_sizes_and_invalid_parameters(beats):
    model = NonQRSVAEAnonymizer(hidden=[16], n_latent=3, max_epochs=1).fit(beats)
    assert model.net_.module_.mean.out_features == 3
    for invalid in ({"strength": 1.5}, {"region": "post"}, {"qrs_width": 0}, {"max_epochs": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(invalid))}.*must be"):
            NonQRSVAEAnonymizer(**invalid).fit(beats)
