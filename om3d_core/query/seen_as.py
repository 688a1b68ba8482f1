"""What a detector took instances for, and which of its classes count for a thing."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from om3d_core.data.scene import Scene, WordsOfViews
from om3d_core.data.tables import ViewTable
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
        taken = taken_for(scene.detections if used else (), scene.views)
        names = sorted({name for own in taken for name in own})
        self._column = {name: i for i, name in enumerate(names)}
        self._shares = np.zeros((len(scene), len(self._column)))
        for i, own in enumerate(taken):
            for name, share in own.items():
                self._shares[i, self._column[name]] = share

    def match(self, text: str) -> Seen:
        """How far each instance was taken for what a text asks for."""
        classes = classes_for(text, self._column)
        columns = [self._column[name] for name in classes]
        return Seen(classes, np.sqrt(self._shares[:, columns].sum(axis=1)))


def taken_for(detections: WordsOfViews, views: ViewTable) -> list[dict[str, float]]:
    """How far each of N instances was taken for each class: the mean share of its best views.

    detections: of the ``views``, empty if nothing looked at them.
    """
    taken: list[dict[str, float]] = [{} for _ in range(len(views.stamps))]
    for own, told, valid in zip(taken, detections, views.valid, strict=False):
        looked = min(VIEWS, int(valid.sum()))
        for words in told[:looked]:
            for name, share in shares(words).items():
                own[name] = own.get(name, 0.0) + share / looked
    return taken


def classes_for(text: str, classes: Collection[str]) -> tuple[str, ...]:
    """Those of these classes that count for a text: that of its thing's name, or those that the
    table lists for it."""
    if not text or not classes:
        return ()
    known = _known(classes)
    thing = thing_in(clean_prompt(text), known)
    return () if thing is None else tuple(name for name in known[thing] if name in classes)


def counts_for(name: str, phrases: Sequence[str]) -> list[bool]:
    """Whether the class of this name counts for each of these clean phrases."""
    known = _known([name])
    things = (thing_in(phrase, known) for phrase in phrases)
    return [thing is not None and name in known[thing] for thing in things]


def shares(words: Words) -> dict[str, float]:
    """How far a view is of each class: the odds of a detector's confidences, squared, over their
    sum and 1, which stands for something else."""
    odds = {w.text: (min(w.confidence, SURE) / (1 - min(w.confidence, SURE))) for w in words}
    sharp = {name: value**SHARPNESS for name, value in odds.items()}
    total = 1 + sum(sharp.values())
    return {name: value / total for name, value in sharp.items()}


def _known(classes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The classes that count for each thing of the table, and for those of these names."""
    return classes_of_things() | {name.lower(): (name,) for name in classes}


@cache
def classes_of_things() -> dict[str, tuple[str, ...]]:
    """The classes that count for each thing without a class of its own name."""
    text = files("om3d_core.query").joinpath("seen_as.toml").read_text("utf-8")
    groups = by_name(tomllib.loads(text)["seen_as"])
    return {thing: tuple(classes) for thing, classes in groups.items()}
