"""Warnings that more than one room of the package raises."""


class FewSubjectsWarning(UserWarning):
    """A model learned from so few people that what it draws may resemble one of them."""


class WeakAttackWarning(UserWarning):
    """The attacker fails on originals, so that its failure on a release proves nothing."""
