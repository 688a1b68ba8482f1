"""Parts grouped into objects: things on supports, furniture, and flat things in a surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.proposals.geometric.hierarchy import Links, merge_tree
from om3d_core.proposals.geometric.parts import PartGraph
from om3d_core.proposals.surface.layout import Layout, Support
from om3d_core.proposals.surface.samples import Int, Surface

Bool = npt.NDArray[np.bool_]

ON_SHARE = 0.7
CONTACT_M = 0.05
CLEARANCE_M = 0.8
MIN_TOP_M2 = 0.3
BACKREST_WIDTH = 0.6
BACKREST_HEIGHT_M = 0.2
UNDER_SHARE = 0.6
THING_AREA_M2 = 0.004
FIXTURE_AREA_M2 = 0.015
FIXTURE_TRUST = 0.6
LARGE_FIXTURE_M2 = 0.3
FURNITURE_AREA_M2 = 0.06
MIN_PART_M2 = 0.0015
MIN_FURNITURE_SCORE = 0.3


@dataclass(frozen=True, eq=False)
class Candidate:
    """One proposed instance: sample indices (k,), a score 0..1, and whether it is structure."""

    members: Int
    score: float
    structure: bool = False


def propose_candidates(
    surface: Surface, layout: Layout, graph: PartGraph, links: Links
) -> list[Candidate]:
    """Every candidate over the samples; they may overlap.

    Things on a support come first; then large tops with what is below them; what is left and
    hangs together is furniture.
    """
    result: list[Candidate] = []
    free = graph.sizes > 0
    for support in layout.supports:
        result += _things_on(surface, support, graph, links, free)
    for support in layout.supports:
        if graph.area(support.members) >= MIN_TOP_M2 and free[graph.part_of(support)]:
            result += _top_with_body(surface, support, graph, free)
    for group in graph.groups(free, loose=True):
        result += _group_candidates(graph, links, group, furniture=True)
    return result


def _things_on(
    surface: Surface, support: Support, graph: PartGraph, links: Links, free: Bool
) -> list[Candidate]:
    """Groups of parts that stand on a support; they leave ``free``."""
    result = []
    on = free & ~graph.is_support & (graph.share(_above(surface, support)) >= ON_SHARE)
    for group in graph.groups(on):
        members = graph.union(group)
        lifted = float(support.plane.height(surface.points[members]).min()) > CONTACT_M
        if lifted or _is_backrest(surface, support, members):
            continue
        free[group] = False
        result += _group_candidates(graph, links, group, furniture=False)
    return result


def _is_backrest(surface: Surface, support: Support, members: Int) -> bool:
    """As wide as the seat it stands on, and tall."""
    if len(support.members) * surface.voxel_m**2 >= MIN_TOP_M2:
        return False
    seat = support.footprint.longest_side(surface.points[support.members])
    width = support.footprint.longest_side(surface.points[members])
    height = float(np.ptp(support.plane.height(surface.points[members])))
    return height >= BACKREST_HEIGHT_M and width >= BACKREST_WIDTH * seat


def _top_with_body(
    surface: Surface, support: Support, graph: PartGraph, free: Bool
) -> list[Candidate]:
    """A large top and the free parts below it that hang together with it."""
    top = graph.part_of(support)
    below = free & (graph.share(_below(surface, support)) >= UNDER_SHARE)
    below[top] = True
    group = next(g for g in graph.groups(below) if top in g)
    free[group] = False
    result = [Candidate(graph.union(group), 0.85)]
    if len(group) > 1:
        result.append(Candidate(support.members, 0.35))
    return result


def _group_candidates(
    graph: PartGraph, links: Links, group: Int, *, furniture: bool
) -> list[Candidate]:
    """The clusters of a group of parts that hang together."""
    result = []
    for cluster, likely in merge_tree(group, graph.sizes, links):
        members = graph.union(cluster)
        area = graph.area(members)
        if area < MIN_PART_M2 and len(cluster) < len(group):
            continue
        if not furniture:
            likely *= area / (area + THING_AREA_M2)
        elif len(cluster) == len(group) or area >= LARGE_FIXTURE_M2:
            likely *= area / (area + FURNITURE_AREA_M2)
        else:
            likely *= FIXTURE_TRUST * area / (area + FIXTURE_AREA_M2)
        if furniture and len(cluster) < len(group) and likely < MIN_FURNITURE_SCORE:
            continue
        result.append(Candidate(members, likely))
    return result


def _above(surface: Surface, support: Support) -> Bool:
    height = support.plane.height(surface.points)
    inside = (height > 0.0) & (height < CLEARANCE_M)
    inside[inside] = support.footprint.contains(surface.points[inside])
    return inside


def _below(surface: Surface, support: Support) -> Bool:
    inside: Bool = support.plane.height(surface.points) < 0.01
    inside[inside] = support.footprint.grown(1).contains(surface.points[inside])
    return inside


