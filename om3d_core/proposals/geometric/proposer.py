"""The geometric proposer: planes, fine segments, convex parts, objects."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks, suppress_duplicates
from om3d_core.progress import Job
from om3d_core.proposals.geometric.candidates import (
    Candidate,
    propose_candidates,
)
from om3d_core.proposals.geometric.flat import flat_candidates
from om3d_core.proposals.geometric.hierarchy import Links, judge_borders
from om3d_core.proposals.geometric.parts import PartGraph
from om3d_core.proposals.geometric.regions import absorb_small, find_borders, merge_convex
from om3d_core.proposals.geometric.settings import GeometricSettings
from om3d_core.proposals.surface.layout import find_layout
from om3d_core.proposals.surface.planes import find_planes
from om3d_core.proposals.surface.samples import (
    Int,
    Surface,
    edge_weights,
    felzenszwalb,
    resample,
    voxel_for,
)

STAGE = "masks"
STEPS = 6
MIN_PLANE_M2 = 0.08
MIN_SEGMENT_M2 = 0.0008
MIN_CONTACT = 0.5
MIN_POINTS = 50
MIN_ON_WALL_M2 = 0.03


class GeometricProposer:
    """Object masks from geometry and color alone, without weights.

    Fine segments (Felzenszwalb and Huttenlocher 2004) on the neighbor graph are joined across
    convex borders (LCCP, Stein et al. 2014), then grouped by the surfaces that carry them.
    """

    local = True

    def __init__(self, settings: GeometricSettings | None = None):
        self._settings = settings or GeometricSettings()

    def propose(self, cloud: Cloud, job: Job, up: npt.NDArray[np.float64]) -> InstanceMasks:
        """Masks over the cloud's points, by falling score; the same cloud, the same masks."""
        if len(cloud) < MIN_POINTS:
            return InstanceMasks.empty(len(cloud))
        s = self._settings
        job.step(STAGE, 0, STEPS)
        surface = resample(cloud, voxel_for(cloud, s.voxel_m))
        job.step(STAGE, 1, STEPS)
        planes = find_planes(surface, max(s.plane_tolerance_m, surface.voxel_m), MIN_PLANE_M2)
        layout = find_layout(surface, planes, up)
        job.step(STAGE, 2, STEPS)
        edges = surface.edges[
            layout.plane_of[surface.edges[:, 0]] == layout.plane_of[surface.edges[:, 1]]
        ]
        min_size = max(int(MIN_SEGMENT_M2 / surface.voxel_m**2), 5)
        weights = edge_weights(surface, edges, s.color_weight)
        segments = felzenszwalb(len(surface), edges, weights, s.segment_scale, min_size)
        job.step(STAGE, 3, STEPS)
        convex = self._convex_parts(surface, segments, edges)
        graph = PartGraph(surface, layout, convex)
        job.step(STAGE, 4, STEPS)
        links = self._links(surface, graph)
        candidates = propose_candidates(surface, layout, graph, links)
        for number, group in enumerate(layout.structure):
            members = np.flatnonzero(layout.plane_of == number)
            candidates.append(Candidate(members, 1.0, structure=True))
            candidates += flat_candidates(
                surface, members, group[0].normal, segments, edges, MIN_ON_WALL_M2
            )
        for support in layout.supports:
            candidates += flat_candidates(
                surface, support.members, support.plane.normal, segments, edges
            )
        job.step(STAGE, 5, STEPS)
        masks = self._to_masks(surface, candidates)
        job.step(STAGE, STEPS, STEPS)
        return masks

    def _convex_parts(self, surface: Surface, segments: Int, edges: Int) -> Int:
        borders = find_borders(surface, segments, edges)
        sizes = np.bincount(segments).astype(np.float64)
        merged = merge_convex(sizes, borders, self._settings.max_concave_rad, MIN_CONTACT)
        return absorb_small(surface, merged[segments], edges)

    def _links(self, surface: Surface, graph: PartGraph) -> Links:
        owned = (graph.parts[surface.edges] >= 0).all(axis=1)
        borders = find_borders(surface, graph.parts, surface.edges[owned])
        return judge_borders(borders, graph.sizes, graph.is_support)

    def _to_masks(self, surface: Surface, candidates: list[Candidate]) -> InstanceMasks:
        s = self._settings
        area = surface.voxel_m**2
        kept = [
            c for c in candidates
            if c.structure or (len(c.members) * area >= s.min_area_m2 and c.score >= s.min_score)
        ]
        kept.sort(key=lambda c: (-c.score, -len(c.members), int(c.members[0])))
        del kept[s.max_masks :]
        order = np.argsort(surface.voxel_of_point, kind="stable")
        bounds = np.searchsorted(surface.voxel_of_point[order], np.arange(len(surface) + 1))
        over_samples = InstanceMasks.from_lists(
            [c.members for c in kept],
            len(surface),
            [c.score for c in kept],
            [c.structure for c in kept],
        )
        unique = suppress_duplicates(over_samples, s.max_overlap)
        members = [_expand(unique[i], order, bounds) for i in range(len(unique))]
        return InstanceMasks.from_lists(
            members, len(surface.voxel_of_point), unique.scores, unique.structure
        )


def _expand(samples: npt.NDArray[np.integer], order: Int, bounds: Int) -> Int:
    """The cloud's points in the given samples."""
    lengths = bounds[samples + 1] - bounds[samples]
    starts = np.repeat(bounds[samples] - np.cumsum(lengths) + lengths, lengths)
    return order[starts + np.arange(int(lengths.sum()))]
