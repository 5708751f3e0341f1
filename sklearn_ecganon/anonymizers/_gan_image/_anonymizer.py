"""Beats as pictures that an adversarial network draws anew."""

from __future__ import annotations

import copy
import hashlib
import os
import warnings
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_ecganon._validation import fitted_on_rows
from sklearn_ecganon.anonymizers._gan_image._blending import blend
from sklearn_ecganon.anonymizers._gan_image._pictures import (
    Pictures,
    check_learnable,
    group_windows,
)
from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.imaging import BeatImager
from sklearn_ecganon.networks._gan import InvertibleGenerator
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training._gan import (
    MAX_WATCHED,
    GANNet,
    GANTrainingWarning,
    GANWatch,
    NonSaturatingLoss,
    ResidentGroups,
    WassersteinLoss,
    diversity_of,
    train_gan,
)
from sklearn_ecganon.training._nets import (
    FIXED,
    NetStateMixin,
    resolve_device,
    seeded,
    single_thread,
)

# Images at a time: what the processor's cache holds, whatever their number.
CHUNK = 256
# Images of one record that the discriminator sees beside each other.
N_VIEWS = 2
# Strength from which on nothing of an original is added to what its latent gives.
NOTHING_ADDED = 0.25


class Recipe(NamedTuple):
    """What makes one kind of GAN different from the others."""

    criterion: type
    classifies: bool
    normalized: bool
    gradient_penalty: bool
    n_critic: int
    betas: tuple[float, float]


ARCHITECTURES = {
    "dcgan": Recipe(NonSaturatingLoss, False, True, False, 1, (0.0, 0.99)),
    "wgan-gp": Recipe(WassersteinLoss, False, False, True, 3, (0.0, 0.9)),
    "classifier": Recipe(NonSaturatingLoss, True, True, False, 1, (0.0, 0.99)),
}


class _Inference:
    """Runs a generator on arrays, in float64: no row depends on the batch it came in."""

    def __init__(self, module: InvertibleGenerator, device: str) -> None:
        self.module = copy.deepcopy(module).double().eval()
        self.device = device

    def generate(self, z: NDArray, condition: NDArray) -> NDArray[np.float64]:
        with torch.no_grad(), single_thread():
            return self.module.generate(*self._tensors(z, condition)).cpu().numpy()

    def invert(self, images: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        with torch.no_grad(), single_thread():
            latent, logits = self.module.invert(*self._tensors(images))
            return latent.cpu().numpy(), logits.cpu().numpy()

    def _tensors(self, *arrays: NDArray) -> list[Tensor]:
        return [torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for a in arrays]


class GANImageAnonymizer(NetStateMixin, BaseAnonymizer):
    """Give each record beats of its own classes, generated for it by a GAN of images.

    Beats become images, and a conditional generative adversarial network learns to make
    images of each class. The generator's input is in two parts: one draw that all beats of
    a record share, the pseudo-identity, and another for each beat. At full strength nothing
    of a beat is kept but its class, and the time of its R peak.

    Works on images as well, for example X-rays, if `image_shape` says so. Each is then a
    record of its own.

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
        Makes images of beats; with `windows_per_image` above 1 of so many consecutive beats
        of a record. None is ``BeatImager("stack", standardization="z-score")``, a row a
        lead. An image that is one line makes all convolutions one-dimensional: a plain
        generator of signals. One of a square, as ``"raster"`` makes it, has the same size.
    image_shape : (int, int), optional
        Says that X holds images of this height and width, as (n, h, w) or flattened.
    n_blended : int, default=10
        Records in each of the blended hearts that the networks learn from instead of
        anybody's own: sums of their beats, class by class, with weights that leave mean and
        covariance as they are, then made larger or smaller, slower or faster. 3 or more; 1
        shows them the records themselves. Images (`image_shape`) are not blended.
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
        Share of the records that is not trained on: training is judged by the distance of
        generated images from theirs (maximum mean discrepancy), and the weights that come
        nearest are kept.
    patience : int or None, default=20
        Epochs without a smaller distance after which training ends; None never ends it.
    checkpoint : str or path, default=None
        File that is written after every epoch, and gone on from if it is there: a training
        that was interrupted ends with the same weights, bit for bit. It holds weights and
        a hash of the data, no sample.
    sampling_rate : float, default=250.0
        Rate of array input in Hz. A BeatSet brings its own.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or whichever is there.
    random_state : int, RandomState instance or None, default=None
        Seeds training, and makes the salt. A salt made from a number can be made again by
        anyone who guesses the number: leave None for a release.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The fitted net. `module_` holds the averaged generator with its encoder.
    classes_ : ndarray of str
        Classes of beats seen in `fit`; a single one if they had no labels.
    class_shares_ : ndarray of shape (n_classes,)
        How often each was seen.
    history_ : dict of str to ndarray of shape (n_epochs,)
        ``generator_loss`` and ``discriminator_loss``; ``discriminator_accuracy``, how often
        a real image scores higher than a generated one; ``generator_gradient``, norm at its
        last layer; ``reconstruction``, mean squared error of standardized pixels;
        ``class_accuracy``, of the auxiliary classifier on generated images (else NaN);
        ``distance``, squared maximum mean discrepancy from the hold-out; ``diversity`` of
        images of one class, over that of real ones; ``dur``, seconds.
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
    Trained on few subjects it remembers them: `MembershipInferenceScorer` told the 22 people
    of MIT-BIH's DS1 from others with an AUC of 0.78 to 0.93 where the networks had learnt
    from records as they are (``n_blended=1``), and of 0.59 to 0.68 with blends of ten; 0.5 is
    guessing. Measure it on a model of yours before it leaves the house.

    Source: [1]_, who arrange an ECG as an image, train a GAN on it and decode what it
    generates. Deviations:

    - A record's beats are generated for it: of its classes, at its R peaks, with one latent
      for all. The discriminator sees two beats of a record at a time, and so learns what
      belongs together [2]_.
    - An encoder inverts the generator; the strength between 0 and 1 goes through the latent,
      ``sqrt(1 - strength)`` of the inversion plus ``sqrt(strength)`` of the draw. What the
      inversion misses would tell who it was at any strength: it is added back below 0.25
      only, less and less, so that there is no step at 0. Where a beat comes without its
      class, the encoder names it.
    - Normalization is over groups of channels, and never over rows; upsampling is bilinear.
      Discriminators of ``"dcgan"`` and ``"classifier"`` have spectral norm.
    - The weights are a running average, at the epoch that came nearest to the hold-out.

    What the class of each beat and the rhythm tell of a person stays, at any strength: the
    floor of :class:`~sklearn_ecganon.attacks.ReidentificationScorer` measures it.

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
        "architecture": [StrOptions(set(ARCHITECTURES))],
        "imager": [BeatImager, None],
        "image_shape": ["array-like", None],
        "n_blended": [Options(Integral, {1}), Interval(Integral, 3, None, closed="left")],
        "n_latent_record": [Interval(Integral, 1, None, closed="left")],
        "n_latent_beat": [Interval(Integral, 1, None, closed="left")],
        "n_filters": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "epoch_size": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "discriminator_lr": [Interval(Real, 0, None, closed="left")],
        "reconstruction": [Interval(Real, 0, None, closed="left")],
        "holdout": [Interval(Real, 0, 1, closed="neither")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "checkpoint": [str, os.PathLike, None],
        "sampling_rate": [Interval(Real, 0, None, closed="neither")],
        "device": [str],
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
            In mV, or (n_samples, n_times) if `fit` saw rows. Where an image holds several
            beats, they are its first ones, of the same class. Images have the shape of
            those that `fit` saw.

        Raises
        ------
        ValueError
            If a label was not seen in `fit`, or there are not `n_samples` of them.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"n_samples is {n_samples}; ask for 1 or more.")
        rng = np.random.default_rng(
            None if random_state is None else check_random_state(random_state).randint(2**31)
        )
        if labels is None:
            codes = rng.choice(len(self.classes_), n_samples, p=self.class_shares_)
        else:
            labels = np.asarray(labels)
            if labels.shape != (n_samples,):
                raise ValueError(f"labels has shape {labels.shape}; want ({n_samples},).")
            codes = self._codes(labels)
        z = rng.standard_normal((n_samples, self.n_latent_record + self.n_latent_beat))
        n_windows = self._windows_per_image
        condition = np.tile(np.eye(len(self.classes_))[codes], n_windows)
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
        out = self._holdout(beats.record, codes)
        held, seen = _subset(beats, out), _subset(beats, ~out)
        seen_codes = codes[~out]
        if self.n_blended > 1 and size is None:
            # The same whatever the seed, as the hold-out is.
            rng = np.random.default_rng(0)
            values, run = blend(seen.beats, seen.record, seen_codes, self.n_blended, rng)
            seen = _of_records(seen, values, run)
        members, owner = group_windows(seen, self._windows_per_image)
        traces = _traces(seen.beats, members)
        self.pictures_ = Pictures.learn(traces, self.imager, size)
        images, condition = self.pictures_.paint(traces), self._condition(seen_codes[members])
        common = 1 / np.sqrt(np.maximum(np.bincount(seen_codes), 1))
        self.device_ = resolve_device(self.device)
        with seeded(seed):
            self._n_views = N_VIEWS if owner[-1] + 1 < len(owner) else 1
            self._n_drawn = min(self.epoch_size, len(images))
            self.net_ = self._build_net()
            watch = self._watch(images, condition, held, codes[out])
            X = {
                "images": self._tensor(images),
                "condition": self._tensor(condition),
                "weight": self._tensor(common[seen_codes][members].mean(axis=1)),
                "record": torch.from_numpy(owner).to(self.device_),
            }
            self.history_ = train_gan(self.net_, X, watch, estimator=self, context=context)
        self.n_iter_ = len(self.history_["dur"])
        # What the discriminator has learnt of the training data is not kept.
        with seeded(0):
            trained, self.net_ = self.net_.module_, self._build_net()
        self.net_.module_.load_state_dict(trained.state_dict())
        message = watch.warning()
        if message is not None:
            warnings.warn(message, GANTrainingWarning, stacklevel=4)

    def _build_net(self) -> GANNet:
        recipe = ARCHITECTURES[self.architecture]
        n_channels, height, width = self.pictures_.shape
        shape = {"n_channels": n_channels, "height": height, "width": width}
        shape |= {
            "n_conditions": self._windows_per_image * len(self.classes_),
            "n_filters": self.n_filters,
        }
        settings: dict[str, Any] = {
            **{f"module__{name}": value for name, value in shape.items()},
            **{f"discriminator__{name}": value for name, value in shape.items()},
            **FIXED,
            "iterator_train": ResidentGroups,
            "iterator_train__n_views": self._n_views,
            "iterator_train__n_drawn": self._n_drawn,
        }
        net = GANNet(
            InvertibleGenerator,
            module__n_record=self.n_latent_record,
            module__n_beat=self.n_latent_beat,
            discriminator__n_views=self._n_views,
            discriminator__classifies=recipe.classifies,
            discriminator__normalized=recipe.normalized,
            criterion=recipe.criterion,
            optimizer=torch.optim.Adam,
            optimizer__betas=recipe.betas,
            lr=self.lr,
            discriminator_lr=self.discriminator_lr,
            n_classes=len(self.classes_),
            n_critic=recipe.n_critic,
            gradient_penalty=recipe.gradient_penalty,
            reconstruction_weight=self.reconstruction,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            device=self.device_,
            **settings,
        )
        return net.initialize()

    def _settle(self, first: BeatSet, draws: Draws) -> NDArray[np.float64] | None:
        """Return the latent of each record below full strength: its mean inversion."""
        if self.strength == 1:
            return None
        members, owner = group_windows(first, self._windows_per_image)
        return self._record_latents(self._model(), _traces(first.beats, members), owner)

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        members, owner = group_windows(beats, self._windows_per_image)
        codes = None
        if beats.labels is not None and self.classes_.tolist() != [""]:
            codes = self._codes(beats.labels)
        drawn = self._latents(draws, owner)
        traces = _traces(beats.beats, members)
        model = self._model()
        new = np.empty(traces.shape)
        record = draws.settled
        for rows in gen_batches(len(members), CHUNK):
            images = self.pictures_.paint(traces[rows])
            z = drawn[rows]
            known = None if codes is None else self._condition(codes[members[rows]])
            if record is not None or known is None:
                own, logits = model.invert(images)
                known = self._named(logits) if known is None else known
            if record is not None:
                own[:, : self.n_latent_record] = record[owner[rows]]
                z = (1 - self.strength) ** 0.5 * own + self.strength**0.5 * z
                missed = images - model.generate(own, known)
                added = max(1 - self.strength / NOTHING_ADDED, 0)
                images = model.generate(z, known) + added * missed
            else:
                images = model.generate(z, known)
            new[rows] = self.pictures_.read(images).reshape(new[rows].shape)
        values = np.empty(beats.beats.shape)
        values[members] = new.reshape(*members.shape, *beats.beats.shape[1:])
        return beats.with_beats(values)

    @property
    def _windows_per_image(self) -> int:
        return 1 if self.imager is None else self.imager.windows_per_image

    def _codes(self, labels: NDArray) -> NDArray[np.intp]:
        """Return the position of each label in `classes_`."""
        if self.classes_.tolist() == [""]:
            raise ValueError(
                "fit saw no labels, and there are none to ask for; fit with labels."
            )
        unknown = sorted(set(labels.tolist()) - set(self.classes_.tolist()))
        if unknown:
            raise ValueError(
                f"label {unknown[0]!r} was not seen in fit, unlike {self.classes_.tolist()}; "
                "leave such beats out, or fit on some."
            )
        return np.searchsorted(self.classes_, labels)

    def _holdout(self, record: NDArray[np.intp], codes: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Tell which beats are held out: all of some records, and no class as a whole."""
        records, place = np.unique(record, return_inverse=True)
        has = np.zeros((len(records), codes.max() + 1), dtype=bool)
        has[place, codes] = True
        n_out = min(max(round(self.holdout * len(records)), 1), len(records) - 1)
        left, out = has.sum(axis=0), np.zeros(len(records), dtype=bool)
        # The same whatever the seed: a training that is resumed holds out the same.
        for one in np.random.default_rng(0).permutation(len(records)):
            if out.sum() < n_out and (left > has[one]).all():
                out[one] = True
                left = left - has[one]
        if not out.any():
            raise ValueError(
                "each record has a class that no other one has, so that none can be held out; "
                "give more records, or leave rare classes out."
            )
        return out[place]

    def _condition(self, codes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return one-hot codes (n_images, n_windows * n_classes) of windows' classes."""
        return np.eye(len(self.classes_))[codes].reshape(len(codes), -1)

    def _watch(
        self, images: NDArray, condition: NDArray, held: BeatSet, codes: NDArray[np.intp]
    ) -> GANWatch:
        """Return what judges by the beats held out, of these classes."""
        members, _ = group_windows(held, self._windows_per_image)
        rng = np.random.default_rng(0)
        members = rng.permutation(members)[:MAX_WATCHED]
        shown = rng.permutation(len(images))[:MAX_WATCHED]
        parameters = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if name not in ("strength", "max_epochs", "patience", "checkpoint", "device")
        }
        if not isinstance(self.random_state, Integral):
            del parameters["random_state"]
        data = hashlib.blake2b(np.ascontiguousarray(images).data, digest_size=16)
        data.update(np.ascontiguousarray(condition).data)
        return GANWatch(
            self._tensor(self.pictures_.paint(_traces(held.beats, members))),
            self._tensor(self._condition(codes[members])),
            diversity=diversity_of(self._tensor(images[shown]), self._tensor(condition[shown])),
            patience=self.patience,
            checkpoint=self.checkpoint,
            stamp={"data": data.hexdigest(), "parameters": repr(parameters)},
        )

    def _latents(self, draws: Draws, owner: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the keyed latent of each image: (n_images, n_record + n_beat)."""
        n_record, n_beat = self.n_latent_record, self.n_latent_beat
        n_images = np.bincount(owner, minlength=len(draws.beats))
        # The first numbers of a record's first stretch are those of the record.
        sizes = n_record + n_images * n_beat
        numbers = draws.for_stretches(sizes)
        start = (np.cumsum(sizes) - sizes)[owner] + n_record
        within = np.arange(len(owner)) - (np.cumsum(n_images) - n_images)[owner]
        beat = (start + within * n_beat)[:, np.newaxis] + np.arange(n_beat)
        return np.hstack([draws.for_records(n_record)[owner], numbers[beat]])

    def _record_latents(
        self, model: _Inference, traces: NDArray, owner: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return the mean inversion of each record's images: (n_records, n_record)."""
        summed = np.zeros((owner[-1] + 1, self.n_latent_record))
        for rows in gen_batches(len(owner), CHUNK):
            own, _ = model.invert(self.pictures_.paint(traces[rows]))
            np.add.at(summed, owner[rows], own[:, : self.n_latent_record])
        return summed / np.maximum(np.bincount(owner), 1)[:, np.newaxis]

    def _named(self, logits: NDArray) -> NDArray[np.float64]:
        """Return one-hot codes of the likeliest class of each window."""
        n_classes = len(self.classes_)
        likeliest = logits.reshape(len(logits), -1, n_classes).argmax(axis=2)
        return np.eye(n_classes)[likeliest].reshape(len(logits), -1)

    def _model(self) -> _Inference:
        # In training, the running average is what is shown.
        net = self.net_
        module = net.average_.module if net.n_steps_ else net.module_
        return _Inference(module, self.device_)

    def _tensor(self, values: NDArray) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32).to(self.device_)


def _subset(beats: BeatSet, chosen: NDArray[np.bool_]) -> BeatSet:
    """Return the chosen beats; their records are numbered anew."""
    record = np.unique(beats.record[chosen], return_inverse=True)[1]
    return _of_records(beats, beats.beats[chosen], record)


def _of_records(beats: BeatSet, windows: NDArray, record: NDArray[np.intp]) -> BeatSet:
    """Return training windows of other records in the layout of `beats`."""
    n_records = int(record[-1]) + 1
    return BeatSet(
        beats=windows,
        record=record,
        r_peaks=np.arange(len(windows)),  # in order, which is all that training asks for
        lengths=np.full(n_records, len(windows)),
        sampling_rate=beats.sampling_rate,
        lead_names=beats.lead_names[:1] * n_records,
        names=beats.names[:1] * n_records,
    )


def _traces(values: NDArray, members: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the traces of each image: (n_images, n_windows * n_leads, n_times)."""
    grouped = values[members].astype(np.float64)
    return grouped.reshape(len(members), -1, values.shape[2])
