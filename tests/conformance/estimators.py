"""All public estimators of the package."""

import importlib
import inspect

import pytest
from sklearn.base import BaseEstimator

# Parameters that make an estimator train quickly. All others keep their defaults.
QUICK = {"max_epochs": 2, "n_filters": 4, "attackers": "lda", "size": 32}

# scikit-learn's checks cannot pass masks of the shape of X as y. The tests of this estimator
# run all checks on a subclass that computes masks from X.
LEARNS_FROM_MASKS = {"UNetSegmenter"}

PUBLIC = sorted(
    {
        value
        for module in (
            "sklearn_ecganon",
            "sklearn_ecganon.anonymizers",
            "sklearn_ecganon.images",
        )
        for name in importlib.import_module(module).__all__
        if inspect.isclass(value := getattr(importlib.import_module(module), name))
        and issubclass(value, BaseEstimator)
        and name not in LEARNS_FROM_MASKS
    },
    key=lambda cls: cls.__name__,
)
ANONYMIZERS = [cls for cls in PUBLIC if ".anonymizers." in cls.__module__]


def quick(cls, **parameters):
    """Return an instance that trains in a moment."""
    known = cls().get_params()
    return cls(**{k: v for k, v in QUICK.items() if k in known}, **parameters)


def as_parameters(classes):
    """Return the classes as pytest parameters; those that train a network are marked."""
    trains = pytest.mark.trains
    return [
        pytest.param(cls, marks=trains if "max_epochs" in cls().get_params() else ())
        for cls in classes
    ]
