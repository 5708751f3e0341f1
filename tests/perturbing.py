"""Helpers for the tests of perturbations and generators."""

import numpy as np
import torch


class Kill:
    """A callback that kills the training after some epochs."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.n_epochs -= 1
        if self.n_epochs == 0:
            raise SystemExit("killed")


class Middle:
    """Protect the middle third of the input."""

    def predict(self, X):
        mask = np.zeros(np.shape(getattr(X, "beats", X)), dtype=bool)
        n = mask.shape[-1]
        mask[..., n // 3 : -(n // 3)] = True
        return mask


def wild(model):
    """Make the field of a fitted model as large and as steep as its bounds allow."""

    n_out = model.net_.module_.unet.output.out_channels

    class Wild(torch.nn.Module):
        def forward(self, x):
            rng = np.random.default_rng(0)
            waves = np.ones((len(x), n_out, *x.shape[2:]))
            for axis, side in enumerate(x.shape[2:]):
                rate, phase = rng.uniform(0.3, 5, waves.shape[:2]), rng.random(waves.shape[:2])
                turns = rate[..., None] * np.linspace(0, 1, side) + phase[..., None]
                shape = [*waves.shape[:2], *[1] * len(x.shape[2:])]
                shape[2 + axis] = side
                waves = waves * np.sin(2 * np.pi * turns).reshape(shape)
            return torch.from_numpy(1e6 * waves)

    model.net_.module_.unet = Wild()
    return model


def smallest_jacobian(field):
    """Return the smallest determinant of a displacement in samples (n, n_dims, *size)."""
    if field.shape[1] == 1:
        return (1 + np.diff(field[:, 0], axis=1)).min()
    down, along = np.diff(field, axis=2), np.diff(field, axis=3)
    # A bilinear map does not fold if it does not fold in the corners of its cells.
    return min(
        ((1 + d[:, 0]) * (1 + a[:, 1]) - d[:, 1] * a[:, 0]).min()
        for d in (down[..., :-1], down[..., 1:])
        for a in (along[..., :-1, :], along[..., 1:, :])
    )


def chest_like(n, size, seed=0):
    """Return drawings of chests: two dark ellipses in a bright trunk on a dark ground."""
    rng = np.random.default_rng(seed)
    down, along = np.mgrid[:size, :size] / (size - 1)
    images = np.full((n, size, size), 0.05)
    for image in images:
        shift, grow = rng.normal(0, 0.02), rng.normal(1, 0.04)
        image[np.abs(along - 0.5) < 0.46] = 0.75
        for side in (-1, 1):
            center = 0.5 + side * 0.2 * grow
            across, high = (along - center) / (0.13 * grow), (down - 0.47 - shift) / 0.3
            image[across**2 + high**2 < 1] = 0.2
        image += 0.02 * rng.standard_normal(image.shape)
    return images
