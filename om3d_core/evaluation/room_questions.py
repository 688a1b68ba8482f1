"""Questions of several parts about a synthetic room, with their answers by its ground truth.

Relations are told by the true boxes and by what the room was furnished with (``supported_by``),
not by what answers the questions. For colors, things of one class are painted over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from om3d_core.data.scene import Scene
from om3d_core.errors import SourceError
from om3d_core.evaluation.ground_truth import (
    TRANSFER_TOLERANCE_M,
    GroundTruth,
    read_ground_truth,
)
from om3d_core.evaluation.query_file import LabeledQuery, read_queries
from om3d_core.evaluation.verdicts import Outcome, outcomes
from om3d_core.files import read_json
from om3d_core.query.scene_query import SceneQuery
from om3d_core.query.settings import QuerySettings
from om3d_core.query.text_memory import TextMemory

NEAR_M, NOT_NEAR_M = 0.3, 1.2
MUCH_NEARER = 1.5
MUCH_LARGER = 1.5
MOST_A_KIND, MOST_ABSENT = 12, 5
PAINTS = {"red": (190, 35, 35), "blue": (40, 70, 180), "green": (45, 140, 60),
          "yellow": (230, 200, 50)}  # fmt: skip
ABSENT_HEADS = ("guitar", "laptop computer", "teddy bear", "umbrella")


@dataclass(frozen=True, eq=False)
class _Thing:
    """A labeled instance: low and high (3,) corners of its box, meters."""

    id: int
    name: str
    structure: bool
    supported_by: int
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def room_questions(folder: Path) -> dict[str, list[LabeledQuery]]:
    """Questions by kind about the scene of ``om3d synth`` in a folder; absent ones among them.

    Raises :class:`SourceError` for a folder without ``scene.json``.
    """
    try:
        entries = read_json(folder / "scene.json")["instances"]
        things = [
            _Thing(e["id"], e["class"], e["structure"], e["supported_by"],
                   np.array(e["box_min"], np.float64), np.array(e["box_max"], np.float64))
            for e in entries
        ]  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{folder}: expected scene.json of om3d synth: {error!r}") from error
    classes: dict[str, list[_Thing]] = defaultdict(list)
    for thing in things:
        if not thing.structure:
            classes[thing.name].append(thing)
    kinds = {
        "on": _on(classes, {t.id: t for t in things}),
        "near": _near(classes),
        "nearest": _nearest(classes),
        "largest": _largest(classes),
        "plural": (_asked(f"all the {name}s", group) for name, group in sorted(classes.items())
                   if len(group) > 1),
    }  # fmt: skip
    asked = {kind: list(found) for kind, found in kinds.items()}
    return {
        kind: [q for q in found if not q.absent][:MOST_A_KIND]
        + [q for q in found if q.absent][:MOST_ABSENT]
        for kind, found in asked.items()
    }


def room_outcomes(
    scene: Scene, folder: Path, texts: TextMemory, settings: QuerySettings
) -> list[Outcome]:
    """The answers of a map of the room in a folder: to its query file, to questions of several
    parts, and to colors after things were painted.

    Raises :class:`SourceError` for a folder that is no scene of ``om3d synth``.
    """
    truth = read_ground_truth(folder)
    settings = replace(settings, top_k=max(len(scene), 1))
    kinds = {"noun": list(read_queries(folder / "queries.json")), **room_questions(folder)}
    query, found = SceneQuery(scene, texts, settings), []
    for kind, questions in kinds.items():
        if questions:
            found += outcomes(kind, query.text, scene, questions, truth)
    colored, questions = painted(scene, truth)
    if questions:
        of_colors = SceneQuery(colored, texts, settings)
        found += outcomes("color", of_colors.text, colored, questions, truth)
    return found


def painted(scene: Scene, truth: GroundTruth) -> tuple[Scene, list[LabeledQuery]]:
    """The map with things of one class in different colors, and questions about these.

    The lightness of the points stays, so that light and shadow do.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for mask, (instance, name) in enumerate(zip(truth.ids.tolist(), truth.classes, strict=True)):
        if not truth.masks.structure[mask]:
            groups[name].append(instance)
    owner = truth.ids[np.clip(truth.masks.labels(), 0, None)]
    owner = np.where(truth.masks.labels() >= 0, owner, -1)
    gap, nearest = cKDTree(truth.points).query(scene.cloud.points)
    owner_of = np.where(gap <= TRANSFER_TOLERANCE_M, owner[nearest], -1)
    colors, questions = scene.cloud.colors.copy(), []
    for name, instances in sorted(groups.items()):
        if not 2 <= len(instances) < len(PAINTS):
            continue
        for instance, (color, rgb) in zip(instances, PAINTS.items(), strict=False):
            of_it = owner_of == instance
            light = colors[of_it].mean(axis=1, keepdims=True)
            scale = light / max(float(light.mean()) if len(light) else 1.0, 1.0)
            colors[of_it] = np.clip(np.array(rgb) * scale, 0, 255).astype(np.uint8)
            questions.append(LabeledQuery(f"the {color} {name}", np.zeros((0, 3)),
                                          instances=(instance,)))  # fmt: skip
        unused = list(PAINTS)[len(instances)]
        questions.append(LabeledQuery(f"the {unused} {name}", np.zeros((0, 3))))
    return replace(scene, cloud=replace(scene.cloud, colors=colors)), questions


def _on(classes: dict[str, list[_Thing]], by_id: dict[int, _Thing]) -> Iterator[LabeledQuery]:
    carriers = sorted({by_id[t.supported_by].name for group in classes.values() for t in group
                       if t.supported_by in by_id and not by_id[t.supported_by].structure})
    for name, group in sorted(classes.items()):
        of = [by_id[t.supported_by].name for t in group if t.supported_by in by_id]
        on_things = [carrier for carrier in carriers if carrier in of]
        for carrier in on_things:
            right = [t for t in group if t.supported_by in by_id
                     and by_id[t.supported_by].name == carrier]  # fmt: skip
            yield _asked(f"the {name} on the {carrier}", right)
        elsewhere = [c for c in carriers if c not in of and c != name]
        if on_things and elsewhere:
            yield _asked(f"the {name} on the {elsewhere[len(name) % len(elsewhere)]}", [])
    for name in ABSENT_HEADS:
        if carriers:
            yield _asked(f"the {name} on the {carriers[0]}", [])


def _near(classes: dict[str, list[_Thing]]) -> Iterator[LabeledQuery]:
    for name, other in permutations(sorted(classes), 2):
        anchors = classes[other]
        if len(anchors) > 1:
            continue
        gaps = [_gap(thing, anchors[0]) for thing in classes[name]]
        if all(gap > NOT_NEAR_M for gap in gaps) and max(gaps) > 3:
            yield _asked(f"the {name} next to the {other}", [])
        elif len(gaps) > 1 and min(gaps) < NEAR_M and max(gaps) > NOT_NEAR_M and all(
            gap < NEAR_M or gap > NOT_NEAR_M for gap in gaps
        ):
            right = [t for t, gap in zip(classes[name], gaps, strict=True) if gap < NEAR_M]
            yield _asked(f"the {name} next to the {other}", right)


def _nearest(classes: dict[str, list[_Thing]]) -> Iterator[LabeledQuery]:
    for name, other in permutations(sorted(classes), 2):
        if len(classes[name]) < 2 or len(classes[other]) > 1:
            continue
        ranked = sorted(classes[name], key=lambda thing: _gap(thing, classes[other][0]))
        first, second = (_gap(thing, classes[other][0]) for thing in ranked[:2])
        if second > MUCH_NEARER * first + 0.1:
            yield _asked(f"the {name} nearest to the {other}", ranked[:1])


def _largest(classes: dict[str, list[_Thing]]) -> Iterator[LabeledQuery]:
    for name, group in sorted(classes.items()):
        ranked = sorted(group, key=lambda thing: -float((thing.high - thing.low).prod()))
        sizes = [float((thing.high - thing.low).prod()) for thing in ranked]
        if len(sizes) > 1 and sizes[0] > MUCH_LARGER * sizes[1]:
            yield _asked(f"the largest {name}", ranked[:1])
            yield _asked(f"the smallest {name}", ranked[-1:] if len(ranked) == 2 else ranked[1:])


def _asked(text: str, right: list[_Thing]) -> LabeledQuery:
    return LabeledQuery(text, np.zeros((0, 3)), instances=tuple(t.id for t in right))


def _gap(a: _Thing, b: _Thing) -> float:
    apart = np.maximum(np.maximum(a.low - b.high, b.low - a.high), 0)
    return float(np.linalg.norm(apart))
