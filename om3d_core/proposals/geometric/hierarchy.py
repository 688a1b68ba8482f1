"""Parts that hang together, merged step by step: every step is a candidate with a score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from om3d_core.proposals.geometric.graph import Int
from om3d_core.proposals.geometric.regions import Borders

BEND_FROM_RAD, BEND_TO_RAD = 0.4, 1.0
STEP_FROM, STEP_TO = 0.02, 0.15
MIN_STEP_WEIGHT = 0.2
WEAK_CONTACT = 0.5
LOW, HIGH = 0.05, 0.95
SUPPORT_DIVIDE = 0.1


@dataclass(frozen=True)
class Links:
    """Of touching parts: pairs (b, 2), how likely the border divides two objects (b,) 0..1, and
    its weight (b,)."""

    pairs: Int
    divide: np.ndarray
    weight: np.ndarray


def judge_borders(borders: Borders, sizes: Int, is_support: np.ndarray) -> Links:
    """A border divides objects if it is concave and the color steps there."""
    bend = np.clip(
        (-borders.bend / borders.count - BEND_FROM_RAD) / (BEND_TO_RAD - BEND_FROM_RAD), 0.0, 1.0
    )
    step = np.clip(
        (borders.color / borders.count - STEP_FROM) / (STEP_TO - STEP_FROM), MIN_STEP_WEIGHT, 1.0
    )
    divide = bend * step
    smaller = sizes[borders.pairs].min(axis=1)
    weak = borders.count < WEAK_CONTACT * np.sqrt(smaller)
    divide = np.where(weak, np.maximum(divide, 0.5), divide)
    divide = np.where(is_support[borders.pairs].any(axis=1), SUPPORT_DIVIDE, divide)
    return Links(borders.pairs, np.clip(divide, LOW, HIGH), borders.count)


def merge_tree(group: Int, links: Links) -> Iterator[tuple[Int, float]]:
    """Every cluster of the average-linkage tree over a connected group of parts.

    Yields the parts and a score: that no border inside divides objects, and that the one across
    which the cluster grows does.
    """
    index = {int(part): i for i, part in enumerate(group)}
    near: dict[int, dict[int, tuple[float, float]]] = {i: {} for i in index.values()}
    for (a, b), divide, weight in zip(links.pairs, links.divide, links.weight, strict=True):
        i, j = index.get(int(a)), index.get(int(b))
        if i is not None and j is not None:
            near[i][j] = near[j][i] = (float(divide * weight), float(weight))
    clusters = {i: group[i : i + 1] for i in range(len(group))}
    inside = dict.fromkeys(clusters, 0.0)
    following = len(group)
    while True:
        best = min(
            ((d / w, i, j) for i, row in near.items() for j, (d, w) in row.items() if i < j),
            default=None,
        )
        if best is None:
            break
        divide, i, j = best
        for k in (i, j):
            yield clusters[k], (1.0 - inside[k]) * divide
        new = following
        following += 1
        clusters[new] = np.sort(np.concatenate([clusters.pop(i), clusters.pop(j)]))
        inside[new] = max(divide, inside.pop(i), inside.pop(j))
        merged: dict[int, tuple[float, float]] = {}
        for old in (i, j):
            for k, (d, w) in near.pop(old).items():
                if k in (i, j):
                    continue
                del near[k][old]
                d0, w0 = merged.get(k, (0.0, 0.0))
                merged[k] = (d0 + d, w0 + w)
        near[new] = merged
        for k, value in merged.items():
            near[k][new] = value
    for k in clusters:
        yield clusters[k], 1.0 - inside[k]
