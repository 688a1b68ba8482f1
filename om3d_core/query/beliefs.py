"""How probably each instance is what a phrase says: noun, attributes and relations weighed.

Each part multiplies the probability of the noun. What a thing stands in a relation to is not
decided first: of all things that may be meant the one counts that makes both most probable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box, fit_box
from om3d_core.data.scene import Scene
from om3d_core.data.text import name_of
from om3d_core.query import lexicon
from om3d_core.query.answer import Check
from om3d_core.query.colors import ColorMemory
from om3d_core.query.printed_words import PrintedWords
from om3d_core.query.question import Phrase, Relation, Unknown
from om3d_core.query.ranking import best_first
from om3d_core.query.relations import (
    Places,
    Viewpoint,
    between,
    distances,
    of_viewpoint,
    rank_value,
    relation,
    same_place,
)
from om3d_core.query.structure import structure_belief

Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

CANDIDATES, MANY = 64, 1000
"""Instances that parts are weighed for, the likeliest by noun; MANY for a plural or any thing."""
ANCHORS = 24
LIKELY = 0.3
"""Part of the largest probability from which a thing takes part in a comparison."""
SAME = 0.6
"""Part of a box in another from which both are one place."""
LEAST = 0.02
UNREAD = 0.2
"""How far a thing may say what was not read on it."""
STEEPNESS = 3.0


@dataclass(frozen=True, eq=False)
class Belief:
    """rows: (M,) instances. probability: (M,) 0..1. checks: what was weighed, for each of them.

    unchecked: parts that cannot be checked on this map.
    """

    rows: Rows
    probability: Doubles
    checks: tuple[tuple[Check, ...], ...]
    unchecked: tuple[Unknown, ...] = ()


class Beliefs:
    """Weighs phrases on one scene.

    of_noun: (N,) probabilities that each instance is what the noun of a phrase names. box_of: the
    box of the instance of a row. viewpoint: whose left and right are meant. colors, printed: of
    the map.
    """

    def __init__(
        self,
        scene: Scene,
        of_noun: Callable[[Phrase], Doubles],
        box_of: Callable[[int], Box],
        viewpoint: Viewpoint,
        colors: ColorMemory,
        printed: PrintedWords,
    ):
        self._scene = scene
        self._of_noun = of_noun
        self._box_of = box_of
        self._viewpoint = viewpoint
        self._colors = colors
        self._printed = printed

    def of(self, phrase: Phrase, limit: int = CANDIDATES) -> Belief:
        """The likeliest ``limit`` instances for a phrase."""
        base, names_structure = self._base(phrase)
        possible = base > 0
        if not names_structure:
            possible &= ~self._scene.masks.structure
        rows = np.flatnonzero(possible)
        rows = rows[best_first(base[rows], self.ids(rows), limit)]
        draft = _Draft(rows, base[rows], [[] for _ in rows])
        if phrase.text:
            draft.weigh(phrase.text, draft.probability.copy(), apply=False)
        for color in phrase.colors:
            draft.weigh(color, self._colors.of(rows, color))
        for color in phrase.without_colors:
            draft.weigh(f"not {color}", 1 - self._colors.of(rows, color))
        for said in phrase.printed:
            read = self._printed.match(said).strength[rows]
            draft.weigh(f'says "{said}"', np.maximum(read, UNREAD))
        if phrase.relations or phrase.sizes or phrase.superlatives:
            self._place(draft, phrase)
        return Belief(draft.rows, draft.probability, tuple(map(tuple, draft.checks)),
                      tuple(draft.unchecked))  # fmt: skip

    def ids(self, rows: Rows) -> Rows:
        """The ids of the instances of some rows."""
        return self._scene.ids[rows]

    def places(self, rows: Rows) -> Places:
        """The boxes of the instances of some rows."""
        return Places.of([self._box_of(int(row)) for row in rows], self._scene.up)

    def _base(self, phrase: Phrase) -> tuple[Doubles, bool]:
        """(N,) probabilities of the noun, and whether that is a surface of the room."""
        scene = self._scene
        kind = lexicon.STRUCTURE.get(phrase.text)
        if kind:
            largest = np.argsort(-scene.masks.sizes, kind="stable")[:ANCHORS]
            rows = np.union1d(np.flatnonzero(scene.masks.structure), largest)
            belief = structure_belief(kind, self.places(rows), scene.masks.structure[rows])
            if belief.any():
                base = np.zeros(len(scene))
                base[rows] = belief
                return base, True
        if phrase.text:
            return self._of_noun(phrase), False
        return (scene.masks.sizes > 0).astype(np.float64), False

    def _place(self, draft: _Draft, phrase: Phrase) -> None:
        places = self.places(draft.rows)
        for said in phrase.relations:
            self._relate(draft, places, said, phrase)
        for name in phrase.sizes:
            draft.weigh(name, _sized(rank_value(name, places, self._viewpoint),
                                     draft.probability))  # fmt: skip
        for name in phrase.superlatives:
            value = rank_value(name, places, self._viewpoint)
            draft.weigh(name, _best(value, draft.probability, same_place(places, places)))

    def _relate(self, draft: _Draft, places: Places, said: Relation, phrase: Phrase) -> None:
        if not said.anchors:
            self._relate_to_viewpoint(draft, places, said)
            return
        anchors = [self.of(anchor, ANCHORS) for anchor in said.anchors]
        draft.unchecked += [u for anchor in anchors for u in anchor.unchecked]
        if not all(len(anchor.rows) for anchor in anchors):
            draft.weigh(f"{said.words}: none", np.full(len(places), LEAST))
            return
        if said.kind == "between":
            self._relate_between(draft, places, said, anchors)
            return
        anchor = anchors[0]
        others = self.places(anchor.rows)
        likely = anchor.probability * self._rather(said.anchors[0], phrase, anchor.rows)
        rather = self._rather(phrase, said.anchors[0], draft.rows)
        if said.kind in {"nearest", "farthest"}:
            sign = 1 if said.kind == "farthest" else -1
            alike = same_place(places, places)
            apart = sign * distances(places, others)
            fits = np.column_stack([_best(column, draft.probability, alike) for column in apart.T])
        else:
            fits = relation(said.kind, places, others, self._viewpoint)
        itself = draft.rows[:, None] == anchor.rows[None]
        if said.kind not in {"on", "in", "under", "above"}:
            itself |= same_place(places, others) > SAME
        joint = np.where(itself, 0.0, fits * likely[None]) * rather[:, None]
        best = joint.argmax(axis=1)
        each = np.arange(len(places))
        names = [f"{said.kind} {self._name(int(anchor.rows[j]), said.anchors[0])}" for j in best]
        draft.weigh(names, joint[each, best], negated=said.negated)

    def _rather(self, one: Phrase, other: Phrase, rows: Rows) -> Doubles:
        """(M,) how far instances are the one rather than the other: a thing is not both."""
        apart = {one.text, other.text}.isdisjoint({"", *lexicon.STRUCTURE})
        if not apart or one.text == other.text:
            return np.ones(len(rows))
        first, second = self._of_noun(one)[rows], self._of_noun(other)[rows]
        result: Doubles = np.minimum(2 * first / np.maximum(first + second, 1e-9), 1)
        return result

    def _relate_between(
        self, draft: _Draft, places: Places, said: Relation, anchors: list[Belief]
    ) -> None:
        first, second = anchors[0], anchors[-1]
        i, j = (grid.ravel() for grid in np.indices((len(first.rows), len(second.rows))))
        a, b = self.places(first.rows), self.places(second.rows)
        apart = (first.rows[i] != second.rows[j]) & (same_place(a, b)[i, j] < SAME)
        if len(anchors) == 1:
            apart &= i < j
        i, j = i[apart], j[apart]
        if not len(i):
            draft.weigh(f"{said.words}: none", np.full(len(places), LEAST))
            return
        fits = between(places, a[i], b[j])
        fits = fits * np.minimum(first.probability[i], second.probability[j])[None]
        own = draft.rows[:, None]
        fits = np.where((own == first.rows[i][None]) | (own == second.rows[j][None]), 0.0, fits)
        best = fits.argmax(axis=1)
        names = [
            f"between {self._name(int(first.rows[i[k]]), said.anchors[0])} and"
            f" {self._name(int(second.rows[j[k]]), said.anchors[-1])}" for k in best
        ]
        draft.weigh(names, fits[np.arange(len(places)), best], negated=said.negated)

    def _relate_to_viewpoint(self, draft: _Draft, places: Places, said: Relation) -> None:
        if said.kind in {"nearest", "farthest"}:
            value = rank_value(said.kind, places, self._viewpoint)
            fits = _best(value, draft.probability, same_place(places, places))
        else:
            known = of_viewpoint(said.kind, places, self._viewpoint)
            if known is None:
                draft.unchecked.append(Unknown(said.words))
                return
            fits = known
        draft.weigh(f"{said.kind} {self._viewpoint.name}", fits, negated=said.negated)

    def _name(self, row: int, phrase: Phrase) -> str:
        instance_id = int(self._scene.ids[row])
        label = phrase.text or name_of(self._scene.labels[row], instance_id)
        return label if label.endswith(f"#{instance_id}") else f"{label} #{instance_id}"


@dataclass(eq=False)
class _Draft:
    """Instances while they are weighed."""

    rows: Rows
    probability: Doubles
    checks: list[list[Check]]

    def __post_init__(self) -> None:
        self.unchecked: list[Unknown] = []

    def weigh(
        self, names: str | list[str], fits: Doubles, *, negated: bool = False, apply: bool = True
    ) -> None:
        """Note how far each instance fits, and multiply its probability by that."""
        fits = np.clip(1 - fits if negated else fits, LEAST, 1)
        for i, (checks, fit) in enumerate(zip(self.checks, fits.tolist(), strict=True)):
            name = names if isinstance(names, str) else names[i]
            checks.append(Check(f"not {name}" if negated else name, fit))
        if apply:
            self.probability = self.probability * fits


def distinct(places: Places) -> npt.NDArray[np.bool_]:
    """(n,) which of n places, best first, is not the same as a better one."""
    alike = same_place(places, places) > SAME
    kept = np.zeros(len(places), bool)
    for i in range(len(places)):
        kept[i] = not alike[i][kept].any()
    return kept


def known_boxes(
    scene: Scene, boxes: Mapping[int, Box] | None, most_points: int = 2**31
) -> Callable[[int], Box]:
    """The box of the instance of a row: the given one, else fitted once to its points.

    most_points: of an instance of more, this many are looked at.
    """
    fitted: dict[int, Box] = {}

    def box_of(row: int) -> Box:
        known = boxes.get(int(scene.ids[row])) if boxes is not None else None
        if known is not None:
            return known
        if row not in fitted:
            members = scene.masks[row]
            some = members[:: max(1, -(-len(members) // most_points))]
            fitted[row] = fit_box(scene.cloud.points[some], scene.up)
        return fitted[row]

    return box_of


def _best(value: Doubles, probability: Doubles, alike: Doubles) -> Doubles:
    """(n,) probability that no other likely thing has a larger value."""
    if not len(value):
        return value
    likely = np.where(probability >= LIKELY * probability.max(), probability, 0.0)
    rival = (value[None] > value[:, None] + 1e-6) & (alike < SAME)
    result: Doubles = np.where(rival, 1 - likely[None], 1.0).prod(axis=1)
    return result


def _sized(value: Doubles, probability: Doubles) -> Doubles:
    """(n,) how far a value stands out among those of likely things: 1 from their median on."""
    if not len(value):
        return value
    usual = float(np.median(value[probability >= LIKELY * probability.max()]))
    ratio = np.log(np.abs(value) / abs(usual)) * np.sign(usual)
    result: Doubles = np.minimum(2 / (1 + np.exp(-STEEPNESS * ratio)), 1)
    return result
