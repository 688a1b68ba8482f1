"""What an answer comes to: a verdict, why, and the question that tells rivals apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from om3d_core.data.scene import Scene
from om3d_core.data.text import name_of
from om3d_core.query.answer import ABSENT, AMBIGUOUS, UNIQUE, Match
from om3d_core.query.colors import NAMES, ColorMemory
from om3d_core.query.question import ONE, Question
from om3d_core.query.relations import Places, Viewpoint, rank_value

Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

SLOPE, BIAS = 1.00, 0.82
"""Of the logit of what parts multiply to: by ``om3d eval-verdicts --fit`` on rooms 1 to 9 0.93 and
0.98; a little less bias leaves a superlative its one match."""
RIVAL = 0.75
"""Part of the first match's probability from which another one is its rival."""
MAX_RIVALS = 4
CLEAR_COLOR = 0.4
CLEAR_SIZE = 1.3


def composed_probability(weighed: Doubles, question: Question) -> Doubles:
    """(M,) probability of instances that a question of several parts weighed so, 0..1.

    A noun alone is calibrated by itself; parts that go together are not independent.
    """
    if all(target.is_plain for target in question.targets) and not question.exclusions:
        return weighed
    inside = np.clip(weighed, 1e-6, 1 - 1e-6)
    logit = SLOPE * np.log(inside / (1 - inside)) + BIAS
    result: Doubles = 1 / (1 + np.exp(-logit))
    return result


def explained(matches: tuple[Match, ...]) -> tuple[Match, ...]:
    """The matches, each with why it is the best, or what the best one has over it."""
    return tuple(
        replace(match, explanation=_why(match, matches[0])) if match.checks else match
        for match in matches
    )


def conclude(
    scene: Scene, colors: ColorMemory, question: Question | None, rows: Rows,
    probability: Doubles, places: Places, viewpoint: Viewpoint | Callable[[], Viewpoint],
) -> tuple[str, str]:
    """The verdict on an answer, and the question that tells its rivals apart, if there are.

    rows: distinct instances that are judged present, best first, with their probabilities and
    places; of one and several as good as it, one is asked for.
    """
    if not len(rows):
        return ABSENT, ""
    n_rivals = int((probability >= RIVAL * probability[0]).sum())
    if n_rivals < 2 or (question is not None and question.quantity != ONE):
        return UNIQUE, ""
    n_told = min(n_rivals, MAX_RIVALS)
    noun = question.targets[0].text if question is not None else ""
    seen_from = viewpoint() if callable(viewpoint) else viewpoint
    told = _tell_apart(
        rows[:n_told], noun or "thing", scene, colors, places[np.arange(n_told)], seen_from
    )
    more = f", or one of {n_rivals - n_told} more" if n_rivals > n_told else ""
    named = [f"the {name} (#{int(scene.ids[row])})" for name, row in zip(told, rows, strict=False)]
    return AMBIGUOUS, f"Do you mean {', '.join(named[:-1])} or {named[-1]}{more}?"


def _why(match: Match, best: Match) -> str:
    told = ", ".join(map(str, match.checks))
    if match is best or [c.what for c in match.checks[:1]] != [c.what for c in best.checks[:1]]:
        return told
    pairs = zip(match.checks, best.checks, strict=False)
    worst = min(pairs, key=lambda pair: pair[0].fit / max(pair[1].fit, 1e-9))
    if worst[0].fit >= worst[1].fit:
        return told
    return f"{told}; behind #{best.instance_id} by {worst[0].what} ({worst[1].fit:.2f} there)"


def _tell_apart(
    rows: Rows, noun: str, scene: Scene, colors: ColorMemory, places: Places,
    viewpoint: Viewpoint,
) -> list[str]:
    """Names that tell instances apart: by label, color, size, or side."""
    return (
        _by_label(rows, scene) or _by_color(rows, noun, colors) or _by_size(places, noun)
        or _by_side(places, noun, viewpoint)
    )  # fmt: skip


def _by_label(rows: Rows, scene: Scene) -> list[str]:
    labels = [name_of(scene.labels[row], 0) for row in rows if scene.labels[row]]
    return labels if len(labels) == len(rows) == len(set(labels)) else []


def _by_color(rows: Rows, noun: str, colors: ColorMemory) -> list[str]:
    shares = [colors.shares(int(row)) for row in rows]
    names = [NAMES[int(share.argmax())] for share in shares]
    clear = len(set(names)) == len(names) and min(s.max() for s in shares) >= CLEAR_COLOR
    return [f"{name} {noun}" for name in names] if clear else []


def _by_size(places: Places, noun: str) -> list[str]:
    length = places.volume ** (1 / 3)
    if len(length) != 2 or length.max() < CLEAR_SIZE * length.min():
        return []
    is_larger = length >= length.max()
    return [f"{'larger' if larger else 'smaller'} {noun}" for larger in is_larger]


def _by_side(places: Places, noun: str, viewpoint: Viewpoint) -> list[str]:
    order = np.argsort(-rank_value("leftmost", places, viewpoint), kind="stable")
    names = ["leftmost", "rightmost"]
    if len(order) > 2:
        names[1:1] = ["middle"] if len(order) == 3 else ["second from left", "third from left"]
    told = [""] * len(order)
    for name, i in zip(names, order.tolist(), strict=True):
        told[i] = f"{name} {noun}"
    return told
