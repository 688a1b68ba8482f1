"""Parts grouped into objects: things on supports, furniture, and flat things in a surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from om3d_core.proposals.geometric.graph import Int, Surface
from om3d_core.proposals.geometric.layout import Layout, Support

ON_SHARE = 0.7
CONTACT_M = 0.05
CLEARANCE_M = 0.8
SIGNIFICANT = 0.12
STACK_COVER = 0.85
MAX_STACK = 5
UNDER_SHARE = 0.6
HALF_AREA_M2 = 0.004
FLAT_MIN_M2 = 0.004
FLAT_MAX_SHARE = 0.4


@dataclass(frozen=True)
class Candidate:
    """One proposed instance: sample indices (k,), a score 0..1, and whether it is structure."""

    members: Int
    score: float
    structure: bool = False


class PartGraph:
    """Parts over the samples: which samples a part has and which parts touch."""

    def __init__(self, surface: Surface, parts: Int):
        """parts: (n,) part of each sample, -1 where there is none."""
        self.surface = surface
        self.parts = parts
        count = int(parts.max(initial=-1)) + 1
        self.sizes = np.bincount(parts[parts >= 0], minlength=count)
        order = np.argsort(parts, kind="stable")
        bounds = np.searchsorted(parts[order], np.arange(count + 1))
        self.members = [order[bounds[i] : bounds[i + 1]] for i in range(count)]
        a, b = parts[surface.edges[:, 0]], parts[surface.edges[:, 1]]
        touch = (a != b) & (a >= 0) & (b >= 0)
        ones = np.ones(int(touch.sum()))
        contact = sparse.coo_matrix((ones, (a[touch], b[touch])), (count, count)).tocsr()
        self.contact = (contact + contact.T).tocsr()

    def share(self, inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """(parts,) share of each part's samples where ``inside`` (n,) holds."""
        chosen = self.parts[inside & (self.parts >= 0)]
        return np.bincount(chosen, minlength=len(self.sizes)) / np.maximum(self.sizes, 1)

    def groups(self, chosen: npt.NDArray[np.bool_], min_contact: int = 1) -> list[Int]:
        """Connected groups of the chosen parts."""
        index = np.flatnonzero(chosen)
        links = self.contact[index][:, index]
        links.data = np.where(links.data >= min_contact, links.data, 0)
        links.eliminate_zeros()
        n, label = connected_components(links, directed=False)
        return [index[label == i] for i in range(n)]

    def union(self, group: Int) -> Int:
        """Ascending samples of several parts."""
        return np.sort(np.concatenate([self.members[i] for i in group]))


def propose_candidates(surface: Surface, layout: Layout, graph: PartGraph) -> list[Candidate]:
    """Every candidate over the samples; they may overlap."""
    area = surface.voxel_m**2
    result: list[Candidate] = []
    free = graph.sizes > 0
    for support in layout.supports:
        on = free & (graph.share(_above(surface, support)) >= ON_SHARE)
        for group in graph.groups(on):
            members = graph.union(group)
            if support.plane.height(surface.points[members]).min() > CONTACT_M:
                continue
            free[group] = False
            result += _group_candidates(graph, group, area, furniture=False)
    for support in layout.supports:
        below = free & (graph.share(_below(surface, support)) >= UNDER_SHARE)
        reach = np.zeros(len(surface), bool)
        reach[support.members] = True
        touching = graph.share(_near(surface, reach)) > 0
        body = [g for g in graph.groups(below) if touching[g].any()]
        group = np.concatenate([np.zeros(0, np.int64), *body])
        free[group] = False
        members = support.members
        if len(group):
            members = np.union1d(members, graph.union(group))
            result += [
                Candidate(graph.members[i], 0.3 * _size(graph.sizes[i] * area)) for i in group
            ]
            result.append(Candidate(support.members, 0.35))
        result.append(Candidate(members, 0.8))
    for group in graph.groups(free):
        result += _group_candidates(graph, group, area, furniture=True)
    return result


def flat_candidates(
    surface: Surface, support: Support, segments: Int
) -> list[Candidate]:
    """Things that lie flat in a support: its fine segments but the ground one."""
    area = surface.voxel_m**2
    labels, sizes = np.unique(segments[support.members], return_counts=True)
    result = []
    for label, size in zip(labels, sizes, strict=True):
        if size * area >= FLAT_MIN_M2 and size < FLAT_MAX_SHARE * len(support.members):
            members = support.members[segments[support.members] == label]
            result.append(Candidate(members, 0.4 * _size(size * area)))
    return result


def _group_candidates(
    graph: PartGraph, group: Int, area: float, *, furniture: bool
) -> list[Candidate]:
    """The whole group and its parts; which of them ranks first depends on how it divides."""
    members = graph.union(group)
    whole = _size(len(members) * area)
    if len(group) == 1:
        return [Candidate(members, 0.5 + 0.5 * whole)]
    shares = graph.sizes[group] / len(members)
    significant = shares >= SIGNIFICANT
    stack = (
        not furniture
        and 2 <= int(significant.sum()) <= MAX_STACK
        and float(shares[significant].sum()) >= STACK_COVER
    )
    result = [Candidate(members, (0.35 if stack else 0.7) * whole)]
    for i, share in zip(group, shares, strict=True):
        size = _size(graph.sizes[i] * area)
        if stack:
            score = 0.8 if share >= SIGNIFICANT else 0.3
        else:
            score = 0.25 + 0.3 * float(share)
        result.append(Candidate(graph.members[i], score * size))
    return result


def _size(area_m2: float) -> float:
    return float(area_m2 / (area_m2 + HALF_AREA_M2))


def _above(surface: Surface, support: Support) -> npt.NDArray[np.bool_]:
    height = support.plane.height(surface.points)
    inside = (height > 0.0) & (height < CLEARANCE_M)
    inside[inside] = support.footprint.contains(surface.points[inside])
    return inside


def _below(surface: Surface, support: Support) -> npt.NDArray[np.bool_]:
    height = support.plane.height(surface.points)
    inside = height < 0.0
    inside[inside] = support.footprint.contains(surface.points[inside])
    return inside


def _near(surface: Surface, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(n,) which samples have a chosen neighbor."""
    padded = np.append(chosen, False)
    result: npt.NDArray[np.bool_] = padded[surface.neighbors].any(axis=1)
    return result
