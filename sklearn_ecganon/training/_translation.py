"""Building and applying translators between two domains, of beats and of images alike."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from sklearn_ecganon.networks import TwoDiscriminators, TwoTranslators
from sklearn_ecganon.training._cycle import (
    CrossEntropyLoss,
    CycleNet,
    LeastSquaresLoss,
    ResidentPairs,
)
from sklearn_ecganon.training._nets import FIXED, in_float64, single_thread

CRITERIA = {"least-squares": LeastSquaresLoss, "cross-entropy": CrossEntropyLoss}
DIRECTIONS = ("a-to-b", "b-to-a")
# Pixels that are translated at a time.
CHUNK = 2**18
# Number of examples of each domain for previews, during training only.
N_SHOWN = 20
# Fraction of the samples of a signal that lies below -1, and above 1.
OUTSIDE = 0.01
# Translators get values clipped to this limit, so that large artifacts stay unchanged.
LIMIT = 3.0
# The parameters that all estimators of translations have in common.
TRANSLATION_CONSTRAINTS: dict[str, Any] = {
    "direction": [StrOptions(set(DIRECTIONS))],
    "adversarial": [StrOptions(set(CRITERIA))],
    "cycle": [Interval(Real, 0, None, closed="left")],
    "identity": [Interval(Real, 0, None, closed="left")],
    "n_latent": [Interval(Integral, 1, None, closed="left")],
    "n_filters": [Interval(Integral, 1, None, closed="left")],
    "buffer_size": [Interval(Integral, 0, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "epoch_size": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "discriminator_lr": [Interval(Real, 0, None, closed="left")],
    "checkpoint": [str, os.PathLike, None],
    "device": [str],
}


class Scale(NamedTuple):
    """Converts values to images between -1 and 1, and back.

    Attributes
    ----------
    shape : tuple of int
        Channels, height and width.
    low, high : ndarray of shape (n_channels, 1, 1)
        The values that become -1 and 1.
    limits : tuple of float
        Converted back, values lie between these.
    """

    shape: tuple[int, int, int]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    limits: tuple[float, float]

    @classmethod
    def of_images(cls, images: NDArray) -> Scale:
        """Return the scale of images (n, h, w): their whole range."""
        limits = float(images.min()), float(images.max())
        low, high = (np.full((1, 1, 1), limit) for limit in limits)
        return cls((1, *images.shape[1:]), low, high, limits)

    @classmethod
    def of_signals(cls, signals: NDArray) -> Scale:
        """Return the scale of signals (n, n_leads, n_times): two quantiles of each lead."""
        n_leads, n_times = signals.shape[1:]
        by_lead = np.moveaxis(signals, 1, 0).reshape(n_leads, -1)
        low, high = np.quantile(by_lead, [OUTSIDE, 1 - OUTSIDE], axis=1)[:, :, None, None]
        # A constant lead has no range, so that any range can be taken.
        high = np.where(high > low, high, low + 1)
        return cls((n_leads, 1, n_times), low, high, (-np.inf, np.inf))

    def forward(self, values: NDArray) -> NDArray[np.float64]:
        """Return images (n, channels, height, width)."""
        images = values.reshape(-1, *self.shape).astype(np.float64)
        return 2 * (images - self.low) / (self.high - self.low) - 1

    def backward(self, images: NDArray) -> NDArray[np.float64]:
        """Undo `forward`, except for the shape."""
        return np.clip((images + 1) / 2 * (self.high - self.low) + self.low, *self.limits)


class Translation:
    """Applies both trained translators to arrays, in float64.

    Parameters
    ----------
    module : TwoTranslators
        Trained; it is copied.
    scale : Scale
        That of the training data.
    device : str
        The device it runs on.
    """

    def __init__(self, module: nn.Module, scale: Scale, device: str) -> None:
        self.module = in_float64(module)
        self.scale = scale
        self.device = device

    def __call__(
        self, values: NDArray, direction: str, draws: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return translations of values (n, ...) under draws (n, n_latent).

        Raises
        ------
        ValueError
            If the direction is unknown.
        """
        if direction not in DIRECTIONS:
            raise ValueError(f"direction is {direction!r}; give one of {list(DIRECTIONS)}.")
        translate = getattr(self.module, direction.replace("-", "_"))
        new = np.empty(values.shape)
        for rows in gen_batches(len(values), max(CHUNK // values[0].size, 1)):
            images = self.scale.forward(values[rows])
            inside = np.clip(images, -LIMIT, LIMIT)
            x, z = (torch.from_numpy(a).to(self.device) for a in (inside, draws[rows]))
            with torch.no_grad(), single_thread():
                images += translate(x, z).cpu().numpy() - inside
            new[rows] = self.scale.backward(images).reshape(new[rows].shape)
        return new


def cycle_net(
    shape: tuple[int, int, int],
    *,
    adversarial: str,
    cycle: float,
    identity: float,
    n_latent: int,
    n_filters: int,
    buffer_size: int,
    max_epochs: int,
    n_drawn: int,
    batch_size: int,
    lr: float,
    discriminator_lr: float,
    device: str,
) -> CycleNet:
    """Return an initialized net: two translators with their discriminators.

    Parameters
    ----------
    shape : tuple of int
        Channels, height and width of an image.
    n_drawn : int
        Pairs of an epoch.
    adversarial, cycle, identity, n_latent, n_filters, buffer_size, max_epochs, batch_size, \
    lr, discriminator_lr, device
        As the estimators document them; `device` is resolved.
    """
    sizes = dict(zip(("n_channels", "height", "width"), shape, strict=True))
    settings: dict[str, Any] = {
        **{f"module__{name}": value for name, value in sizes.items()},
        **{f"discriminator__{name}": value for name, value in sizes.items()},
        **FIXED,
        "iterator_train": ResidentPairs,
        "iterator_train__n_drawn": n_drawn,
    }
    net = CycleNet(
        TwoTranslators,
        discriminator=TwoDiscriminators,
        module__n_latent=n_latent,
        module__n_filters=n_filters,
        discriminator__n_filters=n_filters,
        criterion=CRITERIA[adversarial],
        optimizer=torch.optim.Adam,
        optimizer__betas=(0.5, 0.999),
        lr=lr,
        discriminator_lr=discriminator_lr,
        cycle=cycle,
        identity=identity * cycle,
        n_latent=n_latent,
        buffer_size=buffer_size,
        max_epochs=max_epochs,
        batch_size=batch_size,
        device=device,
        **settings,
    )
    return net.initialize()


def split_domains(
    domain: ArrayLike | None, y: ArrayLike | None, n_records: int
) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return the names of both domains, and which records are of the second, B.

    Without `domain`, half of the subjects in `y` make up each of them.

    Raises
    ------
    ValueError
        If there are not two domains.
    """
    if domain is not None:
        domain = np.asarray(domain)
        if domain.shape != (n_records,):
            raise ValueError(
                f"domain has shape {domain.shape}; give one for each of the {n_records} "
                "records (rows)."
            )
        names = np.unique(domain)
        if len(names) != 2:
            raise ValueError(
                f"domain names {len(names)} domain(s), {names.tolist()[:5]}; there must be "
                "two, A and B."
            )
        return names, domain == names[1]
    y = np.arange(n_records) if y is None else np.asarray(column_or_1d(y))
    check_consistent_length(np.empty(n_records), y)
    subjects = np.unique(y)
    if len(subjects) < 2:
        raise ValueError(
            f"X has 1 subject only (n_samples={n_records}), which cannot be split into two "
            "domains; give domain, or records of two subjects or more."
        )
    # The split does not depend on the seed, so that a checkpoint can be continued.
    mixed = np.random.default_rng(0).permutation(subjects)
    return np.array(["a", "b"]), np.isin(y, mixed[len(mixed) // 2 :])


def check_domains(names: NDArray, values: NDArray, of_b: NDArray[np.bool_]) -> None:
    """Refuse values (n, ...) of two domains that nothing can be learned from."""
    if values[0].size < 2:
        raise ValueError(
            "X has 1 feature(s): 1 value in each row; a translation needs 2 or more."
        )
    for name, rows in zip(names.tolist(), (~of_b, of_b), strict=True):
        members = values[rows]
        if len(members) == 0:
            raise ValueError(
                f"domain {name!r} is empty: its records have no beats; give records with beats "
                "in each domain."
            )
        if members.min() == members.max():
            raise ValueError(
                f"every value of domain {name!r} is {members.flat[0]:g}; there is nothing to "
                "learn from constant input."
            )


def examples_of(values: NDArray, of_b: NDArray[np.bool_]) -> list[NDArray]:
    """Return up to `N_SHOWN` examples of A and of B, evenly spaced."""
    sides = []
    for rows in (~of_b, of_b):
        step = -(-int(rows.sum()) // N_SHOWN)
        sides.append(values[np.flatnonzero(rows)[::step]])
    return sides


def preview_rows(
    translation: Translation, examples: Sequence[NDArray], n_latent: int, n_columns: int
) -> dict[str, NDArray]:
    """Return examples of each domain, their translations, and these translated back."""
    rows: dict[str, NDArray] = {}
    for here, other, values in zip("AB", "BA", examples, strict=True):
        few = values[:: -(-len(values) // n_columns)]
        draws = np.zeros((len(few), n_latent))
        there, back = DIRECTIONS if here == "A" else DIRECTIONS[::-1]
        new = translation(few, there, draws)
        rows |= {here: few, f"{here} to {other}": new}
        rows[f"{here}, back"] = translation(new, back, draws)
    return rows
