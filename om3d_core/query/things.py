"""What homes and workplaces hold: the words for a thing, its usual size, and how common it is.

The one list of things.toml serves the names of instances, the sizes that answers go by, and the
words that may be misspelled.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from om3d_core.encoders.phrases import by_name

PLACES = ("few", "many", "most")


@dataclass(frozen=True)
class KnownThing:
    """words: for it, its name first. longest_m: its longest side, from and to, meters. common: in
    how many places there is one: 0 for few, 1 for many, 2 for most of them.
    """

    words: tuple[str, ...]
    longest_m: tuple[float, float]
    common: int


@cache
def named_things() -> tuple[KnownThing, ...]:
    """The things that an instance may be called."""
    return tuple(
        KnownThing(tuple(words.split(", ")), (low, high), PLACES.index(places))
        for words, (low, high, places) in _table()["named"].items()
    )


@cache
def usual_sizes_m() -> dict[str, tuple[float, float]]:
    """How long the longest side of a thing usually is, from and to, by every word for it."""
    named = {word: thing.longest_m for thing in named_things() for word in thing.words}
    asked = by_name(_table()["asked"])
    return named | {word: (low, high) for word, (low, high) in asked.items()}


@cache
def household() -> frozenset[str]:
    """The single words of all of them, of three letters or more, and some that are no thing."""
    phrases = " ".join(usual_sizes_m()).replace("-", " ").replace("'s", "").split()
    return frozenset({word for word in phrases if len(word) > 2} | set(_table()["other"]["words"]))


@cache
def _table() -> dict[str, Any]:
    text = files("om3d_core.query").joinpath("things.toml").read_text("utf-8")
    return tomllib.loads(text)
