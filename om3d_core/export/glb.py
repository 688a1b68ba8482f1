"""A map as binary glTF for viewers and simulators: a node of points and a box an instance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import level_frame
from om3d_core.data.poses import quaternion_of
from om3d_core.data.scene import Scene
from om3d_core.export.point_colors import COLORS, point_colors
from om3d_core.files import write_durably
from om3d_core.formats.glb import LINES, POINTS, GlbBuilder
from om3d_core.pictures.palette import instance_colors
from om3d_core.settings import Settings, setting

Y_UP_FROM_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
EDGES = [
    (a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b).bit_count() == 1
]
"""Pairs of corners of a Box."""


@dataclass(frozen=True)
class GlbSettings(Settings):
    """What a glTF file holds."""

    colors: str = setting(
        "photo", "colors of the points: as seen, or that of the instance's id", choices=COLORS
    )
    boxes: bool = setting(True, "the box of each instance but floor, walls and ceiling, as lines")
    background: bool = setting(True, "the points of no instance, as a node of their own")


class GlbExporter:
    """Binary glTF 2.0, meters, y up: below the node ``map`` a node of points for each instance,
    named ``ID LABEL``, with ``id``, ``label``, ``score`` and ``structure`` in its extras, its box
    as ``ID LABEL box``, and ``background``. A point is that of the smallest instance that holds
    it; an instance without a point of its own has a box alone.
    """

    suffix = ".glb"

    def __init__(self, settings: GlbSettings):
        self._settings = settings

    def write(self, scene: Scene, path: Path) -> None:
        """Write the file, nodes by ascending id."""
        builder = GlbBuilder("map", quaternion_of(gltf_from_map(scene.up)))
        owner = scene.masks.labels()
        order = np.argsort(owner, kind="stable")
        bounds = np.searchsorted(owner[order], np.arange(-1, len(scene) + 1))
        colors = point_colors(scene, self._settings.colors)
        for i in scene.ids.argsort().tolist():
            own = order[bounds[i + 1] : bounds[i + 2]]
            self._add(builder, scene, i, own, colors)
        rest = order[: bounds[1]]
        if self._settings.background and len(rest):
            builder.add("background", POINTS, scene.cloud.points[rest], colors[rest])
        write_durably(path, builder.content())

    def _add(
        self, builder: GlbBuilder, scene: Scene, i: int, own: npt.NDArray[np.int64],
        colors: npt.NDArray[np.uint8],
    ) -> None:  # fmt: skip
        """The node of the instance in row ``i``, of the points ``own``, and that of its box."""
        label = scene.labels[i]
        name = f"{scene.ids[i]} {label}".strip()
        extras = {
            "id": int(scene.ids[i]), "label": label, "score": float(scene.masks.scores[i]),
            "structure": bool(scene.masks.structure[i]),
        }  # fmt: skip
        if len(own):
            builder.add(name, POINTS, scene.cloud.points[own], colors[own], extras)
        if self._settings.boxes and not extras["structure"]:
            ends = scene.boxes[i].corners[np.ravel(EDGES)]
            color = np.rint(instance_colors(scene.ids[i : i + 1])).astype(np.uint8)
            builder.add(f"{name} box", LINES, ends, color.repeat(len(ends), axis=0), extras)


def gltf_from_map(up: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The (3, 3) rotation that turns ``up`` (3,) of the map to y, the up direction of glTF."""
    result: npt.NDArray[np.float64] = Y_UP_FROM_Z_UP @ level_frame(up).T
    return result
