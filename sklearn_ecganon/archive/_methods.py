"""The anonymizers that the command offers by name."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["METHODS", "make_anonymizer"]

#: Class of each method. All but the first are baselines that learn from no other person.
METHODS = {
    "pseudo-identity": "PseudoIdentityAnonymizer",
    "noise": "NoiseAnonymizer",
    "low-pass": "LowPassAnonymizer",
    "time-warp": "TimeWarpAnonymizer",
}


def make_anonymizer(
    method: str = "pseudo-identity",
    strength: float = 1.0,
    *,
    contract: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    identity: str = "per-record",
    k: int = 1,
) -> Any:
    """Return an anonymizer by the name of its method.

    Parameters
    ----------
    method : str, default="pseudo-identity"
        A key of `METHODS`.
    strength : float, default=1.0
        From 0, which changes nothing, to 1, which removes the most.
    contract : {"diagnostic", "measurement"}, optional
        What must survive; ``"diagnostic"`` by default. For pseudo-identities only.
    weights : str or path-like, optional
        File written by `fit_archive`; by default the weights that come with the package.
        For pseudo-identities only.
    identity : {"per-record", "per-subject"}, default="per-record"
        Whether each recording or each person gets a pseudo-identity of its own. For
        pseudo-identities only.
    k : int, default=1
        Smallest number of people who share the categories of a release. For
        pseudo-identities only.

    Returns
    -------
    anonymizer : estimator
        Ready for `RecordAnonymizer`.

    Raises
    ------
    ValueError
        If there is no such method, or if a parameter does not fit it.

    Examples
    --------
    >>> from sklearn_ecganon.archive import make_anonymizer
    >>> make_anonymizer("noise", 0.5)
    NoiseAnonymizer(strength=0.5)
    """
    from sklearn_ecganon import anonymizers

    if method not in METHODS:
        raise ValueError(f"method is {method!r}; give one of {', '.join(METHODS)}.")
    anonymizer_class = getattr(anonymizers, METHODS[method])
    if method == "pseudo-identity":
        return anonymizer_class.from_pretrained(
            strength,
            weights=weights,
            contract=contract or "diagnostic",
            # The archive gives each record the key of its person as a name.
            identity=str if identity == "per-subject" else "per_record",
            k=k,
        )
    if contract is not None or weights is not None or identity != "per-record" or k != 1:
        raise ValueError(
            "a contract, weights, an identity for each person and k go with the method "
            "pseudo-identity only."
        )
    anonymizer = anonymizer_class(strength=strength)
    anonymizer._validate_params()  # a wrong strength must be found before anything is written
    return anonymizer
