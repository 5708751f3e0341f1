"""Shared base of flow and noise fields: input, training, protection and release."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._validation import fitted_on_rows
from sklearn_ecganon.anonymizers._perturbation._protection import protection_of
from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.networks import N_DRAWN, NoiseField
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training import (
    EDGE,
    FIELD_CHUNK,
    FIELD_CONSTRAINTS,
    NOT_TRAINED,
    FieldInference,
    NetStateMixin,
    PerturbationNet,
    PerturbationWatch,
    checkpoint_stamp,
    perturbation_net,
    refuse_single_rows,
    resolve_device,
    seeded,
    soften,
    subject_numbers,
    train_watched,
    value_range,
    without_adversary,
)

# Number of beats of one record and class whose mean is one training row.
BEATS_PER_VIEW = 8


class BasePerturbation(NetStateMixin, BaseAnonymizer):
    """Base class of methods in which a U-Net, trained against a verifier, predicts a field.

    A method writes ``__init__`` and

    ``_module()``
        Return the class of the generator, and its specific parameters.
    ``_units()``
        Return the factor that converts the field of the net to that of `field`.
    ``_edge()``
        Return the length in samples over which a field fades around protected samples.
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        **FIELD_CONSTRAINTS,
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        protect: ArrayLike | Callable[..., ArrayLike] | Any = None,
        n_filters: int = 8,
        max_epochs: int = 100,
        pretraining: float = 0.2,
        classifier_weight: float = 1.0,
        verification_weight: float = 1.0,
        batch_size: int = 64,
        lr: float = 1e-3,
        auxiliary_lr: float = 1e-3,
        checkpoint: str | os.PathLike | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.protect = protect
        self.n_filters = n_filters
        self.max_epochs = max_epochs
        self.pretraining = pretraining
        self.classifier_weight = classifier_weight
        self.verification_weight = verification_weight
        self.batch_size = batch_size
        self.lr = lr
        self.auxiliary_lr = auxiliary_lr
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
        """Return the field that `transform` applies to each beat.

        The field includes strength and protection, and is 0 where a sample is protected.

        Parameters
        ----------
        X : BeatSet or array-like
            Beats as in `transform`.

        Returns
        -------
        field : ndarray of shape (n_beats, n_components, n_times)
            For a flow field there is one component, the displacement in samples. For a
            noise field the components are the values added to each lead, in mV.
        """
        check_is_fitted(self)
        beats = self._validated(X)
        draws = Draws(self.salt_.tobytes(), beats)
        draws = replace(draws, settled=self._settle(beats, draws))
        chunks = [field for _, field in self._fields(beats, draws, self._protection(beats))]
        return np.concatenate(chunks) * self._units()

    def _learn(self, beats: BeatSet, y: Any, seed: int, context: Any) -> None:
        subject = subject_numbers(y, len(beats))
        self.low_, self.range_ = value_range(beats.beats)
        codes = np.zeros(len(beats.beats), dtype=np.intp)
        self.classes_ = np.array([""])
        if beats.labels is not None:
            self.classes_, codes = np.unique(beats.labels, return_inverse=True)
        # A release, an attacker and a loaded model use the settings of the training.
        self._settings = self._module()[1]
        X = self._views(beats, codes, subject)
        if y is not None:
            refuse_single_rows(X["subject"])
        self.device_ = resolve_device(self.device)
        with seeded(seed):
            self.net_ = self._build_net()
            tensors = {name: torch.from_numpy(x).to(self.device_) for name, x in X.items()}
            stamp = checkpoint_stamp(self, X.values(), left_out=NOT_TRAINED)
            watch = PerturbationWatch(checkpoint=self.checkpoint, stamp=stamp)
            self.history_ = train_watched(
                self.net_, tensors, watch, estimator=self, context=context
            )
        self.n_iter_ = len(self.history_["dur"])
        self.net_ = without_adversary(self.net_, self._build_net)

    def _build_net(self) -> PerturbationNet:
        return perturbation_net(
            self._module()[0],
            size=(self.n_times_,),
            n_channels=self.n_leads_,
            n_classes=len(self.classes_),
            n_filters=self.n_filters,
            max_epochs=self.max_epochs,
            pretraining=self.pretraining,
            classifier_weight=self.classifier_weight,
            verification_weight=self.verification_weight,
            batch_size=self.batch_size,
            lr=self.lr,
            auxiliary_lr=self.auxiliary_lr,
            device=self.device_,
            **self._settings,
        )

    def _views(
        self, beats: BeatSet, codes: NDArray[np.intp], subject: NDArray[np.intp]
    ) -> dict[str, NDArray]:
        """Return the training data: means of up to 8 beats of a record and class."""
        of_subject = subject[beats.record]
        order = np.lexsort((codes, beats.record, of_subject))
        group = np.column_stack([beats.record, codes])[order]
        begins = np.r_[True, (np.diff(group, axis=0) != 0).any(axis=1)]
        run = np.flatnonzero(begins)
        within = np.arange(len(order)) - run[np.cumsum(begins) - 1]
        start = np.flatnonzero(within % BEATS_PER_VIEW == 0)
        count = np.diff(start, append=len(order))
        summed = np.add.reduceat(beats.beats[order], start, axis=0, dtype=np.float64)
        rows = self._scaled(summed / count[:, np.newaxis, np.newaxis])
        mask = self._protection(beats)
        freedom = 1 - soften(mask, self._edge())
        if len(freedom) > 1:
            freedom = np.minimum.reduceat(freedom[order], start, axis=0)
        freedom = np.broadcast_to(freedom, (len(rows), *freedom.shape[1:]))
        first = order[start]
        owners = np.c_[of_subject, beats.record][first]
        record = np.unique(owners, axis=0, return_inverse=True)[1].reshape(-1)
        people = np.unique(of_subject[first], return_inverse=True)[1]
        return {
            "rows": rows.astype(np.float32),
            "freedom": freedom.astype(np.float32),
            "code": codes[first],
            "subject": people,
            "record": record,
        }

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        mask = self._protection(beats)
        model = FieldInference(self.net_.module_, self.device_)
        new = np.empty(beats.beats.shape)
        for rows, field in self._fields(beats, draws, mask):
            perturbed = model.perturb(self._scaled(beats.beats[rows]), field)
            new[rows] = perturbed * self.range_ + self.low_
        return beats.with_beats(np.where(mask == 1, beats.beats, new))

    def _protection(self, beats: BeatSet) -> NDArray[np.float64]:
        """Return the protection of each sample, from 0 to 1."""
        return protection_of(self.protect, beats, flat=fitted_on_rows(self))

    def _fields(
        self, beats: BeatSet, draws: Draws, mask: NDArray
    ) -> Iterator[tuple[slice, NDArray]]:
        """Yield slices of the beats, each with the field of the record on every beat."""
        model = FieldInference(self.net_.module_, self.device_)
        numbers = draws.for_records(N_DRAWN)
        freedom = 1 - soften(mask, self._edge())
        n_rows = max(FIELD_CHUNK // beats.beats[0].size, 1)
        for rows in gen_batches(len(beats.beats), n_rows):
            records, place = np.unique(beats.record[rows], return_inverse=True)
            field = model.field(self._scaled(draws.settled[records]), numbers[records])
            free = freedom[rows] if len(freedom) > 1 else freedom
            yield rows, self.strength * free * field[place]

    def _settle(self, first: BeatSet, draws: Draws) -> NDArray[np.float64]:
        """Return the mean beat of each record, from which its field is predicted.

        All beats of a record share one field, so that averaging them does not remove it.
        """
        means = np.zeros((len(first), *first.beats.shape[1:]))
        records, start, count = np.unique(first.record, return_index=True, return_counts=True)
        summed = np.add.reduceat(first.beats, start, axis=0, dtype=np.float64)
        means[records] = summed / count[:, np.newaxis, np.newaxis]
        return means

    def _scaled(self, values: NDArray) -> NDArray[np.float64]:
        """Return beats (n_rows, n_leads, n_times) scaled for the nets."""
        return (values.astype(np.float64) - self.low_) / self.range_
