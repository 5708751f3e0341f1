"""What flow and noise fields share: input, training, protection and release."""

from __future__ import annotations

import copy
import hashlib
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_ecganon._validation import Beats, check_beats, check_layout
from sklearn_ecganon.anonymizers._base import BaseAnonymizer
from sklearn_ecganon.anonymizers._gan_image._pictures import check_learnable
from sklearn_ecganon.anonymizers._perturbation._protection import protection_of, soften
from sklearn_ecganon.networks._field import N_DRAWN, NoiseField
from sklearn_ecganon.networks._verifier import PairLoss
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training._adversarial import train_watched
from sklearn_ecganon.training._nets import (
    FIXED,
    NetStateMixin,
    resolve_device,
    seeded,
    single_thread,
)
from sklearn_ecganon.training._perturbation import (
    PerturbationNet,
    PerturbationWatch,
    ResidentPartners,
)

# Learning rate for signals and for images.
LR = {1: 1e-3, 2: 1e-4}
# Samples (pixels) at a time: what the processor's cache holds, whatever their number.
CHUNK = 2**18
# Beats of one record and class that the verifier sees as one: their mean.
BEATS_PER_VIEW = 8
# Edge of a protected region in samples, at least.
EDGE = 4.0


class BasePerturbation(NetStateMixin, BaseAnonymizer):
    """A field for each record, predicted by a U-Net that was trained against a verifier.

    A method writes ``__init__`` and

    ``_module()``
        Class and own parameters of the generator.
    ``_units()``
        What the net's field is multiplied by for `field`.
    ``_edge()``
        Length in samples over which a field fades around what is protected.
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        "protect": ["array-like", callable, HasMethods("predict"), None],
        "image_shape": ["array-like", None],
        "n_filters": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "pretraining": [Interval(Real, 0, 1, closed="both")],
        "classifier_weight": [Interval(Real, 0, None, closed="left")],
        "verification_weight": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither"), None],
        "judge_lr": [Interval(Real, 0, None, closed="left")],
        "checkpoint": [str, os.PathLike, None],
        "device": [str],
    }
    # Set in the copies that `of_one_record` makes.
    _usual_of_record: NDArray | None = None

    def __init__(
        self,
        strength: float = 1.0,
        *,
        protect: ArrayLike | Callable[..., ArrayLike] | Any = None,
        image_shape: tuple[int, int] | None = None,
        n_filters: int = 8,
        max_epochs: int = 100,
        pretraining: float = 0.2,
        classifier_weight: float = 1.0,
        verification_weight: float = 1.0,
        batch_size: int = 64,
        lr: float | None = None,
        judge_lr: float = 1e-3,
        checkpoint: str | os.PathLike | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.protect = protect
        self.image_shape = image_shape
        self.n_filters = n_filters
        self.max_epochs = max_epochs
        self.pretraining = pretraining
        self.classifier_weight = classifier_weight
        self.verification_weight = verification_weight
        self.batch_size = batch_size
        self.lr = lr
        self.judge_lr = judge_lr
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state

    @abstractmethod
    def _module(self) -> tuple[type[NoiseField], dict[str, Any]]: ...

    @abstractmethod
    def _units(self) -> float | NDArray[np.float64]: ...

    def _edge(self) -> float:
        return EDGE

    def field(self, X: BeatSet | ArrayLike) -> NDArray[np.float64]:
        """Return the field that `transform` puts to use on each row.

        Strength and protection are in it; what is protected has 0.

        Parameters
        ----------
        X : BeatSet or array-like
            Beats or images as in `transform`.

        Returns
        -------
        field : ndarray of shape (n_beats, n_components, ...)
            Of a flow: displacement in samples along each axis of a signal or an image. Of
            noise: what is added to each lead, in the units of X.
        """
        check_is_fitted(self)
        beats = check_beats(self, X, reset=False)
        check_layout(
            self, self._layout(beats), (self.n_leads_, self.n_times_, self.sampling_rate_)
        )
        mask = protection_of(self.protect, beats, self.size_)
        parts = [part.cpu().numpy() for _, part in self._fields(beats, mask)]
        return np.concatenate(parts) * self._units()

    def of_one_record(self, first: BeatSet) -> Self:
        """Return a copy that takes all it is given for stretches of one record.

        Parameters
        ----------
        first : BeatSet
            The first stretch that has beats: its mean beat decides about the field.

        Returns
        -------
        model : object
            A copy with the same weights and salt.
        """
        other = super().of_one_record(first)
        other._usual_of_record = first.beats.astype(np.float64).mean(axis=0)
        return other

    def _fit_beats(
        self, beats: Beats, labels: NDArray | None, y: Any, seed: int, context: Any
    ) -> None:
        subject = _check_subjects(y, beats)
        size = check_learnable(beats, None, self.image_shape)
        self.size_ = size or beats.values.shape[2:]
        self.n_channels_ = 1 if size else self.n_leads_
        low, high = np.quantile(beats.values, [0.001, 0.999])
        if low == high:
            low, high = beats.values.min(), beats.values.max()
        self.low_, self.range_ = float(low), float(high - low)
        codes = np.zeros(len(beats.values), dtype=np.intp)
        self.classes_ = np.array([""])
        if labels is not None:
            self.classes_, codes = np.unique(labels, return_inverse=True)
        # Kept: what a release, an attacker and a loaded model use is what was trained.
        self._settings = self._module()[1]
        X = self._views(beats, codes, subject)
        if y is not None and len(X["subject"]) == X["subject"][-1] + 1:
            raise ValueError(
                f"no genuine pair possible: y names {len(X['subject'])} subjects with one row "
                "each; give two or more of some, or leave y out, and each row is paired with "
                "another view of itself."
            )
        self.device_ = resolve_device(self.device)
        with seeded(seed):
            self.net_ = self._build_net()
            tensors = {name: torch.from_numpy(x).to(self.device_) for name, x in X.items()}
            watch = PerturbationWatch(checkpoint=self.checkpoint, stamp=self._stamp(X))
            self.history_ = train_watched(
                self.net_, tensors, watch, estimator=self, context=context
            )
        self.n_iter_ = len(self.history_["dur"])
        # What the judges have learnt of the training data is not kept.
        with seeded(0):
            trained, self.net_ = self.net_.module_, self._build_net()
        self.net_.module_.load_state_dict(trained.state_dict())

    def _build_net(self) -> PerturbationNet:
        module, own = self._module()[0], self._settings
        n_dims = len(self.size_)
        settings: dict[str, Any] = {f"module__{name}": value for name, value in own.items()}
        settings |= {**FIXED, "iterator_train": ResidentPartners}
        net = PerturbationNet(
            module,
            module__size=self.size_,
            module__n_channels=self.n_channels_,
            module__n_filters=self.n_filters,
            discriminator__n_dims=n_dims,
            discriminator__n_channels=self.n_channels_,
            discriminator__n_classes=len(self.classes_),
            discriminator__width=self.n_filters,
            discriminator_lr=self.judge_lr,
            pretrain_epochs=round(self.pretraining * self.max_epochs),
            classifier_weight=self.classifier_weight,
            verification_weight=self.verification_weight,
            criterion=PairLoss,
            optimizer=torch.optim.Adam,
            lr=LR[n_dims] if self.lr is None else self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            device=self.device_,
            **settings,
        )
        return net.initialize()

    def _views(
        self, beats: Beats, codes: NDArray[np.intp], subject: NDArray[np.intp]
    ) -> dict[str, NDArray]:
        """Return what the nets learn from: means of a few beats of one record and class."""
        of_subject = subject[beats.record]
        order = np.lexsort((codes, beats.record, of_subject))
        kind = np.column_stack([beats.record, codes])[order]
        begins = np.r_[True, (np.diff(kind, axis=0) != 0).any(axis=1)]
        run = np.flatnonzero(begins)
        within = np.arange(len(order)) - run[np.cumsum(begins) - 1]
        start = np.flatnonzero(within % BEATS_PER_VIEW == 0)
        count = np.diff(start, append=len(order))
        summed = np.add.reduceat(beats.values[order], start, axis=0, dtype=np.float64)
        rows = self._scaled(summed / count[:, np.newaxis, np.newaxis])
        mask = protection_of(self.protect, beats, self.size_)
        freedom = 1 - soften(mask, self._edge())
        if len(freedom) > 1:
            freedom = np.minimum.reduceat(freedom[order], start, axis=0)
        freedom = np.broadcast_to(freedom, (len(rows), *freedom.shape[1:]))
        first = order[start]
        who = np.c_[of_subject, beats.record][first]
        record = np.unique(who, axis=0, return_inverse=True)[1].reshape(-1)
        people = np.unique(of_subject[first], return_inverse=True)[1]
        return {
            "rows": rows.astype(np.float32),
            "freedom": freedom.astype(np.float32),
            "code": codes[first],
            "subject": people,
            "record": record,
        }

    def _stamp(self, X: dict[str, NDArray]) -> dict[str, str]:
        """Return what tells this training from another one, for the checkpoint."""
        # What is protected is in the data: the freedom of each view.
        left_out = {"strength", "protect", "checkpoint", "device"}
        if not isinstance(self.random_state, Integral):
            left_out.add("random_state")
        parameters = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if name not in left_out
        }
        data = hashlib.blake2b(digest_size=16)
        for array in X.values():
            data.update(np.ascontiguousarray(array).data)
        return {"data": data.hexdigest(), "parameters": repr(parameters)}

    def _anonymize(self, beats: Beats, labels: NDArray | None) -> NDArray:
        mask = protection_of(self.protect, beats, self.size_)
        new = np.empty((len(beats.values), self.n_channels_, *self.size_))
        module = self._generator()
        for rows, field in self._fields(beats, mask):
            images = self._tensor(self._scaled(beats.values[rows]))
            with torch.no_grad(), single_thread():
                perturbed = module.perturb(images, field)
            new[rows] = perturbed.cpu().numpy() * self.range_ + self.low_
        original = beats.values.reshape(new.shape)
        return np.where(mask == 1, original, new).reshape(beats.values.shape)

    def _fields(self, beats: Beats, mask: NDArray) -> Iterator[tuple[slice, Tensor]]:
        """Yield some rows, and the field of their record on each of them."""
        module = self._generator()
        usual = self._usual(beats)
        drawn = self._draw_for_records(beats, N_DRAWN)
        freedom = 1 - soften(mask, self._edge())
        for rows in gen_batches(len(beats.values), max(CHUNK // beats.values[0].size, 1)):
            records, place = np.unique(beats.record[rows], return_inverse=True)
            x = self._tensor(self._scaled(usual[records]))
            free = self._tensor(freedom[rows] if len(freedom) > 1 else freedom)
            with torch.no_grad(), single_thread():
                field = module.field(x, self._tensor(drawn[records]))
            yield rows, self.strength * free * field[torch.from_numpy(place).to(self.device_)]

    def _usual(self, beats: Beats) -> NDArray:
        """Return the mean beat of each record: averaging its beats undoes nothing."""
        if self._usual_of_record is not None:
            shape = (beats.n_records, *beats.values.shape[1:])
            return np.broadcast_to(self._usual_of_record, shape)
        if beats.source is None:
            return beats.values
        usual = np.zeros((beats.n_records, *beats.values.shape[1:]))
        records, start, count = np.unique(beats.record, return_index=True, return_counts=True)
        summed = np.add.reduceat(beats.values, start, axis=0)
        usual[records] = summed / count[:, np.newaxis, np.newaxis]
        return usual

    def _scaled(self, values: NDArray) -> NDArray[np.float64]:
        """Return rows (n_rows, n_channels, *size) for the nets."""
        scaled = (values.astype(np.float64) - self.low_) / self.range_
        return scaled.reshape(-1, self.n_channels_, *self.size_)

    def _generator(self) -> Any:
        # In float64 a row's answer does not depend on the batch it came in.
        return copy.deepcopy(self.net_.module_).double().eval()

    def _tensor(self, values: NDArray) -> Tensor:
        return torch.from_numpy(np.array(values, dtype=np.float64)).to(self.device_)


def _check_subjects(y: Any, beats: Beats) -> NDArray[np.intp]:
    """Return the number of each record's subject; without y each record is one."""
    if beats.n_records < 2:
        raise ValueError(
            f"n_samples={beats.n_records}: a verifier learns from pairs of two people; give "
            "records (rows) of 2 or more."
        )
    if y is None:
        return np.arange(beats.n_records)
    y = np.asarray(y)
    if y.shape != (beats.n_records,):
        raise ValueError(
            f"y has shape {y.shape}; want the subject of each of the {beats.n_records} records."
        )
    names, subject = np.unique(y, return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"y names a single subject, {names.tolist()[0]!r}: a verifier learns from pairs "
            "of two people; give records of others, or leave y out."
        )
    return subject
