"""What a GAN of images learns from: images of blends, or of people who share a budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sklearn_ecganon.anonymizers._gan_image._blending import blend
from sklearn_ecganon.anonymizers._gan_image._pictures import (
    Pictures,
    group_windows,
    subset,
    traces_of_images,
    training_beats,
)
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training import (
    GROUPS_OF_A_PERSON,
    PersonPrivateGANNet,
    PrivacyBudget,
    ResidentPeople,
    hold_out,
    noise_of_steps,
    numbered_people,
)

# Images of one record, or of one person, that the discriminator sees together.
N_VIEWS = 2
# mV; the scale of images if nothing may be learned from the data. It is about the standard
# deviation of a beat.
PUBLIC_SCALE = 0.5
# The smallest frequency of a class, relative to that of equal frequencies.
SMALLEST_FREQUENCY = 0.01


def blended_images(
    estimator: Any, beats: BeatSet, y: ArrayLike | None, codes: NDArray[np.intp]
) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
    """Return what the nets learn from, blends, and what is held out: some people's beats.

    Parameters
    ----------
    estimator : GANImageAnonymizer
        Gets ``pictures_`` and the sizes of its batches.
    beats : BeatSet
        Beats of at least two records.
    y : array-like of shape (n_records,) or None
        The person of each record; None if each record is a person of its own.
    codes : ndarray of int of shape (n_beats,)
        Position of the class of each beat in ``classes_``.

    Returns
    -------
    X : dict of str to Tensor
        Input of `ResidentGroups`.
    held_out : (Tensor, Tensor)
        Images and conditions for `fit_gan`.
    """
    out = hold_out(_owners(beats, y), codes, estimator.holdout)
    held, seen = subset(beats, out), subset(beats, ~out)
    seen_codes = codes[~out]
    if estimator.n_blended > 1:
        # The blends do not depend on the seed: a training that is resumed has the same.
        rng = np.random.default_rng(0)
        values, run = blend(seen.beats, seen.record, seen_codes, estimator.n_blended, rng)
        seen = training_beats(seen, values, run)
    n_windows = estimator._windows_per_image
    members, owner = group_windows(seen, n_windows)
    traces = traces_of_images(seen.beats, members)
    estimator.pictures_ = Pictures.learn(traces, estimator.imager)
    common = 1 / np.sqrt(np.maximum(np.bincount(seen_codes), 1))
    estimator._n_views = N_VIEWS if owner[-1] + 1 < len(owner) else 1
    estimator._n_drawn = min(estimator.epoch_size, len(members))
    X = {
        "images": _tensor(estimator, estimator.pictures_.paint(traces)),
        "condition": _tensor(estimator, estimator._condition(seen_codes[members])),
        "weight": _tensor(estimator, common[seen_codes][members].mean(axis=1)),
        "record": torch.from_numpy(owner).to(estimator.device_),
    }
    members, _ = group_windows(held, n_windows)
    images = estimator.pictures_.paint(traces_of_images(held.beats, members))
    condition = estimator._condition(codes[out][members])
    return X, (_tensor(estimator, images), _tensor(estimator, condition))


def private_images(
    estimator: Any, beats: BeatSet, y: ArrayLike | None, codes: NDArray[np.intp], seed: int
) -> dict[str, Tensor]:
    """Return what the discriminator learns from with differential privacy of each person.

    Beats are not blended, because a blend belongs to several people. Nobody is held out, and
    the scale of images is a constant: all that is computed from beats is the gradient of the
    discriminator, and the frequencies of classes, with the noise of one more step.

    Parameters
    ----------
    estimator, beats, y, codes
        As for `blended_images`; the estimator also gets ``class_frequencies_``.
    seed : int
        Seeds the noise.

    Returns
    -------
    X : dict of str to Tensor
        Input of `ResidentPeople`.
    """
    if estimator.checkpoint is not None:
        raise ValueError(
            "a checkpoint holds the state of the random numbers, from which the noise can be "
            "computed; give checkpoint=None with epsilon."
        )
    person = numbered_people(y, estimator.epsilon, estimator.delta)[beats.record]
    estimator.class_frequencies_ = private_frequencies(
        person, codes, len(estimator.classes_), _noise(estimator), seed
    )
    members, _ = group_windows(beats, estimator._windows_per_image)
    traces = traces_of_images(beats.beats, members)
    estimator.pictures_ = Pictures.learn(public_traces(traces.shape[1:]), estimator.imager)
    estimator._n_views, estimator._n_drawn = N_VIEWS, GROUPS_OF_A_PERSON
    return {
        "images": _tensor(estimator, estimator.pictures_.paint(traces)),
        "condition": _tensor(estimator, estimator._condition(codes[members])),
        "person": torch.from_numpy(person[members[:, 0]]).to(estimator.device_),
    }


def private_options(estimator: Any) -> dict[str, Any]:
    """Return the parameters of the net of an estimator with a budget."""
    budget = PrivacyBudget(estimator.epsilon, estimator.delta, _n_before(estimator))
    return {
        "net_class": PersonPrivateGANNet,
        "iterator_train": ResidentPeople,
        "discriminator__compares": False,
        "noise": _noise(estimator),
        "frequencies": estimator.class_frequencies_,
        "callbacks": [("budget", budget)],
    }


def _n_before(estimator: Any) -> int:
    """Return the number of steps that the frequencies of the classes cost."""
    return int(len(estimator.classes_) > 1)


def _noise(estimator: Any) -> float:
    n_steps = _n_before(estimator) + estimator.max_epochs
    return noise_of_steps(estimator.epsilon, estimator.delta, n_steps)


def private_frequencies(
    person: NDArray[np.intp],
    codes: NDArray[np.intp],
    n_classes: int,
    noise: float,
    seed: int,
) -> NDArray[np.float64]:
    """Return the frequencies of classes, to which each person contributes their own.

    The contribution of a person has a length of 1 at most, as their gradients have, so that
    the frequencies cost as much as one step.

    Parameters
    ----------
    person, codes : ndarray of int of shape (n_beats,)
        The person and the class of each beat, from 0.
    n_classes : int
        Number of classes. A single one has the frequency 1, without noise.
    noise : float
        Standard deviation of the noise on each number of the sum.
    seed : int
        Seeds the noise.
    """
    if n_classes == 1:
        return np.ones(1)
    # Some numbers are those of people without a beat.
    person = np.unique(person, return_inverse=True)[1]
    counts = np.zeros((person.max() + 1, n_classes))
    np.add.at(counts, (person, codes), 1)
    total = (counts / counts.sum(axis=1, keepdims=True)).sum(axis=0)
    # A stream of its own: the training begins with the same seed.
    total += noise * np.random.default_rng([seed, 1]).standard_normal(n_classes)
    total = np.maximum(total, SMALLEST_FREQUENCY * max(total.sum(), 1) / n_classes)
    return total / total.sum()


def public_traces(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return traces of a known scale, from which an imager learns no person's scale."""
    traces = np.full((2, *shape), PUBLIC_SCALE)
    traces[1] *= -1
    return traces


def _owners(beats: BeatSet, y: ArrayLike | None) -> NDArray[np.intp]:
    """Return the person of each beat, or its record if there are no two people."""
    if y is None:
        return beats.record
    people, numbers = np.unique(np.asarray(y), return_inverse=True)
    return numbers[beats.record] if len(people) > 1 else beats.record


def _tensor(estimator: Any, values: NDArray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32).to(estimator.device_)
