"""A map as a PLY cloud whose points carry the ids of their instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.scene import Scene
from om3d_core.export.point_colors import COLORS, point_colors
from om3d_core.files import write_durably
from om3d_core.settings import Settings, setting

NAMES = {"<f4": "float", "|u1": "uchar", "<i4": "int", "<u4": "uint"}


@dataclass(frozen=True)
class PlySettings(Settings):
    """What a PLY file holds."""

    colors: str = setting(
        "photo", "colors of the points: as seen, or that of the instance's id", choices=COLORS
    )


class PlyExporter:
    """Binary little-endian PLY: x y z (float, meters), red green blue (uchar), normals if the map
    has some, and instance (int): the id of the smallest instance that holds the point, 0 where
    there is none.
    """

    suffix = ".ply"

    def __init__(self, settings: PlySettings):
        self._settings = settings

    def write(self, scene: Scene, path: Path) -> None:
        """Write every point of the cloud, in its order."""
        cloud = scene.cloud
        columns: dict[str, npt.NDArray[np.generic]] = {
            "x": cloud.points[:, 0], "y": cloud.points[:, 1], "z": cloud.points[:, 2],
        }  # fmt: skip
        if cloud.normals.any():
            columns |= {f"n{axis}": cloud.normals[:, i] for i, axis in enumerate("xyz")}
        colors = point_colors(scene, self._settings.colors)
        columns |= {name: colors[:, i] for i, name in enumerate(("red", "green", "blue"))}
        columns["instance"] = instance_ids(scene)
        vertices = np.zeros(len(cloud), [(name, c.dtype.str) for name, c in columns.items()])
        for name, column in columns.items():
            vertices[name] = column
        kinds = {name: NAMES[column.dtype.str] for name, column in columns.items()}
        write_durably(path, (_header(len(cloud), kinds), vertices.tobytes()))


def instance_ids(scene: Scene) -> npt.NDArray[np.int32] | npt.NDArray[np.uint32]:
    """(P,) the id of the smallest instance that holds each point, 0 where there is none.

    int32, which more readers know, but for ids beyond it.
    """
    ids = np.append(scene.ids, 0)[scene.masks.labels()]
    if int(ids.max(initial=0)) > np.iinfo(np.int32).max:
        return ids.astype(np.uint32)
    return ids.astype(np.int32)


def _header(n: int, kinds: Mapping[str, str]) -> bytes:
    lines = [
        "ply", "format binary_little_endian 1.0", "comment om3d, meters", f"element vertex {n}",
        *(f"property {kind} {name}" for name, kind in kinds.items()),
        "end_header", "",
    ]  # fmt: skip
    return "\n".join(lines).encode("ascii")
