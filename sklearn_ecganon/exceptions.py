"""Warnings that more than one room of the package raises."""


class WeakAttackWarning(UserWarning):
    """The attacker fails on originals, so that its failure on a release proves nothing."""
