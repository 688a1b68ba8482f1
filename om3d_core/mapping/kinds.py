"""Names that are kinds of others: what may be one of several bottles is surely a bottle."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]
KIND_SHARE = 0.7
"""The share in the probability of a name from which one of its kinds is told instead."""


class Kinds:
    """Which of V names are kinds of which others, by the package's table."""

    def __init__(self, names: Sequence[str]):
        row_of = {name: row for row, name in enumerate(names)}
        found: dict[int, list[int]] = {}
        for name, row in row_of.items():
            above = next((row_of[g] for g in _generals(name) if g in row_of), None)
            if above is not None:
                found.setdefault(above, []).append(row)
        depth = {row_of[name]: len(list(_generals(name))) for name in row_of}
        self._kinds = [(row, np.array(found[row])) for row in sorted(found, key=depth.__getitem__)]
        """The rows of names that have kinds, the most general first, and those of the kinds."""

    def likeliest(self, probabilities: Floats) -> tuple[Rows, Floats]:
        """The name to tell for each of N instances (N,), and its probability.

        probabilities: (N, V) of the names. That of a name that has kinds is its own and theirs
        together; instead of the likeliest name, a kind of it is told that has 0.7 of that.
        """
        together = probabilities.copy()
        for row, kinds in reversed(self._kinds):
            for kind in kinds:
                together[:, row] += together[:, kind]
        best = together.argmax(axis=1)
        enough = KIND_SHARE * together.max(axis=1)
        for row, kinds in self._kinds:
            here = np.flatnonzero(best == row)
            if len(here):
                of_kinds = together[np.ix_(here, kinds)]
                sure = of_kinds.max(axis=1) >= enough[here]
                best[here[sure]] = kinds[of_kinds[sure].argmax(axis=1)]
        return best, together[np.arange(len(best)), best]


def _generals(name: str) -> Iterator[str]:
    """What a name is a kind of, the nearest first."""
    above = general_names()
    while name in above:
        name = above[name]
        yield name


@cache
def general_names() -> Mapping[str, str]:
    """The name that each kind is a kind of."""
    text = files("om3d_core.mapping").joinpath("kinds.toml").read_text("utf-8")
    table = tomllib.loads(text)["kinds"]
    return {kind: name for name, kinds in table.items() for kind in kinds}
