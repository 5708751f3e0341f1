"""Constraints of the parameters that all methods with a network share."""

from __future__ import annotations

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

TRAINING_CONSTRAINTS: dict = {
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "sampling_rate": [Interval(Real, 0, None, closed="neither")],
    "device": [str],
}
