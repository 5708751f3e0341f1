"""Building, training and applying perturbation fields, of beats and of images alike."""

from __future__ import annotations

import os
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import HasMethods, Interval
from torch import nn

from sklearn_ecganon.networks import NoiseField, PairLoss
from sklearn_ecganon.training._nets import FIXED, in_float64, single_thread
from sklearn_ecganon.training._perturbation import PerturbationNet, ResidentPartners

# Shortest edge of a protected region, in samples.
EDGE = 4.0
# Samples (pixels) at a time, so that they fit into the cache of a processor.
FIELD_CHUNK = 2**18
# The parameters that all estimators of fields have in common.
FIELD_CONSTRAINTS: dict[str, Any] = {
    "protect": ["array-like", callable, HasMethods("predict"), None],
    "n_filters": [Interval(Integral, 1, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "pretraining": [Interval(Real, 0, 1, closed="both")],
    "classifier_weight": [Interval(Real, 0, None, closed="left")],
    "verification_weight": [Interval(Real, 0, None, closed="left")],
    "batch_size": [Interval(Integral, 2, None, closed="left")],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "auxiliary_lr": [Interval(Real, 0, None, closed="left")],
    "checkpoint": [str, os.PathLike, None],
    "device": [str],
}
# Parameters that may differ when a training is resumed. The protected region counts as data.
NOT_TRAINED = ("strength", "protect", "checkpoint", "device")


def perturbation_net(
    module: type[NoiseField],
    *,
    size: tuple[int, ...],
    n_channels: int,
    n_classes: int,
    n_filters: int,
    max_epochs: int,
    pretraining: float,
    classifier_weight: float,
    verification_weight: float,
    batch_size: int,
    lr: float,
    auxiliary_lr: float,
    device: str,
    **field: Any,
) -> PerturbationNet:
    """Return an initialized net: a generator of fields with its verifier and classifier.

    Parameters
    ----------
    module : type
        `NoiseField` or `FlowField`; ``**field`` are its parameters.
    size, n_channels : tuple of int, int
        Samples of a signal, or height and width of an image, and leads or colors.
    n_classes : int
        Clinical classes; there is no classifier for a single one.
    n_filters, max_epochs, pretraining, classifier_weight, verification_weight, batch_size, \
    lr, auxiliary_lr, device
        As the estimators document them; `device` is resolved.
    """
    settings: dict[str, Any] = {**FIXED, "iterator_train": ResidentPartners}
    settings |= {f"module__{name}": value for name, value in field.items()}
    net = PerturbationNet(
        module,
        module__size=size,
        module__n_channels=n_channels,
        module__n_filters=n_filters,
        discriminator__n_dims=len(size),
        discriminator__n_channels=n_channels,
        discriminator__n_classes=n_classes,
        discriminator__width=n_filters,
        discriminator_lr=auxiliary_lr,
        pretrain_epochs=round(pretraining * max_epochs),
        classifier_weight=classifier_weight,
        verification_weight=verification_weight,
        criterion=PairLoss,
        optimizer=torch.optim.Adam,
        lr=lr,
        max_epochs=max_epochs,
        batch_size=batch_size,
        device=device,
        **settings,
    )
    return net.initialize()


def value_range(values: NDArray) -> tuple[float, float]:
    """Return lower end and length of the range that holds 99.8 % of the values.

    Raises
    ------
    ValueError
        If all values are the same.
    """
    low, high = np.quantile(values, [0.001, 0.999])
    if low == high:
        low, high = values.min(), values.max()
    if low == high:
        raise ValueError(
            f"every value of X is {low:g}; there is nothing to learn from constant input."
        )
    return float(low), float(high - low)


def subject_numbers(y: ArrayLike | None, n_records: int) -> NDArray[np.intp]:
    """Return a number for the subject of each record; without y each record has its own.

    Raises
    ------
    ValueError
        If no pairs of one subject and of two can be formed.
    """
    if n_records < 2:
        raise ValueError(
            f"n_samples={n_records}: a verifier learns from pairs of two people; give "
            "records (rows) of 2 or more."
        )
    if y is None:
        return np.arange(n_records)
    y = np.asarray(y)
    if y.shape != (n_records,):
        raise ValueError(
            f"y has shape {y.shape}; give the subject of each of the {n_records} records "
            "(rows)."
        )
    subjects, numbers = np.unique(y, return_inverse=True)
    if len(subjects) < 2:
        raise ValueError(
            f"y has a single subject, {subjects[0]}; a verifier learns from pairs of two "
            "people: give records of other subjects, or leave y out."
        )
    return numbers


def refuse_single_rows(subject: NDArray[np.intp]) -> None:
    """Refuse training rows of which no two are of one subject."""
    n_subjects = len(np.unique(subject))
    if len(subject) == n_subjects:
        raise ValueError(
            f"no genuine pair possible: y has {n_subjects} subjects with one row each; give "
            "two or more rows of some subjects, or leave y out, so that each row is paired "
            "with an augmented copy of itself."
        )


class FieldInference:
    """Applies a trained generator to arrays, in float64.

    Parameters
    ----------
    module : torch.nn.Module
        The trained `NoiseField` or `FlowField`; it is copied.
    device : str
        The device it runs on.
    """

    def __init__(self, module: nn.Module, device: str) -> None:
        self.module = in_float64(module)
        self.device = device

    def field(self, x: NDArray, draws: NDArray) -> NDArray[np.float64]:
        """Return the field (n_rows, n_components, *size) of each row."""
        return self._run(self.module.field, x, draws)

    def perturb(self, x: NDArray, field: NDArray) -> NDArray[np.float64]:
        """Return rows with their field applied."""
        return self._run(self.module.perturb, x, field)

    def _run(self, function: Any, *arrays: NDArray) -> NDArray[np.float64]:
        tensors = [
            torch.from_numpy(np.array(array, dtype=np.float64)).to(self.device)
            for array in arrays
        ]
        with torch.no_grad(), single_thread():
            return function(*tensors).cpu().numpy()
