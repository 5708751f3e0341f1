"""Refuse records and parameters that do not go together."""

from __future__ import annotations

from sklearn_ecganon.anonymizers._pseudo_identity._intervals import can_be_measured
from sklearn_ecganon.records import BeatSet, ECGRecord


def check_records(first: BeatSet, contract: str, *, keyed: bool) -> None:
    """Refuse records that cannot be released with a contract, or have no name for a key.

    Parameters
    ----------
    first : BeatSet
        Records, or their first stretches.
    contract : str
        The contract.
    keyed : bool
        Whether identities are keyed by names.
    """
    if contract == "measurement" and not can_be_measured(first.n_times, first.sampling_rate):
        raise ValueError(
            f"windows of {1000 * first.n_times / first.sampling_rate:.0f} ms at "
            f"{first.sampling_rate:g} Hz do not show the intervals that "
            "contract='measurement' keeps; cut longer ones, for example by "
            "QRSSegmenter(window=800)."
        )
    if keyed and ECGRecord.name in first.names:
        raise ValueError(
            "identity is a function of a record's name, but X has a record without one; "
            "leave identity='per_record', or give the records names."
        )


def check_without_fit(epsilon: float | None) -> None:
    """Refuse a guarantee of a model that learns nothing."""
    if epsilon is not None:
        raise ValueError(
            f"epsilon={epsilon} is a guarantee for the people that a model learns from; call "
            "fit with their records and subjects."
        )


def check_no_epsilon(epsilon: float | None) -> None:
    """Refuse differential privacy of a population that has no public part."""
    if epsilon is not None:
        raise ValueError(
            f"epsilon={epsilon} with weights=None: a population that is learned from X alone "
            "has no such guarantee; give weights='pretrained' or a file of public weights."
        )
