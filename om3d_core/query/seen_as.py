"""Which instances a detector took for the thing that is asked for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from om3d_core.data.scene import Scene
from om3d_core.data.words import Words
from om3d_core.encoders.phrases import by_name, clean_prompt, thing_in
from om3d_core.query.answer import Check

Doubles = npt.NDArray[np.float64]
VIEWS = 2
"""The best views of an instance that count; one in which nothing was seen counts as that."""
SHARPNESS = 2.0
"""Exponent of the odds of each class: that of a temperature of 0.5 on the detector's logits."""
SURE = 0.999


@dataclass(frozen=True, eq=False)
class Seen:
    """share: (N,) 0..1, how far each instance was taken for one of the ``classes``, which are
    those that count for a text; none where no instance of the map was taken for any."""

    classes: tuple[str, ...]
    share: Doubles

    def checks(self, rows: npt.NDArray[np.int64]) -> tuple[tuple[Check, ...], ...]:
        """What is told of these instances, nothing where no class counts."""
        what = f"seen as {' or '.join(self.classes)}"
        return tuple((Check(what, float(s)),) for s in self.share[rows]) if self.classes else ()


class SeenAs:
    """The classes that the instances of a scene were taken for."""

    def __init__(self, scene: Scene, *, used: bool = True):
        told = scene.detections if used else ()
        names = {word.text for views in told for words in views for word in words}
        self._column = {name: i for i, name in enumerate(sorted(names))}
        self._shares = np.zeros((len(scene), len(names)))
        for i, views in enumerate(scene.detections if names else ()):
            looked = min(VIEWS, int(scene.views.valid[i].sum()))
            for words in views[:looked]:
                for name, share in shares(words).items():
                    self._shares[i, self._column[name]] += share / looked
        own = {name.lower(): (name,) for name in names}
        self._known: Mapping[str, tuple[str, ...]] = _seen_as() | own if names else {}

    def match(self, text: str) -> Seen:
        """How far each instance was taken for what a text asks for."""
        thing = thing_in(clean_prompt(text), self._known) if self._known and text else None
        wanted = () if thing is None else self._known[thing]
        classes = tuple(name for name in wanted if name in self._column)
        columns = [self._column[name] for name in classes]
        return Seen(classes, np.sqrt(self._shares[:, columns].sum(axis=1)))


def shares(words: Words) -> dict[str, float]:
    """How far a view is of each class: the odds of a detector's confidences, squared, over their
    sum and 1, which stands for something else."""
    odds = {w.text: (min(w.confidence, SURE) / (1 - min(w.confidence, SURE))) for w in words}
    sharp = {name: value**SHARPNESS for name, value in odds.items()}
    total = 1 + sum(sharp.values())
    return {name: value / total for name, value in sharp.items()}


@cache
def _seen_as() -> dict[str, tuple[str, ...]]:
    text = files("om3d_core.query").joinpath("seen_as.toml").read_text("utf-8")
    groups = by_name(tomllib.loads(text)["seen_as"])
    return {thing: tuple(classes) for thing, classes in groups.items()}
