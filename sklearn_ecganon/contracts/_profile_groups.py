"""Group people so that a common profile of each group changes little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK = 500  # people who are grouped at once: time grows with the square
_MOST_STEPS = 20  # for each person, while people move or change places
_SMALLEST_GAIN = 1e-9


def group_people(
    cost: NDArray[np.float64], starts: NDArray[np.intp], k: int
) -> NDArray[np.intp]:
    """Return groups of at least k people: (n_people,), counted from 0.

    Parameters
    ----------
    cost : ndarray of shape (n_people, n_candidates)
        Cost of each candidate code, category after category, for each person.
    starts : ndarray of int of shape (n_categories,)
        First candidate of each category.
    k : int
        Smallest number of people, at most n_people.
    """
    # The order of the people must not matter, so they are sorted by what they cost.
    # Rounding keeps the order of sums over records from deciding.
    rows = np.round(cost, 9)
    order = np.lexsort(rows.T[::-1])
    groups = np.empty(len(cost), dtype=np.intp)
    n_groups = 0
    for block in np.array_split(order, max(1, len(order) // max(_BLOCK, k))):
        search = _Search(rows[block], starts, k)
        search.enlarge_small_groups()
        search.exchange_people()
        _, first, renumbered = np.unique(search.group, return_index=True, return_inverse=True)
        # Groups are counted in the order of their first members.
        groups[block] = n_groups + np.argsort(np.argsort(first))[renumbered]
        n_groups += len(first)
    return groups


class _Search:
    """Groups of people and the costs of their common profiles.

    Parameters
    ----------
    cost : ndarray of shape (n_people, n_candidates)
        In canonical order.
    starts : ndarray of int of shape (n_categories,)
        First candidate of each category.
    k : int
        Smallest number of people in a group.
    """

    def __init__(self, cost: NDArray, starts: NDArray[np.intp], k: int) -> None:
        self.cost, self.starts, self.k = cost, starts, k
        # People with equal costs begin as one group.
        _, self.group = np.unique(cost, axis=0, return_inverse=True)
        n_groups = int(self.group.max()) + 1
        self.total = np.zeros((n_groups, cost.shape[1]))
        np.add.at(self.total, self.group, cost)
        self.size = np.bincount(self.group)
        # Cost of the common profile of each two groups together.
        self.merged = np.stack([self._loss(self.total + row) for row in self.total])

    def enlarge_small_groups(self) -> None:
        """Merge small groups, or let them take people from large ones, until all have k."""
        while ((self.size > 0) & (self.size < self.k)).any():
            small, other, increase = self._best_merge()
            borrower, borrowed, price = self._best_loan()
            if price < increase - _SMALLEST_GAIN:
                changed = {borrower, *self.group[borrowed].tolist()}
                for person in borrowed:
                    self._move(person, borrower)
            else:
                changed = {other}
                self.group[self.group == small] = other
                self.total[other] += self.total[small]
                self.size[other] += self.size[small]
                self.total[small], self.size[small] = 0.0, 0
            for group in changed:
                together = self._loss(self.total + self.total[group])
                self.merged[group], self.merged[:, group] = together, together

    def _best_merge(self) -> tuple[int, int, float]:
        """Return a small group, another group, and what merging them costs for a person."""
        small = np.flatnonzero((self.size > 0) & (self.size < self.k))
        existing = np.flatnonzero(self.size)
        increase = self.merged[np.ix_(small, existing)]
        increase -= self._loss(self.total[small])[:, np.newaxis]
        increase -= self._loss(self.total[existing])
        increase[small[:, np.newaxis] == existing] = np.inf
        # Two small groups become one, so that the price serves people of both.
        served = self.size[small][:, np.newaxis] + np.where(
            self.size[existing] < self.k, self.size[existing], 0
        )
        increase = np.round(increase / served, 9)
        row, column = np.unravel_index(increase.argmin(), increase.shape)
        return int(small[row]), int(existing[column]), float(increase[row, column])

    def _best_loan(self) -> tuple[int, list[int], float]:
        """Return a small group, people of large groups, and what it costs for a person."""
        best: tuple[int, list[int], float] = (-1, [], np.inf)
        surplus = self.size - self.k
        donors = np.flatnonzero(surplus[self.group] > 0)
        if not len(donors):
            return best
        cost = self._cost_in_groups()
        at_home = cost[donors, self.group[donors]]
        for group in np.flatnonzero((self.size > 0) & (self.size < self.k)):
            needed = int(self.k - self.size[group])
            left = surplus.copy()
            borrowed: list[int] = []
            price = 0.0
            difference = cost[donors, group] - at_home
            for position in np.argsort(difference, kind="stable"):
                home = self.group[donors[position]]
                if left[home] > 0:
                    left[home] -= 1
                    borrowed.append(int(donors[position]))
                    price += difference[position]
                if len(borrowed) == needed:
                    break
            price = round(price / self.size[group], 9)
            if len(borrowed) == needed and price < best[2]:
                best = int(group), borrowed, price
        return best

    def exchange_people(self) -> None:
        """Let people move to another group, or change places, while this reduces the cost."""
        for _ in range(_MOST_STEPS * len(self.cost)):
            cost = self._cost_in_groups()
            at_home = cost[np.arange(len(cost)), self.group]
            gain = at_home[:, np.newaxis] - cost
            moves = gain.copy()
            moves[self.size[self.group] <= self.k] = 0.0
            person, target = map(int, np.unravel_index(moves.argmax(), moves.shape))
            if moves[person, target] > _SMALLEST_GAIN:
                self._move(person, target)
                continue
            swaps = gain[:, self.group] + gain[:, self.group].T
            person, partner = map(int, np.unravel_index(swaps.argmax(), swaps.shape))
            if swaps[person, partner] <= _SMALLEST_GAIN:
                break
            home, target = int(self.group[person]), int(self.group[partner])
            self._move(person, target)
            self._move(partner, home)

    def _move(self, person: int, target: int) -> None:
        home = self.group[person]
        self.total[home] -= self.cost[person]
        self.total[target] += self.cost[person]
        self.size[home] -= 1
        self.size[target] += 1
        self.group[person] = target

    def _loss(self, total: NDArray) -> NDArray[np.float64]:
        """Return the cost of the best common profile of groups: (..., n_candidates)."""
        return np.minimum.reduceat(total, self.starts, axis=-1).sum(axis=-1)

    def _cost_in_groups(self) -> NDArray[np.float64]:
        """Return the cost of each person under the profile of each group; inf if empty."""
        chosen = np.zeros_like(self.total)
        blocks = np.split(self.total, self.starts[1:], axis=1)
        for start, block in zip(self.starts, blocks, strict=True):
            best = np.round(block, 7).argmin(axis=1)
            chosen[np.arange(len(chosen)), start + best] = 1.0
        cost = self.cost @ chosen.T
        cost[:, self.size == 0] = np.inf
        return cost
