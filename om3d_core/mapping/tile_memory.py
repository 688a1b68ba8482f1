"""What was found on each tile of a cloud; one that did not change is not proposed on again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.mapping.gravity import up_of_part
from om3d_core.progress import Job
from om3d_core.proposals.base import Proposer
from om3d_core.proposals.surface.gravity import facing_areas
from om3d_core.proposals.tiles import OnTile, cut, join

Float = npt.NDArray[np.float64]


class TileMemory:
    """Keeps the masks of each tile by the digest of its points, and what its planes say of up.

    proposals: on how many tiles masks were proposed so far.
    """

    def __init__(self) -> None:
        self._facing: dict[str, Float] = {}
        self._found: dict[tuple[str, bytes], OnTile] = {}
        self.proposals = 0

    def propose(
        self,
        proposer: Proposer,
        cloud: Cloud,
        up_from: Callable[[Callable[[], Float]], Float],
        tile_m: float,
        job: Job,
    ) -> tuple[Float, InstanceMasks]:
        """Up (3,) and the masks on a cloud, in tiles of side ``tile_m`` if the proposer is local.

        up_from: tells up, given what makes the facing areas (K, 3) of the cloud; where it asked
        for them, each tile has an up of its own near it. A cancel leaves what was found.
        """
        tiles = cut(cloud, tile_m if getattr(proposer, "local", False) else np.inf)
        alone = len(tiles) == 1
        parts = [cloud] if alone else [cloud.select(tile.rows) for tile in tiles]
        keys = [part.digest for part in parts]

        def facing() -> Float:
            for key, part, tile in zip(keys, parts, tiles, strict=True):
                if key not in self._facing:
                    self._facing[key] = facing_areas(part if alone else part.select(tile.own))
            return np.concatenate([self._facing[key] for key in keys])

        up = up_from(facing)
        ups = [up if alone or key not in self._facing else up_of_part(self._facing[key], up)
               for key in keys]
        wanted = [(key, own.tobytes()) for key, own in zip(keys, ups, strict=True)]
        new = [i for i, key in enumerate(wanted) if key not in self._found]
        for number, i in enumerate(new):
            masks = proposer.propose(parts[i], job.part(number, len(new)), ups[i])
            self._found[wanted[i]] = OnTile.of(parts[i].points, tiles[i], masks.without_empty())
            self.proposals += 1
        self._facing = {key: self._facing[key] for key in keys if key in self._facing}
        self._found = {key: self._found[key] for key in wanted}
        return up, join(tiles, [self._found[key] for key in wanted], len(cloud))
