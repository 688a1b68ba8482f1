"""Floor, walls, ceiling and table tops among the surfaces of a map."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.query.relations import Places

Doubles = npt.NDArray[np.float64]

LEVEL_M = 0.25
"""A surface not thicker than this is level."""
TOP_M = (0.3, 1.3)
"""Heights over the floor that a table top may have."""
TOP_AREA_M2 = 0.25


def structure_belief(
    kind: str, places: Places, structure: npt.NDArray[np.bool_]
) -> Doubles:
    """(n,) how probably each place is the floor, a wall, the ceiling or the top of a table, 0..1.

    structure: (n,) which places are surfaces of the room. Of level ones the floor is the lowest
    and the ceiling what is higher than all things.
    """
    height = places.top - places.bottom
    level = height < np.maximum(LEVEL_M, 0.1 * places.half.max(axis=1))
    middle = (places.top + places.bottom) / 2
    lowest = float(middle.min()) if len(places) else 0.0
    things = places.top[~structure]
    highest = float(things.max()) if len(things) else lowest + TOP_M[1]
    reachable = (places.top > lowest + TOP_M[0]) & (places.top < lowest + TOP_M[1])
    fits = {
        "wall": structure & ~level,
        "floor": structure & level & (middle < lowest + 2 * LEVEL_M),
        "ceiling": structure & level & (middle > max(highest - LEVEL_M, lowest + 1)),
        "top": level & reachable & (4 * places.half.prod(axis=1) > TOP_AREA_M2),
    }
    belief: Doubles = fits[kind].astype(np.float64)
    return belief
