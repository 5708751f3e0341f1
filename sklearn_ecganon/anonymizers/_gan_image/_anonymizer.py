"""Anonymized beats that a GAN generates as images."""

from __future__ import annotations

import os
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, Options
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._validation import fitted_on_rows
from sklearn_ecganon.anonymizers._gan_image._learning import (
    blended_images,
    private_images,
    private_options,
)
from sklearn_ecganon.anonymizers._gan_image._pictures import (
    check_learnable,
    group_windows,
    traces_of_images,
)
from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.imaging import BeatImager
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training import (
    GAN_CHUNK,
    GAN_CONSTRAINTS,
    GANInference,
    GANNet,
    NetStateMixin,
    class_codes,
    draw_codes,
    fit_gan,
    fit_private_gan,
    gan_net,
    learn_classes,
    private_seed,
    resolve_device,
)


class GANImageAnonymizer(NetStateMixin, BaseAnonymizer):
    """Replace the beats of each record by beats of the same classes that a GAN generates.

    Beats become images, and a conditional generative adversarial network (GAN) learns to
    generate images of each class. The input of the generator has two parts: one draw that
    all beats of a record share, the pseudo-identity, and one draw for each beat. At full
    strength a release keeps only the classes of the beats and the times of their R peaks.

    Parameters
    ----------
    strength : float, default=1.0
        Fraction of the variance of the latent that is drawn; the remaining variance is that
        of the inversion of the original. 0 returns the input bit for bit; 1 is synthetic.
    architecture : {"dcgan", "wgan-gp", "classifier"}, default="dcgan"
        ``"dcgan"``: convolutions, non-saturating loss, a discriminator of unit Lipschitz
        norm that knows the class. ``"wgan-gp"``: Wasserstein loss with gradient penalty.
        ``"classifier"``: an auxiliary-classifier GAN, whose discriminator predicts the
        class. ``history_["class_accuracy"]`` is its accuracy on generated images.
    imager : BeatImager or None, default=None
        Converts beats to images. With `windows_per_image` above 1 an image holds as many
        consecutive beats of a record. None is
        ``BeatImager("stack", standardization="z-score")``, with one row for each lead. For
        images of a single row all convolutions are one-dimensional, and the network is a
        plain generator of signals. It has the same size as the network for square images,
        such as those of ``"raster"``.
    n_blended : int, default=10
        Number of records in each of the blends that the networks learn from instead of
        recorded beats. A blend is a weighted sum of beats of one class. The weights
        preserve mean and covariance; amplitude and duration are then scaled by random
        factors. 3 or more; 1 trains on the records themselves.
    n_latent_record, n_latent_beat : int, default=16 and 16
        Dimensions of the latent that the beats of a record share, and of the latent of each
        beat.
    n_filters : int, default=16
        Channels of the convolutions at full size.
    max_epochs : int, default=100
        Largest number of epochs.
    epoch_size : int, default=6400
        Beats drawn in an epoch, or as many as there are. Classes are drawn by the square
        root of their size, so that rare ones are learned.
    batch_size : int, default=128
        Records of a step, each with two of its images, or as many as there are.
    lr, discriminator_lr : float, default=0.001 and 0.001
        Learning rates of Adam.
    reconstruction : float, default=5.0
        Weight, in the training of the encoder, of the error of real images that go through
        encoder and generator.
    holdout : float, default=0.1
        Fraction of the people in `y` that is not trained on; without `y`, of the records. The
        distance of generated images from theirs (maximum mean discrepancy) selects the
        weights that are kept.
    patience : int or None, default=20
        Epochs without a smaller distance after which training ends; None never ends it.
    checkpoint : str or path, default=None
        File that is written after every epoch. If it exists, training continues from it and
        ends with the same weights as without an interruption, bit for bit. It holds weights
        and a hash of the data, no sample.
    epsilon : float, default=None
        Train with differential privacy of each person in `y`. Each epoch is then one step of
        the discriminator, to which every person contributes one clipped gradient, so
        `max_epochs` should be many hundreds. The noise is chosen so that all epochs together
        spend the budget. Blends, `epoch_size`, `reconstruction`, `holdout`, `patience` and
        `checkpoint` are not used, and which classes there are is not hidden.
    delta : float, default=1e-5
        For `epsilon`: probability of a failure, below one over the number of people.
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
        The fitted net. `module_` holds the averaged generator with its encoder.
    classes_ : ndarray of str
        Beat classes seen in `fit`; a single one if there were no labels.
    class_frequencies_ : ndarray of shape (n_classes,)
        Frequency of each class.
    history_ : dict of str to ndarray of shape (n_epochs,)
        ``generator_loss`` and ``discriminator_loss``; ``discriminator_accuracy``, the
        fraction of pairs in which a real image scores higher than a generated one;
        ``generator_gradient``, its norm at the last layer; ``reconstruction``, mean squared
        error of standardized pixels; ``class_accuracy`` of the auxiliary classifier on
        generated images (else NaN); ``distance``, squared maximum mean discrepancy from the
        hold-out; ``diversity`` of images of one class, relative to real ones; ``dur``,
        seconds. With `epsilon`, also ``epsilon``, what was spent so far; figures of real
        images are NaN, because they are not private.
    n_iter_ : int
        Number of epochs.
    pictures_ : object
        Converts beats to images and back.
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
    BeatImager : Beats as images.
    ReidentificationScorer : Measures what an attacker still recognizes.

    Notes
    -----
    A GAN that learns from few subjects remembers them. `MembershipInferenceScorer`
    distinguished the 22 people of MIT-BIH's DS1 from others with an AUC of 0.78 to 0.93
    where the networks had learned from the records themselves (``n_blended=1``), and of 0.59
    to 0.68 with blends of ten; 0.5 is guessing. With people held out, which needs `y`,
    the default networks reached 0.78 and 0.64 after 20 epochs. Measure membership before you
    share a model.

    Source: [1]_, who arrange an ECG as an image, train a GAN on such images and convert what
    it generates to signals. Deviations:

    - The beats of a record are generated for that record: with its classes, at its R peaks,
      with one latent for all. The discriminator gets two beats of a record at a time, so
      that it learns which beats are of one record [2]_.
    - An encoder inverts the generator. Between 0 and 1 the strength mixes latents:
      ``sqrt(1 - strength)`` of the inversion plus ``sqrt(strength)`` of the draw. The
      residual of the inversion would identify the subject at any strength. It is added
      below 0.25 only, with a weight that falls from 1 to 0, so that there is no step at 0.
      The encoder also predicts the class of a beat that comes without one.
    - Normalization is over groups of channels, never over rows; upsampling is bilinear.
      Discriminators of ``"dcgan"`` and ``"classifier"`` have spectral norm.
    - The weights are a running average, at the epoch with the smallest distance from the
      hold-out.

    The classes of the beats and the rhythm are unchanged at any strength, and identify to
    some degree: the floor of :class:`~sklearn_ecganon.attacks.ReidentificationScorer`
    measures how much.

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
        **GAN_CONSTRAINTS,
        "imager": [BeatImager, None],
        "n_blended": [Options(Integral, {1}), Interval(Integral, 3, None, closed="left")],
        "n_latent_record": [Interval(Integral, 1, None, closed="left")],
        "n_latent_beat": [Interval(Integral, 1, None, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither"), None],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "sampling_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        architecture: str = "dcgan",
        imager: BeatImager | None = None,
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
        epsilon: float | None = None,
        delta: float = 1e-5,
        sampling_rate: float = 250.0,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.architecture = architecture
        self.imager = imager
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
        self.epsilon = epsilon
        self.delta = delta
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
        """Generate beats of people who do not exist.

        Parameters
        ----------
        n_samples : int, default=1
            Number of beats. Each has its own pseudo-identity.
        labels : array-like of shape (n_samples,), optional
            Class of each; by default drawn with the frequencies of the training data.
        random_state : int, RandomState or None, default=None
            Source of the draws; None gives other beats in every call.

        Returns
        -------
        X : ndarray of shape (n_samples, n_leads, n_times)
            In mV, or (n_samples, n_times) if `fit` saw rows. If an image holds several
            beats, its first one is returned.

        Raises
        ------
        ValueError
            If a label was not seen in `fit`, or `labels` has another length.
        """
        check_is_fitted(self)
        rng = np.random.default_rng(
            None if random_state is None else check_random_state(random_state).randint(2**31)
        )
        codes = draw_codes(labels, n_samples, self.classes_, self.class_frequencies_, rng)
        z = rng.standard_normal((n_samples, self.n_latent_record + self.n_latent_beat))
        n_windows = self._windows_per_image
        condition = np.tile(np.eye(len(self.classes_))[codes], n_windows)
        images = self._model().sample(z, condition)
        traces = self.pictures_.read(images).reshape(n_samples, -1, self.n_times_)
        return traces[:, 0] if fitted_on_rows(self) else traces[:, : self.n_leads_]

    def _learn(self, beats: BeatSet, y: Any, seed: int, context: Any) -> None:
        check_learnable(beats, self.imager)
        self.classes_, codes, self.class_frequencies_ = learn_classes(
            beats.labels, len(beats.beats), self.architecture
        )
        self.device_ = resolve_device(self.device)
        if self.epsilon is None:
            X, held_out = blended_images(self, beats, y, codes)
            fit_gan(self, self._build_net, X, held_out, seed=seed, context=context)
        else:
            seed = private_seed(seed, self.random_state)
            X = private_images(self, beats, y, codes, seed)
            fit_private_gan(self, self._build_net, X, seed=seed, context=context)

    def _build_net(self) -> GANNet:
        return gan_net(
            self,
            self.pictures_.shape,
            n_conditions=self._windows_per_image * len(self.classes_),
            n_record=self.n_latent_record,
            n_beat=self.n_latent_beat,
            n_drawn=self._n_drawn,
            n_views=self._n_views,
            **({} if self.epsilon is None else private_options(self)),
        )

    def _settle(self, first: BeatSet, draws: Draws) -> NDArray[np.float64] | None:
        """Return the latent of each record below full strength: its mean inversion."""
        if self.strength == 1:
            return None
        members, owner = group_windows(first, self._windows_per_image)
        traces, model = traces_of_images(first.beats, members), self._model()
        summed = np.zeros((owner[-1] + 1, self.n_latent_record))
        for rows in gen_batches(len(owner), GAN_CHUNK):
            latents, _ = model.invert(self.pictures_.paint(traces[rows]))
            np.add.at(summed, owner[rows], latents[:, : self.n_latent_record])
        return summed / np.maximum(np.bincount(owner), 1)[:, np.newaxis]

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        members, owner = group_windows(beats, self._windows_per_image)
        codes = None
        if beats.labels is not None and self.classes_.tolist() != [""]:
            codes = class_codes(beats.labels, self.classes_)
        latents = self._latents(draws, owner)
        traces = traces_of_images(beats.beats, members)
        model = self._model()
        new = np.empty(traces.shape)
        for rows in gen_batches(len(members), GAN_CHUNK):
            images = model.resynthesize(
                self.pictures_.paint(traces[rows]),
                latents[rows],
                None if codes is None else self._condition(codes[members[rows]]),
                None if draws.settled is None else draws.settled[owner[rows]],
                self.strength,
                len(self.classes_),
            )
            new[rows] = self.pictures_.read(images).reshape(new[rows].shape)
        values = np.empty(beats.beats.shape)
        values[members] = new.reshape(*members.shape, *beats.beats.shape[1:])
        return beats.with_beats(values)

    @property
    def _windows_per_image(self) -> int:
        return 1 if self.imager is None else self.imager.windows_per_image

    def _condition(self, codes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return one-hot codes of the classes: (n_images, n_windows * n_classes)."""
        return np.eye(len(self.classes_))[codes].reshape(len(codes), -1)

    def _latents(self, draws: Draws, owner: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the keyed latent of each image: (n_images, n_record + n_beat)."""
        n_record, n_beat = self.n_latent_record, self.n_latent_beat
        n_images = np.bincount(owner, minlength=len(draws.beats))
        # In a record's first segment the first numbers are those that its beats share.
        sizes = n_record + n_images * n_beat
        numbers = draws.for_stretches(sizes)
        start = (np.cumsum(sizes) - sizes)[owner] + n_record
        within = np.arange(len(owner)) - (np.cumsum(n_images) - n_images)[owner]
        beat = (start + within * n_beat)[:, np.newaxis] + np.arange(n_beat)
        return np.hstack([draws.for_records(n_record)[owner], numbers[beat]])

    def _model(self) -> GANInference:
        return GANInference(self.net_, self.device_)
