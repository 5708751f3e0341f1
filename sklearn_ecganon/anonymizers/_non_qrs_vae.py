"""Replacement of the beat outside of the QRS by samples of a variational autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from skorch import NeuralNet

from sklearn_ecganon.anonymizers._options import TRAINING_CONSTRAINTS
from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.networks import VAE
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training import (
    FIXED,
    NegativeELBO,
    NetStateMixin,
    PersonPrivateNet,
    PrivacyBudget,
    in_float64,
    noise_of_steps,
    numbered_people,
    private_seed,
    resolve_device,
    seeded,
    single_thread,
    train,
)

# Layer widths and latent size as fractions of the region's length. The publication has 40,
# 40, 30, 30 and 5 for 50 samples.
HIDDEN_FRACTIONS = (0.8, 0.8, 0.6, 0.6)
LATENT_FRACTION = 0.1
# Duration over which a replaced segment departs from the sample that it joins.
JOIN_MS = 40.0


class NonQRSVAEAnonymizer(NetStateMixin, BaseAnonymizer):
    """Keep the QRS complex and replace the rest of the beat by samples of a VAE.

    A variational autoencoder (VAE) learns the beat outside of the QRS. `transform` moves
    its latent towards a draw that all beats of one record share, decodes the latent, and
    joins the result to the unchanged QRS. The QRS alone identifies people: on MIT-BIH
    attackers who retrain on anonymized beats recognize nearly everybody. This class is the
    published baseline, not a protection; ``ecganon demo`` prints the figures.

    Parameters
    ----------
    strength : float, default=1.0
        Fraction of the variance of the latent that is drawn. 0 returns the input bit for
        bit. 1 keeps nothing of the original region except its minimum, its maximum and the
        values at both ends of the beat.
    region : {"all", "pre"}, default="all"
        Region to replace: everything except the QRS, or, as published, only the `pre_width`
        before the QRS, which keeps the T wave.
    qrs_width : float, default=200.0
        Length of the protected segment around the R peak, in ms; at most half of the beat.
    pre_width : float, default=200.0
        Length of the region ``"pre"``, in ms.
    sampling_rate : float, default=250.0
        Sampling rate of array input in Hz. A BeatSet has its own.
    hidden : sequence of int, optional
        Widths of the encoder's layers, mirrored in the decoder. By default 0.8, 0.8, 0.6
        and 0.6 of the region's length, which are the published 40, 40, 30 and 30 for 50
        samples.
    n_latent : int, optional
        Size of the latent. By default a tenth of the region's length (published: 5), but at
        least 2.
    max_epochs : int, default=50
        Passes over the training beats.
    batch_size : int, default=64
        Number of beats in each step.
    lr : float, default=0.001
        Learning rate of Adam.
    epsilon : float, default=None
        Train with differential privacy of each person. Each epoch is then one step, to which
        every person contributes one clipped gradient, so `max_epochs` should be some hundreds,
        `lr` about 0.01, and `batch_size` is not used. The noise is chosen so that all epochs
        together spend the budget.
    delta : float, default=1e-5
        For `epsilon`: probability of a failure, below one over the number of people.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds training and the salt. A salt that comes from a number can be drawn again by
        anyone who guesses the number: leave None for a release.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The fitted autoencoder.
    history_ : dict of str to ndarray of shape (n_epochs,)
        ``train_loss`` (negative ELBO in nats) and ``dur`` (seconds). With `epsilon`, the loss
        is NaN, because it is not private, and ``epsilon`` is what was spent so far.
    n_iter_ : int
        Number of epochs.
    columns_ : ndarray of int
        Columns of a beat that are replaced.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    device_ : str
        The device of the net.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the beats seen in `fit`.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    ReidentificationScorer : Measures what an attacker still recognizes.

    Notes
    -----
    Source: "Using conditional generative models to protect patient's privacy", a VAE of
    50-40-40-30-30-(5, 5)-30-30-40-40-50 units with ReLU and sigmoid, binary cross-entropy
    plus Kullback-Leibler divergence, Adam at 0.001, batches of 64, 50 epochs, for the 50
    samples before a 50-sample QRS in beats of 200 samples (250 Hz).

    Deviations:

    - The loss is the negative ELBO. The loss of the published run omitted the divergence.
    - The replaced segment keeps its position. The published run inserted one generated
      segment three times, which moved the R peak.
    - The region is scaled to [0, 1] by its minimum and maximum instead of those of the
      whole data set. They are restored afterwards and carry some identity.
    - Replaced samples approach the adjacent original sample over 40 ms (a raised cosine),
      so that there is no step. The first and the last sample of a beat keep their original
      values, so that neighboring beats still join.
    - All beats of a record share one draw, because independent draws average out over 50
      beats.
    - `strength` interpolates. The latent is ``sqrt(1 - strength)`` of the encoder's mean
      plus ``sqrt(strength)`` of the draw. ``1 - strength`` of the reconstruction error is
      added back, so that small strengths change little.
    - Region, rate, number of leads and layer sizes can be chosen.

    Examples
    --------
    >>> from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, make_ecg_records
    >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> vae = NonQRSVAEAnonymizer(max_epochs=2, random_state=0).fit(beats)
    >>> released = vae.transform(beats)
    >>> released.beats.shape == beats.beats.shape
    True
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        **TRAINING_CONSTRAINTS,
        "region": [StrOptions({"all", "pre"})],
        "qrs_width": [Interval(Real, 0, None, closed="neither")],
        "pre_width": [Interval(Real, 0, None, closed="neither")],
        "hidden": ["array-like", None],
        "n_latent": [Interval(Integral, 1, None, closed="left"), None],
        "epsilon": [Interval(Real, 0, None, closed="neither"), None],
        "delta": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        region: str = "all",
        qrs_width: float = 200.0,
        pre_width: float = 200.0,
        sampling_rate: float = 250.0,
        hidden: Sequence[int] | None = None,
        n_latent: int | None = None,
        max_epochs: int = 50,
        batch_size: int = 64,
        lr: float = 1e-3,
        epsilon: float | None = None,
        delta: float = 1e-5,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.region = region
        self.qrs_width = qrs_width
        self.pre_width = pre_width
        self.sampling_rate = sampling_rate
        self.hidden = hidden
        self.n_latent = n_latent
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.epsilon = epsilon
        self.delta = delta
        self.device = device
        self.random_state = random_state

    def _learn(self, beats: BeatSet, y: Any, seed: int, context: Any) -> None:
        self.columns_ = self._region_columns()
        self.device_ = resolve_device(self.device)
        rows, _, _ = _to_unit_range(beats.beats[:, :, self.columns_])
        X = torch.as_tensor(rows.reshape(len(rows), -1), dtype=torch.float32)
        X = target = X.to(self.device_)
        if self.epsilon is not None:
            people = numbered_people(y, self.epsilon, self.delta)[beats.record]
            target = torch.as_tensor(people).to(self.device_)
            seed = private_seed(seed, self.random_state)
        with seeded(seed):
            self.net_ = self._build_net()
            self.history_ = train(self.net_, X, target, estimator=self, context=context)
        self.n_iter_ = len(self.history_["train_loss"])
        if self.epsilon is not None:
            self.history_["epsilon"] = np.array(self.net_.history[:, "epsilon"])

    def _build_net(self) -> NeuralNet:
        length = len(self.columns_)
        hidden = self.hidden
        if hidden is None:
            hidden = [max(round(fraction * length), 2) for fraction in HIDDEN_FRACTIONS]
        net_class: type[NeuralNet] = NeuralNet
        options: dict[str, Any] = {"batch_size": self.batch_size}
        if self.epsilon is not None:
            noise = noise_of_steps(self.epsilon, self.delta, self.max_epochs)
            net_class, options = PersonPrivateNet, {"batch_size": -1, "noise": noise}
            options["callbacks"] = [("budget", PrivacyBudget(self.epsilon, self.delta))]
        net = net_class(
            VAE,
            module__n_inputs=self.n_leads_ * length,
            module__hidden=tuple(hidden),
            module__n_latent=self._latent_size(),
            criterion=NegativeELBO,
            optimizer=torch.optim.Adam,
            lr=self.lr,
            max_epochs=self.max_epochs,
            device=self.device_,
            **options,
            **FIXED,
        )
        return net.initialize()

    def _latent_size(self) -> int:
        return self.n_latent or max(round(LATENT_FRACTION * len(self.columns_)), 2)

    def _region_columns(self) -> NDArray[np.intp]:
        center, per_ms = self.n_times_ // 2, self.sampling_rate_ / 1000.0
        half = min(round(self.qrs_width * per_ms / 2), self.n_times_ // 4)
        before = np.arange(center - half)
        if self.region == "pre":
            return before[-max(round(self.pre_width * per_ms), 1) :]
        return np.concatenate([before, np.arange(center + half, self.n_times_)])

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        values = beats.beats.astype(np.float64)
        region = values[:, :, self.columns_]
        rows, low, span = _to_unit_range(region)
        latents = draws.for_records(self._latent_size())[beats.record]
        # In float64 the result of a row does not depend on its batch.
        vae = in_float64(self.net_.module_)
        with torch.no_grad(), single_thread():
            x = torch.from_numpy(rows.reshape(len(rows), -1)).to(self.device_)
            mean, _ = vae.encode(x)
            fresh = torch.from_numpy(latents).to(self.device_)
            z = (1 - self.strength) ** 0.5 * mean + self.strength**0.5 * fresh
            new = vae.decode(z) + (1 - self.strength) * (x - vae.decode(mean))
        new = new.cpu().numpy().reshape(region.shape) * span + low
        values[:, :, self.columns_] = new
        self._join(values, beats.beats)
        return beats.with_beats(values)

    def _join(self, values: NDArray, original: NDArray) -> None:
        """Adjust the ends of the replaced segments to the samples that they join."""
        n_ramp = max(round(JOIN_MS * self.sampling_rate_ / 1000.0), 1)
        for segment in np.split(self.columns_, np.flatnonzero(np.diff(self.columns_) > 1) + 1):
            length = min(n_ramp, -(-len(segment) // 2))
            ramp = 0.5 + 0.5 * np.cos(np.pi * np.arange(length) / length)
            first, last = segment[0], segment[-1]
            ends = ((last, last + 1, segment[::-1]), (first, first - 1, segment))
            for inner, beside, inwards in ends:
                target = original[:, :, inner]
                if 0 <= beside < self.n_times_:
                    # At strength 1 the last replaced sample equals the adjacent original
                    # one. Below 1 the step of the original returns in proportion.
                    step = original[:, :, beside] - target
                    target = target + self.strength * step
                # At the end of the beat, the window of the neighboring beat begins. Both
                # share the original value at this moment, which is therefore the target.
                gap = (target - values[:, :, inner])[:, :, np.newaxis]
                values[:, :, inwards[:length]] += gap * ramp


def _to_unit_range(region: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Scale each beat and lead to [0, 1]; return it with its minimum and its range."""
    low = region.min(axis=-1, keepdims=True)
    span = np.ptp(region, axis=-1, keepdims=True)
    span = np.where(span > 0, span, 1.0)
    return (region - low) / span, low, span
