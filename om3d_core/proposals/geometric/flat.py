"""Things that lie flat in a surface and show by color alone: a magazine, a plate, a picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from om3d_core.data.boxes import level_frame
from om3d_core.proposals.geometric.candidates import Candidate
from om3d_core.proposals.surface.samples import Float, Int, Surface

MIN_AREA_M2 = 0.004
MAX_AREA_M2 = 1.0
MAX_SHARE = 0.3
GROUND_SHARE = 0.12
MIN_CONTRAST = 0.1
FULL_CONTRAST = 0.4
MIN_FILL = 0.45
SCORE = 0.6
MIN_FLAT_SCORE = 0.3


def flat_candidates(
    surface: Surface,
    members: Int,
    normal: Float,
    segments: Int,
    edges: Int,
    min_area_m2: float = MIN_AREA_M2,
) -> list[Candidate]:
    """Compact patches of a plane (its samples ``members``) that differ from it in color.

    A patch is a fine segment, or a connected group of them that are not ground. edges (m, 2) are
    those within planes.
    """
    labels, local, sizes = np.unique(
        segments[members], return_inverse=True, return_counts=True
    )
    local = local.reshape(-1)
    colors = np.stack(
        [np.bincount(local, surface.colors[members, k]) / sizes for k in range(3)], axis=1
    )
    largest = int(np.argmax(sizes))
    ground = sizes >= GROUND_SHARE * len(members)
    ground |= np.linalg.norm(colors - colors[largest], axis=1) < MIN_CONTRAST
    result = []
    for group in _groups(surface, members, local, edges, ~ground):
        patch = members[np.isin(local, group)]
        area = len(patch) * surface.voxel_m**2
        if not min_area_m2 <= area <= MAX_AREA_M2 or len(patch) > MAX_SHARE * len(members):
            continue
        mean = np.average(colors[group], axis=0, weights=sizes[group])
        contrast = float(np.linalg.norm(mean - colors[largest]))
        fill = _fill(surface.points[patch], normal, area)
        if contrast >= MIN_CONTRAST and fill >= MIN_FILL:
            score = SCORE * min(contrast / FULL_CONTRAST, 1.0) * min(fill, 1.0)
            score *= area / (area + min_area_m2)
            if score >= MIN_FLAT_SCORE:
                result.append(Candidate(patch, score))
    return result


def _groups(
    surface: Surface, members: Int, local: Int, edges: Int, chosen: npt.NDArray[np.bool_]
) -> Iterator[Int]:
    """Connected groups of the chosen segments, then those of them that are not alone."""
    position = np.full(len(surface), -1, np.int64)
    position[members] = local
    a, b = position[edges[:, 0]], position[edges[:, 1]]
    keep = (a >= 0) & (b >= 0) & (a != b)
    n = len(chosen)
    links = sparse.coo_matrix((np.ones(int(keep.sum())), (a[keep], b[keep])), (n, n)).tocsr()
    index = np.flatnonzero(chosen)
    if not len(index):
        return
    count, label = connected_components(links[index][:, index], directed=False)
    for i in range(count):
        group = index[label == i]
        yield group
        if len(group) > 1:
            yield from (group[k : k + 1] for k in range(len(group)))


def _fill(points: Float, normal: Float, area: float) -> float:
    """The part of the smallest rectangle around the points that they cover."""
    flat = points @ level_frame(normal)[:, :2]
    angles = np.deg2rad(np.arange(0, 90, 3))
    axes = np.stack([np.cos(angles), np.sin(angles)])
    along = np.ptp(flat @ axes, axis=0)
    across = np.ptp(flat @ np.stack([-axes[1], axes[0]]), axis=0)
    return area / max(float((along * across).min()), 1e-9)
