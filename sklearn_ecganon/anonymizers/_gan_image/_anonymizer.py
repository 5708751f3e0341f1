"""Beats as pictures that an adversarial network draws anew."""

from __future__ import annotations

import os
import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_ecganon._validation import fitted_on_rows
from sklearn_ecganon.anonymizers._gan_image._networks import (
    ARCHITECTURES,
    CHUNK,
    Inference,
    gan_net,
    watch_of,
)
from sklearn_ecganon.anonymizers._gan_image._pictures import (
    Pictures,
    check_learnable,
    group_windows,
)
from sklearn_ecganon.anonymizers._gan_image._samples import (
    codes_of,
    codes_to_sample,
    latents_of,
    one_hot,
    split_records,
    traces_of,
)
from sklearn_ecganon.anonymizers._options import TRAINING_CONSTRAINTS
from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.imaging import BeatImager
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training import (
    GANNet,
    GANTrainingWarning,
    NetStateMixin,
    resolve_device,
    seeded,
    train_gan,
    without_adversary,
)

# Images of one record that the discriminator sees beside each other.
N_VIEWS = 2


class GANImageAnonymizer(NetStateMixin, BaseAnonymizer):
    """Give each record beats of its own classes, generated for it by a GAN of images.

    A conditional generative adversarial network learns to generate the images of beats. One
    part of its latent is shared by all beats of a record, the pseudo-identity, another is
    drawn for each beat. At full strength only the class of a beat and the time of its R peak
    are kept.

    With `image_shape` it works on images, for example X-rays, each a record of its own.

    Parameters
    ----------
    strength : float, default=1.0
        How far from the original's nearest inversion the latent is: the share of its
        variance that is drawn afresh. 0 returns the input bit for bit; 1 is synthetic.
    architecture : {"dcgan", "wgan-gp", "classifier"}, default="dcgan"
        ``"dcgan"``: convolutions, non-saturating loss, a discriminator of unit Lipschitz
        norm that knows the class. ``"wgan-gp"``: Wasserstein loss with gradient penalty.
        ``"classifier"``: an auxiliary-classifier GAN, whose discriminator names the class;
        how often it is right about generated images is in ``history_["class_accuracy"]``.
    imager : BeatImager or None, default=None
        Turns beats into images, each of `windows_per_image` consecutive beats of a record.
        None is ``BeatImager("stack", standardization="z-score")``, one row for each lead.
        With images of one row all convolutions are one-dimensional.
    image_shape : (int, int), optional
        Says that X holds images of this height and width, as (n, h, w) or flattened.
    n_blended : int, default=10
        The networks learn from blends of so many records, 3 or more: weighted sums of their
        beats, class by class, which keep mean and covariance, with another amplitude and
        speed. 1 uses the records themselves. Images (`image_shape`) are not blended.
    n_latent_record, n_latent_beat : int, default=16 and 16
        Dimensions of the latent that a record's beats share, and that are each beat's own.
    n_filters : int, default=16
        Channels of the convolutions at full size.
    max_epochs : int, default=100
        Epochs at most.
    epoch_size : int, default=6400
        Beats (images) drawn in an epoch, or as many as there are. Classes are drawn by the
        square root of their size, so that rare ones are learnt.
    batch_size : int, default=128
        Records of a step, each with two of its images, or as many as there are.
    lr, discriminator_lr : float, default=0.001 and 0.001
        Learning rates of Adam.
    reconstruction : float, default=5.0
        Weight, in the training of the encoder, of bringing real images back through it and
        the generator.
    holdout : float, default=0.1
        Fraction of the records that is not trained on. The weights are kept whose images are
        nearest to theirs (maximum mean discrepancy).
    patience : int or None, default=20
        Epochs without a smaller distance after which training ends; None never ends it.
    checkpoint : str or path, default=None
        File that is written after every epoch. A training that was interrupted resumes from
        it and ends with the same weights, bit for bit. It holds no sample of the data.
    sampling_rate : float, default=250.0
        Rate of array input in Hz. A BeatSet brings its own.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or whichever is there.
    random_state : int, RandomState instance or None, default=None
        Seed of the training, and source of the salt. A salt made from a number can be made
        again by anyone who guesses the number, so leave None for a release.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The fitted net. `module_` holds the averaged generator with its encoder.
    classes_ : ndarray of str
        Classes of beats seen in `fit`; a single one if they had no labels.
    class_shares_ : ndarray of shape (n_classes,)
        How often each was seen.
    history_ : dict of str to ndarray of shape (n_epochs,)
        ``generator_loss``, ``discriminator_loss``, ``discriminator_accuracy`` (a real image
        scores higher than a generated one), ``generator_gradient`` (norm at the last layer),
        ``reconstruction`` (mean squared error of standardized pixels), ``class_accuracy`` (of
        the auxiliary classifier, else NaN), ``distance`` (squared maximum mean discrepancy
        from the hold-out), ``diversity`` (within a class, over that of real images), ``dur``.
    n_iter_ : int
        Epochs done.
    pictures_ : object
        Makes images of beats, and beats of images.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    device_ : str
        Where the net lives.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the beats seen in `fit`.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    BeatImager : Beats as images.
    ReidentificationScorer : Measures what an attacker still recognises.

    Notes
    -----
    A model of few subjects remembers them. `MembershipInferenceScorer` tells the 22 people of
    MIT-BIH's DS1 from others with an AUC of 0.78 to 0.93 with ``n_blended=1``, and of 0.59 to
    0.68 with blends of ten; 0.5 is guessing. Measure this before you pass a model on.

    Source: [1]_, who arrange an ECG as an image, train a GAN on it and decode what it
    generates. Deviations:

    - A record's beats are generated for it: of its classes, at its R peaks, with one latent
      for all. The discriminator sees two beats of a record at a time, and so learns what
      belongs together [2]_.
    - An encoder inverts the generator. Below full strength the latent is
      ``sqrt(1 - strength)`` of the inversion plus ``sqrt(strength)`` of the draw. The
      residual of the inversion identifies the person, so it is added back below 0.25 only,
      with a weight that falls to 0. The encoder predicts the class of an unlabeled beat.
    - Normalization is over groups of channels; upsampling is bilinear; discriminators of
      ``"dcgan"`` and ``"classifier"`` have spectral norm; weights are a running average.

    Beat classes and rhythm stay at any strength; the floor of
    :class:`~sklearn_ecganon.attacks.ReidentificationScorer` measures what they identify.

    References
    ----------
    .. [1] E. Piacentino, A. Guarner and C. Angulo, "Generating synthetic ECGs using GANs
       for anonymizing healthcare data", Electronics 10(4):389, 2021.
    .. [2] C. Donahue et al., "Semantically decomposing the latent spaces of generative
       adversarial networks", ICLR, 2018.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import GANImageAnonymizer
    >>> bunch = make_ecg_records(n_subjects=3, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter(sampling_rate=125.0).fit_transform(bunch.data)
    >>> gan = GANImageAnonymizer(n_filters=8, max_epochs=2, random_state=0).fit(beats)
    >>> gan.transform(beats).beats.shape == beats.beats.shape
    True
    >>> gan.sample(4, random_state=0).shape == (4, 1, beats.n_times)
    True
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        **TRAINING_CONSTRAINTS,
        "architecture": [StrOptions(set(ARCHITECTURES))],
        "imager": [BeatImager, None],
        "image_shape": ["array-like", None],
        "n_blended": [Options(Integral, {1}), Interval(Integral, 3, None, closed="left")],
        "n_latent_record": [Interval(Integral, 1, None, closed="left")],
        "n_latent_beat": [Interval(Integral, 1, None, closed="left")],
        "n_filters": [Interval(Integral, 1, None, closed="left")],
        "epoch_size": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "discriminator_lr": [Interval(Real, 0, None, closed="left")],
        "reconstruction": [Interval(Real, 0, None, closed="left")],
        "holdout": [Interval(Real, 0, 1, closed="neither")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "checkpoint": [str, os.PathLike, None],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        architecture: str = "dcgan",
        imager: BeatImager | None = None,
        image_shape: tuple[int, int] | None = None,
        n_blended: int = 10,
        n_latent_record: int = 16,
        n_latent_beat: int = 16,
        n_filters: int = 16,
        max_epochs: int = 100,
        epoch_size: int = 6400,
        batch_size: int = 128,
        lr: float = 1e-3,
        discriminator_lr: float = 1e-3,
        reconstruction: float = 5.0,
        holdout: float = 0.1,
        patience: int | None = 20,
        checkpoint: str | os.PathLike | None = None,
        sampling_rate: float = 250.0,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.architecture = architecture
        self.imager = imager
        self.image_shape = image_shape
        self.n_blended = n_blended
        self.n_latent_record = n_latent_record
        self.n_latent_beat = n_latent_beat
        self.n_filters = n_filters
        self.max_epochs = max_epochs
        self.epoch_size = epoch_size
        self.batch_size = batch_size
        self.lr = lr
        self.discriminator_lr = discriminator_lr
        self.reconstruction = reconstruction
        self.holdout = holdout
        self.patience = patience
        self.checkpoint = checkpoint
        self.sampling_rate = sampling_rate
        self.device = device
        self.random_state = random_state

    def sample(
        self,
        n_samples: int = 1,
        labels: ArrayLike | None = None,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> NDArray[np.float64]:
        """Generate beats, or images, of nobody.

        Parameters
        ----------
        n_samples : int, default=1
            How many. Each has a pseudo-identity of its own.
        labels : array-like of shape (n_samples,), optional
            Class of each; by default as often as in the training data.
        random_state : int, RandomState or None, default=None
            Source of the draws; None is new every time.

        Returns
        -------
        X : ndarray of shape (n_samples, n_leads, n_times)
            In mV, or (n_samples, n_times) if `fit` saw rows. Of an image of several beats,
            the first one.

        Raises
        ------
        ValueError
            If a label was not seen in `fit`, or there are not `n_samples` of them.
        """
        check_is_fitted(self)
        rng = np.random.default_rng(
            None if random_state is None else check_random_state(random_state).randint(2**31)
        )
        codes = codes_to_sample(n_samples, labels, self.classes_, self.class_shares_, rng)
        z = rng.standard_normal((n_samples, self.n_latent_record + self.n_latent_beat))
        condition = np.tile(one_hot(codes, len(self.classes_)), self._windows_per_image)
        model = self._model()
        images = np.concatenate(
            [model.generate(z[rows], condition[rows]) for rows in gen_batches(n_samples, CHUNK)]
        )
        traces = self.pictures_.read(images).reshape(n_samples, -1, self.n_times_)
        return traces[:, 0] if fitted_on_rows(self) else traces[:, : self.n_leads_]

    def _learn(self, beats: BeatSet, y: Any, seed: int, context: Any) -> None:
        size = check_learnable(beats, self.imager, self.image_shape)
        labels = beats.labels
        if labels is None:
            labels = np.full(len(beats.beats), "")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.class_shares_ = np.bincount(codes) / len(codes)
        if self.architecture == "classifier" and len(self.classes_) < 2:
            raise ValueError(
                "architecture='classifier' names classes, but all beats are of one; give "
                "labels of two or more, or take another architecture."
            )
        n_blended = 1 if size is not None else self.n_blended
        seen, seen_codes, held, held_codes = split_records(
            beats, codes, self.holdout, n_blended
        )
        members, owner = group_windows(seen, self._windows_per_image)
        traces = traces_of(seen.beats, members)
        self.pictures_ = Pictures.learn(traces, self.imager, size)
        images = self.pictures_.paint(traces)
        condition = one_hot(seen_codes[members], len(self.classes_))
        common = 1 / np.sqrt(np.maximum(np.bincount(seen_codes), 1))
        self.device_ = resolve_device(self.device)
        with seeded(seed):
            self._n_views = N_VIEWS if owner[-1] + 1 < len(owner) else 1
            self._n_drawn = min(self.epoch_size, len(images))
            self.net_ = self._build_net()
            held_members, _ = group_windows(held, self._windows_per_image)
            watch = watch_of(
                self,
                (images, condition),
                self.pictures_.paint(traces_of(held.beats, held_members)),
                one_hot(held_codes[held_members], len(self.classes_)),
            )
            X = {
                "images": self._tensor(images),
                "condition": self._tensor(condition),
                "weight": self._tensor(common[seen_codes][members].mean(axis=1)),
                "record": torch.from_numpy(owner).to(self.device_),
            }
            self.history_ = train_gan(self.net_, X, watch, estimator=self, context=context)
        self.n_iter_ = len(self.history_["dur"])
        self.net_ = without_adversary(self.net_, self._build_net)
        if (message := watch.warning()) is not None:
            warnings.warn(message, GANTrainingWarning, stacklevel=4)

    def _build_net(self) -> GANNet:
        return gan_net(
            self.architecture,
            self.pictures_.shape,
            n_classes=len(self.classes_),
            n_windows=self._windows_per_image,
            n_filters=self.n_filters,
            n_record=self.n_latent_record,
            n_beat=self.n_latent_beat,
            n_views=self._n_views,
            n_drawn=self._n_drawn,
            lr=self.lr,
            discriminator_lr=self.discriminator_lr,
            reconstruction_weight=self.reconstruction,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            device=self.device_,
        )

    def _settle(self, first: BeatSet, draws: Draws) -> NDArray[np.float64] | None:
        """Return the latent of each record below full strength: its mean inversion."""
        if self.strength == 1:
            return None
        members, owner = group_windows(first, self._windows_per_image)
        traces = traces_of(first.beats, members)
        return self._model().mean_inversion(self.pictures_, traces, owner, self.n_latent_record)

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        members, owner = group_windows(beats, self._windows_per_image)
        codes = None
        if beats.labels is not None and self.classes_.tolist() != [""]:
            codes = codes_of(beats.labels, self.classes_)
        latents = latents_of(draws, owner, self.n_latent_record, self.n_latent_beat)
        traces = traces_of(beats.beats, members)
        model = self._model()
        new = np.empty(traces.shape)
        for rows in gen_batches(len(members), CHUNK):
            images = self.pictures_.paint(traces[rows])
            known = None if codes is None else one_hot(codes[members[rows]], len(self.classes_))
            settled = None if draws.settled is None else draws.settled[owner[rows]]
            images = model.redraw(images, latents[rows], known, settled, self.strength)
            new[rows] = self.pictures_.read(images).reshape(new[rows].shape)
        values = np.empty(beats.beats.shape)
        values[members] = new.reshape(*members.shape, *beats.beats.shape[1:])
        return beats.with_beats(values)

    @property
    def _windows_per_image(self) -> int:
        return 1 if self.imager is None else self.imager.windows_per_image

    def _model(self) -> Inference:
        return Inference(self.net_, self.device_)

    def _tensor(self, values: NDArray) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32).to(self.device_)
