"""Parts that hang together, merged step by step: every step is a candidate with a score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.proposals.geometric.regions import Borders
from om3d_core.proposals.surface.samples import Float, Int

BEND_FROM_RAD, BEND_TO_RAD = 0.4, 1.0
STEP_FROM, STEP_TO = 0.02, 0.15
MIN_STEP_WEIGHT = 0.4
WEAK_CONTACT = 0.5
LOW, HIGH = 0.05, 0.95
SUPPORT_DIVIDE = 0.1
LOOSE_DIVIDE = 0.4


@dataclass(frozen=True, eq=False)
class Links:
    """Of touching parts: pairs (b, 2), how likely the border divides two objects (b,) 0..1, and
    its weight (b,)."""

    pairs: Int
    divide: Float
    weight: Float


def judge_borders(borders: Borders, sizes: Int, is_support: npt.NDArray[np.bool_]) -> Links:
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


def merge_tree(group: Int, sizes: Int, links: Links) -> Iterator[tuple[Int, float]]:
    """Every cluster of the average-linkage tree over a group of parts; sizes (parts,) samples.

    Yields the parts and a score: that no border inside divides objects (a small part on the wrong
    side matters little), and that the border across which the cluster grows next does. What is
    left unlinked is joined in the end.
    """
    near = _links_within(group, links)
    clusters = {i: group[i : i + 1] for i in range(len(group))}
    weight = {i: float(sizes[part]) for i, part in enumerate(group)}
    doubt = dict.fromkeys(clusters, 0.0)
    following = len(group)
    while len(clusters) > 1:
        first, second = sorted(clusters)[:2]
        divide, i, j = min(
            ((d / w, i, j) for i, row in near.items() for j, (d, w) in row.items() if i < j),
            default=(LOOSE_DIVIDE, first, second),
        )
        for k in (i, j):
            yield clusters[k], (1.0 - doubt[k]) * divide
        new, following = following, following + 1
        total = weight[i] + weight[j]
        wrong = divide * min(1.0, 2.0 * min(weight[i], weight[j]) / total)
        doubt[new] = max(wrong, *(doubt.pop(k) * weight.pop(k) / total for k in (i, j)))
        weight[new] = total
        clusters[new] = np.sort(np.concatenate([clusters.pop(i), clusters.pop(j)]))
        _join(near, i, j, new)
    for k, cluster in clusters.items():
        yield cluster, 1.0 - doubt[k]


Near = dict[int, dict[int, tuple[float, float]]]


def _links_within(group: Int, links: Links) -> Near:
    index = {int(part): i for i, part in enumerate(group)}
    near: Near = {i: {} for i in index.values()}
    inside = np.isin(links.pairs, group).all(axis=1)
    for (a, b), divide, weight in zip(
        links.pairs[inside], links.divide[inside], links.weight[inside], strict=True
    ):
        i, j = index[int(a)], index[int(b)]
        near[i][j] = near[j][i] = (float(divide * weight), float(weight))
    return near


def _join(near: Near, i: int, j: int, new: int) -> None:
    merged: dict[int, tuple[float, float]] = {}
    for old in (i, j):
        for k, (d, w) in near.pop(old).items():
            if k not in (i, j):
                del near[k][old]
                d0, w0 = merged.get(k, (0.0, 0.0))
                merged[k] = (d0 + d, w0 + w)
    near[new] = merged
    for k, value in merged.items():
        near[k][new] = value
