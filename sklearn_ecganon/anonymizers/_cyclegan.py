"""Translation of beats from one group of people to another, and back."""

from __future__ import annotations

import os
from numbers import Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._validation import is_flat
from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training import (
    DIRECTIONS,
    LIMIT,
    TRANSLATION_CONSTRAINTS,
    CycleNet,
    CycleWatch,
    NetStateMixin,
    Scale,
    Translation,
    check_domains,
    checkpoint_stamp,
    cycle_net,
    examples_of,
    preview_rows,
    resolve_device,
    seeded,
    split_domains,
    train_watched,
    without_adversary,
)

# Parameters that may differ when a training is resumed.
NOT_TRAINED = ("strength", "direction", "checkpoint", "device")


class CycleGANAnonymizer(NetStateMixin, BaseAnonymizer):
    """Translate beats from one group of people to another, one to one.

    Two U-Nets are trained on unpaired examples. One translates A to B, the other translates
    B to A, and each inverts the other.

    Measure what a translation hides: it is trained so that the original can be recovered,
    see the Notes.

    Parameters
    ----------
    strength : float, default=1.0
        Weight of the translation. 0 returns the input bit for bit; 1 is the translation.
    direction : {"a-to-b", "b-to-a"}, default="a-to-b"
        The direction of `transform`. It may be changed after `fit`.
    adversarial : {"least-squares", "cross-entropy"}, default="least-squares"
        Loss of the discriminators, and of the translators against them.
    cycle : float, default=10.0
        Weight of the round-trip error, relative to the adversarial loss.
    identity : float, default=0.5
        Weight of the error on input that already belongs to the target domain, as a
        fraction of `cycle`.
    n_latent : int, default=4
        Length of the secret draw of each record, on which its translation depends.
    n_filters : int, default=16
        Channels of the convolutions at full size.
    buffer_size : int, default=50
        Number of translated images that are kept to train the discriminator again.
    max_epochs : int, default=50
        Number of epochs. The learning rates fall to 0 over the second half.
    epoch_size : int, default=1600
        Pairs drawn in an epoch, or as many as the larger domain has.
    batch_size : int, default=8
        Number of pairs in each step.
    lr, discriminator_lr : float, default=0.0002 and 0.0002
        Learning rates of Adam.
    checkpoint : str or path, default=None
        File that is written after every epoch. If it exists, training continues from it and
        ends with the same weights as without an interruption, bit for bit. It holds weights
        and a hash of the data, no sample.
    sampling_rate : float, default=250.0
        Sampling rate of array input in Hz. A BeatSet has its own.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds training and the salt. A salt that comes from a number can be drawn again by
        anyone who guesses the number: leave None for a release.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The fitted net. `module_` holds both translators.
    domains_ : ndarray of shape (2,)
        Names of A and of B.
    scale_ : object
        Converts input to the range of the net and back.
    history_ : dict of str to ndarray of shape (n_epochs,)
        ``generator_loss`` and ``discriminator_loss``, of both sides together;
        ``cycle_error``, mean absolute error after the round trip, and ``identity_error``,
        on input of the target domain, both as a fraction of the range
        between the 1 % and 99 % quantiles;
        ``lr``; ``dur``, seconds.
    n_iter_ : int
        Number of epochs.
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
    sklearn_ecganon.images.CycleGANTranslator : The same for images.
    PseudoIdentityAnonymizer : The method for releasing beats.
    ReidentificationScorer : Measures what an attacker still recognizes.

    Notes
    -----
    Source: [1]_, applied to medical images by the works on one-to-one translation.
    Deviations: U-Nets with skip connections take the place of residual nets, and the draw of
    a record scales and shifts their coarsest channels; batches of 8 instead of 1;
    normalization leaves out the full size; the buffers of the discriminators are empty at
    the start of each epoch, so that no checkpoint holds an image. Beats
    are scaled by the 1 % and 99 % quantiles of each lead; artifacts beyond three times that
    range pass through.

    Read this before a release:

    - A translation is one to one: it preserves what distinguishes a beat from others. No
      draw is for a single beat, so that averaging beats removes nothing. But all beats of a
      person are translated in the same way, and an attacker who translates recordings with
      the same model learns to recognize them.
    - The fitted model is a key. It was trained to recover the original after a round trip,
      so it reveals the people of a release. Keep it like the originals.
    - Between random groups of people there is nothing to translate, and little changes: on
      ECG-ID retrained attackers identify 98.9 % of 89 people in originals and in
      translations (``benchmarks/leaderboard.py``, seed 0, 2026-11-22).
    - Input that already looks like the target domain stays nearly unchanged because of the
      identity loss. Translate records of B from B to A.

    All beats of a record share one draw, which is keyed by salt and content and differs
    between records. :meth:`translate` and :meth:`round_trip` do not use it.

    References
    ----------
    .. [1] J.-Y. Zhu, T. Park, P. Isola and A. A. Efros, "Unpaired image-to-image translation
       using cycle-consistent adversarial networks", ICCV, 2223-2232, 2017.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import CycleGANAnonymizer
    >>> bunch = make_ecg_records(n_subjects=4, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> model = CycleGANAnonymizer(n_filters=4, max_epochs=1, random_state=0)
    >>> released = model.fit(beats, bunch.subject).transform(beats)
    >>> released.beats.shape == model.round_trip(beats).beats.shape
    True
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        **TRANSLATION_CONSTRAINTS,
        "sampling_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        direction: str = "a-to-b",
        adversarial: str = "least-squares",
        cycle: float = 10.0,
        identity: float = 0.5,
        n_latent: int = 4,
        n_filters: int = 16,
        buffer_size: int = 50,
        max_epochs: int = 50,
        epoch_size: int = 1600,
        batch_size: int = 8,
        lr: float = 2e-4,
        discriminator_lr: float = 2e-4,
        checkpoint: str | os.PathLike | None = None,
        sampling_rate: float = 250.0,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.direction = direction
        self.adversarial = adversarial
        self.cycle = cycle
        self.identity = identity
        self.n_latent = n_latent
        self.n_filters = n_filters
        self.buffer_size = buffer_size
        self.max_epochs = max_epochs
        self.epoch_size = epoch_size
        self.batch_size = batch_size
        self.lr = lr
        self.discriminator_lr = discriminator_lr
        self.checkpoint = checkpoint
        self.sampling_rate = sampling_rate
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: BeatSet | ArrayLike,
        y: Any = None,
        labels: ArrayLike | None = None,
        domain: ArrayLike | None = None,
    ) -> Self:
        """Learn to translate from unpaired examples of two domains.

        Parameters
        ----------
        X : BeatSet, or array-like of shape (n_beats, n_times) or (n_beats, n_leads, n_times)
            Beats in mV, R peak at column ``n_times // 2``.
        y : array-like of shape (n_records,), optional
            Subject of each record (row). Without `domain`, half of them make up A, and the
            others B.
        labels : array-like, optional
            Clinical classes; not used here.
        domain : array-like of shape (n_records,), optional
            Domain of each record (row): two different values, of which the first in sorted
            order is A. By default the input is split by `y`, or into two halves if `y` is
            None.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        ValueError
            If X does not hold finite real beats, if there are not two domains with beats
            that vary, or if the training diverges.
        """
        # The `fit` of the base class does not accept domains.
        self._domain = domain
        try:
            return super().fit(X, y, labels)
        finally:
            for name in ("_domain", "_shown"):
                self.__dict__.pop(name, None)

    def translate(
        self, X: BeatSet | ArrayLike, direction: str | None = None
    ) -> BeatSet | NDArray:
        """Translate at full strength without the secret draw.

        Parameters
        ----------
        X : BeatSet or array-like
            Beats as in `fit`.
        direction : {"a-to-b", "b-to-a"}, optional
            Direction of the translation; by default the parameter of that name.

        Returns
        -------
        X_new : BeatSet or ndarray
            The translated beats, with the shape and the dtype of the input.
        """
        return self._apply(X, self.direction if direction is None else direction)

    def round_trip(self, X: BeatSet | ArrayLike) -> BeatSet | NDArray:
        """Translate in the direction of `transform`, and back again.

        Parameters
        ----------
        X : BeatSet or array-like
            Beats as in `fit`.

        Returns
        -------
        X_back : BeatSet or ndarray
            The beats after the round trip, with the shape and the dtype of the input. Their
            distance from X shows how much of the original the owner of the model recovers
            from a release.
        """
        back = DIRECTIONS[self.direction == DIRECTIONS[0]]
        return self._apply(X, self.direction, back)

    def _apply(self, X: BeatSet | ArrayLike, *directions: str) -> BeatSet | NDArray:
        check_is_fitted(self)
        beats = self._validated(X)
        values, latents = beats.beats, np.zeros((len(beats.beats), self.n_latent))
        for direction in directions:
            values = self._translation()(values, direction, latents)
        if isinstance(X, BeatSet):
            return beats.with_beats(values)
        return (values[:, 0] if is_flat(X) else values).astype(beats.beats.dtype)

    def _learn(self, beats: BeatSet, y: Any, seed: int, context: Any) -> None:
        self.domains_, in_b = split_domains(self._domain, y, len(beats))
        of_b = in_b[beats.record]
        check_domains(self.domains_, beats.beats, of_b)
        self.scale_ = Scale.of_signals(beats.beats)
        scaled = np.clip(self.scale_.forward(beats.beats), -LIMIT, LIMIT)
        self.device_ = resolve_device(self.device)
        self._n_drawn = min(self.epoch_size, int(max(of_b.sum(), (~of_b).sum())))
        self._shown = examples_of(beats.beats, of_b)
        with seeded(seed):
            self.net_ = self._build_net()
            X = {
                "images": torch.as_tensor(scaled, dtype=torch.float32).to(self.device_),
                "of_b": torch.from_numpy(of_b).to(self.device_),
            }
            watch = CycleWatch(
                lr=self.lr,
                discriminator_lr=self.discriminator_lr,
                max_epochs=self.max_epochs,
                checkpoint=self.checkpoint,
                stamp=checkpoint_stamp(self, (scaled, of_b), left_out=NOT_TRAINED),
            )
            self.history_ = train_watched(self.net_, X, watch, estimator=self, context=context)
        self.n_iter_ = len(self.history_["dur"])
        self.net_ = without_adversary(self.net_, self._build_net)

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        latents = draws.for_records(self.n_latent)[beats.record]
        new = self._translation()(beats.beats, self.direction, latents)
        return beats.with_beats((1 - self.strength) * beats.beats + self.strength * new)

    def _build_net(self) -> CycleNet:
        return cycle_net(
            self.scale_.shape,
            adversarial=self.adversarial,
            cycle=self.cycle,
            identity=self.identity,
            n_latent=self.n_latent,
            n_filters=self.n_filters,
            buffer_size=self.buffer_size,
            max_epochs=self.max_epochs,
            n_drawn=self._n_drawn,
            batch_size=self.batch_size,
            lr=self.lr,
            discriminator_lr=self.discriminator_lr,
            device=self.device_,
        )

    def _translation(self) -> Translation:
        return Translation(self.net_.module_, self.scale_, self.device_)

    def _preview_rows(self, n_columns: int) -> dict[str, NDArray]:
        """Return examples with their translations, forth and back, during training."""
        return preview_rows(self._translation(), self._shown, self.n_latent, n_columns)
