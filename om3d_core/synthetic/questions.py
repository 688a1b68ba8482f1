"""Queries with their right answers, from ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from om3d_core.synthetic.assets import Catalog
from om3d_core.synthetic.scene import Instance

_MAX_RADIUS_M = 0.06
_MIN_RADIUS_M = 0.02
_RADIUS_SHARE = 0.8
_CLEARANCE_M = 0.08
_ECCENTRICITY_WEIGHT = 0.3
_N_ABSENT = 5


def make_queries(catalog: Catalog, findable: list[Instance],
                 points_of: Mapping[int, NDArray[np.float32]],
                 rng: np.random.Generator) -> list[dict[str, Any]]:
    """One query a class that can be found, then a few for things that are not there.

    points_of: the seen surface points (P, 3) [m] of every instance. A query names the instances
    that answer it, and a position of each: a point of its surface, near its middle and away from
    all else; the radius keeps clear of the others.
    """
    queries = [_query(catalog, name, findable, points_of, rng)
               for name in sorted({instance.class_name for instance in findable})]
    absent = rng.permutation(len(catalog.absent))[:_N_ABSENT]
    return queries + [{"text": catalog.absent[int(i)], "absent": True} for i in absent]


def _query(catalog: Catalog, class_name: str, findable: list[Instance],
           points_of: Mapping[int, NDArray[np.float32]],
           rng: np.random.Generator) -> dict[str, Any]:
    from scipy.spatial import cKDTree

    phrases = catalog.classes[class_name].queries
    right = [instance for instance in findable
             if class_name in (instance.class_name, *catalog.classes[instance.class_name].isa)]
    right_ids = {instance.id for instance in right}
    tree = cKDTree(np.concatenate([points for i, points in points_of.items()
                                   if i not in right_ids]))
    positions, radius, longest = [], _MAX_RADIUS_M, 0.0
    for instance in right:
        points = points_of[instance.id].astype(np.float64)
        clearance = np.minimum(tree.query(points)[0], _CLEARANCE_M)
        eccentricity = np.linalg.norm(points - points.mean(axis=0), axis=1)
        best = int(np.argmax(clearance - _ECCENTRICITY_WEIGHT * eccentricity))
        positions.append(np.round(points[best], 4).tolist())
        radius = min(radius, max(_RADIUS_SHARE * float(clearance[best]), _MIN_RADIUS_M))
        low, high = instance.box
        longest = max(longest, float((high - low).max()))
    return {"text": phrases[int(rng.integers(len(phrases)))],
            "instances": sorted(right_ids), "positions": positions, "radius": round(radius, 3),
            "max_extent": round(2 * longest + 0.1, 2)}
