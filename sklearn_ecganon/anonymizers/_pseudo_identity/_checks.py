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


def check_k_without_fit(k: int) -> None:
    """Refuse k-anonymity of a model that has not seen the records of a release."""
    if k > 1:
        raise ValueError(
            f"k={k} depends on the other records of a release; call fit with all records and "
            "their subjects."
        )
