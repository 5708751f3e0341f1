"""The file of a trained model, and how many people one should be trained on."""

from __future__ import annotations

import warnings
from pathlib import Path

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from sklearn_ecganon.exceptions import FewSubjectsWarning

#: Below this number of people the moments of a population describe these people.
FEW_SUBJECTS = 100
_NEEDED = {"channels", "times", "net.basis", "net.encoder.0.bias", "population.mean"}


def read_weights(path: str | Path) -> dict[str, NDArray]:
    """Return the arrays of a file that `PseudoIdentityAnonymizer.save_weights` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    arrays : dict of str to ndarray
        Weights of the net, moments of the population, times and channels.

    Raises
    ------
    ValueError
        If the file is not there, or is of another kind.
    """
    advice = "give a file that `ecganon fit` or save_weights wrote."
    try:
        arrays = load_file(path)
    except OSError as error:
        reason = error.strerror or "it does not exist"
        raise ValueError(f"the model file cannot be read ({reason}); {advice}") from None
    except SafetensorError:
        raise ValueError(f"the model file is damaged or of another kind; {advice}") from None
    missing = sorted(_NEEDED - set(arrays))
    if missing or not bytes(arrays["channels"]).startswith(b"["):
        raise ValueError(f"the model file holds another model or an older one; {advice}")
    return arrays


def warn_of_few_subjects(n_subjects: int) -> None:
    """Warn if a model of a population is to be learned from few people.

    Parameters
    ----------
    n_subjects : int
        Number of people, or of recordings if it is not known whose they are.
    """
    if n_subjects < FEW_SUBJECTS:
        warnings.warn(
            f"Trained on only {n_subjects} people: what such a model draws may resemble them. "
            f"Train on {FEW_SUBJECTS} or more, or use from_pretrained().",
            FewSubjectsWarning,
            stacklevel=2,
        )
