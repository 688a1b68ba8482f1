"""Scene to the solids that a motion planner keeps away from."""

from __future__ import annotations

from typing import NamedTuple

from om3d_core.data.scene import Scene
from om3d_core.settings import split_names
from om3d_ros.node.settings import MoveitSettings

SMALLEST_SIDE_M = 0.001
"""The least side of a solid: a flat box is none."""


class Solid(NamedTuple):
    """An oriented box: center (m), orientation x y z w and size (m) in the map, and its label."""

    center: tuple[float, ...]
    quaternion: tuple[float, ...]
    size: tuple[float, ...]
    label: str


def solids(scene: Scene, settings: MoveitSettings) -> dict[str, Solid]:
    """The objects of a scene by name, ``om3d/ID``, without floor, walls and ceiling."""
    labels = split_names(settings.labels)
    return {
        f"om3d/{number}": Solid(
            tuple(box.center.tolist()), tuple(box.quaternion.tolist()),
            tuple(max(side + 2 * settings.padding_m, SMALLEST_SIDE_M)
                  for side in box.size.tolist()),
            label,
        )
        for number, box, label, structure in zip(
            scene.ids.tolist(), scene.boxes, scene.labels, scene.masks.structure, strict=True
        )
        if not structure and (not labels or label in labels)
    }
