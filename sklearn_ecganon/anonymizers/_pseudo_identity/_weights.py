"""The file of a trained model, and how many people one should be trained on."""

from __future__ import annotations

import json
import warnings
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from sklearn_ecganon.anonymizers._pseudo_identity._identity import Population
from sklearn_ecganon.exceptions import FewSubjectsWarning
from sklearn_ecganon.privacy import PrivateMoments

SHIPPED = Path(str(files("sklearn_ecganon") / "models" / "pseudo_identity.safetensors"))
#: Below this number of people a population resembles these people.
FEW_SUBJECTS = 100
_TEXTS = ("leads", "statement_names", "category_names")
_FLAGS = ("has_p", "statements")


def save_population(
    path: str | Path,
    population: Population,
    statement_names: tuple[str, ...],
    moments: PrivateMoments | None = None,
) -> None:
    """Write a population as safetensors, with numbers of 16 bits.

    Parameters
    ----------
    path : str or path-like
        File to write.
    population : Population
        The people.
    statement_names : tuple of str
        Names of the columns of `Population.statements`.
    moments : PrivateMoments, optional
        What was learned with differential privacy. Its guarantee is stated in the file.
    """
    card = None
    if moments is not None:
        card = {
            "epsilon": str(moments.epsilon),
            "delta": str(moments.delta),
            "unit": "person",
            "neighbors": "with and without one person, however many records they have",
            "public": "everything except mean and covariance in the coordinates of beats",
            "mechanism": "analytic Gaussian, once",
        }
    texts = {
        "leads": population.leads,
        "statement_names": statement_names,
        "category_names": tuple(population.categories),
    }
    arrays = {
        name: np.frombuffer(json.dumps(list(values)).encode(), dtype=np.uint8)
        for name, values in texts.items()
    }
    for name, value in population._asdict().items():
        if name == "categories":
            arrays[name] = np.array(list(value.values()), dtype=np.int8)
        elif name in _FLAGS:
            arrays[name] = value.astype(np.uint8)
        elif name != "leads":
            arrays[name] = value.astype(np.float16)
    save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, path, card)


def load_population(path: str | Path) -> tuple[Population, tuple[str, ...]]:
    """Return the population of a file that `save_population` wrote, and its statements.

    Parameters
    ----------
    path : str or path-like
        The file.

    Raises
    ------
    ValueError
        If the file is not there, or is of another kind.
    """
    path = Path(path)
    advice = "give a file that `ecganon fit` or save_weights wrote."
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        reason = error.strerror or "it does not exist"
        raise ValueError(f"the model file cannot be read ({reason}); {advice}") from None
    except SafetensorError:
        raise ValueError(f"the model file is damaged or of another kind; {advice}") from None
    except (KeyError, ValueError):
        raise ValueError(
            f"the model file holds another model or an older one; {advice}"
        ) from None


@lru_cache(maxsize=4)
def _read(path: Path, changed: int, size: int) -> tuple[Population, tuple[str, ...]]:
    """Read a file; `changed` and `size` tell whether it is still the same one."""
    arrays = load_file(path)
    texts = {name: tuple(json.loads(bytes(arrays[name]))) for name in _TEXTS}
    values: dict[str, NDArray] = {}
    for name in Population._fields:
        if name in _FLAGS:
            values[name] = arrays[name].astype(bool)
        elif name not in ("leads", "categories"):
            values[name] = arrays[name].astype(np.float64)
    codes = arrays["categories"].astype(np.intp)
    categories = dict(zip(texts["category_names"], codes, strict=True))
    population = Population(leads=texts["leads"], categories=categories, **values)
    return population, texts["statement_names"]


def warn_of_few_subjects(n_subjects: int) -> None:
    """Warn if a population is to be learned from few people.

    Parameters
    ----------
    n_subjects : int
        Number of people, or of recordings if it is not known whose they are.
    """
    if n_subjects < FEW_SUBJECTS:
        warnings.warn(
            f"Trained on only {n_subjects} people: the people that such a model draws may "
            f"resemble them. Train on {FEW_SUBJECTS} or more, or use weights='pretrained'.",
            FewSubjectsWarning,
            stacklevel=2,
        )
