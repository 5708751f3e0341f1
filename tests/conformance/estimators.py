"""The list of all public estimators, read off the package itself."""

import importlib
import inspect

from sklearn.base import BaseEstimator

# What an estimator needs to be checked quickly; the defaults are checked for all else.
QUICK = {"max_epochs": 2, "attackers": "lda"}

PUBLIC = sorted(
    {
        value
        for module in ("sklearn_ecganon", "sklearn_ecganon.anonymizers")
        for name in importlib.import_module(module).__all__
        if inspect.isclass(value := getattr(importlib.import_module(module), name))
        and issubclass(value, BaseEstimator)
    },
    key=lambda cls: cls.__name__,
)
ANONYMIZERS = [cls for cls in PUBLIC if ".anonymizers." in cls.__module__]


def quick(cls, **parameters):
    """Return an instance that trains in a moment."""
    known = cls().get_params()
    return cls(**{k: v for k, v in QUICK.items() if k in known}, **parameters)
