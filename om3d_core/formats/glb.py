"""Writing binary glTF 2.0 (Khronos): points and lines with a color at each vertex."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MAGIC, VERSION, JSON_CHUNK, BIN_CHUNK = 0x46546C67, 2, 0x4E4F534A, 0x004E4942
FLOAT, ARRAY_BUFFER = 5126, 34962
POINTS, LINES = 0, 1


class GlbBuilder:
    """Collects nodes below one root; :meth:`content` is the file.

    rotation: (4,) unit quaternion x, y, z, w of the root, which turns the nodes into the axes of
    glTF: y up. name: that of the root.
    """

    def __init__(self, name: str, rotation: npt.NDArray[np.float64]):
        self._nodes: list[dict[str, Any]] = [{"name": name, "rotation": rotation.tolist()}]
        self._meshes: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []
        self._views: list[dict[str, Any]] = []
        self._blobs: list[bytes] = []

    def add(
        self, name: str, mode: int, points: npt.NDArray[np.floating],
        colors: npt.NDArray[np.uint8], extras: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Add a node of points or, two vertices each, lines.

        points: (n, 3), n >= 1. colors: (n, 3) sRGB. extras: JSON values kept with the node.
        """
        attributes = {
            "POSITION": self._accessor(points.astype("<f4"), bounds=True),
            "COLOR_0": self._accessor(linear(colors), bounds=False),
        }
        primitive = {"attributes": attributes, "mode": mode, "material": 0}
        node: dict[str, Any] = {"name": name, "mesh": len(self._meshes)}
        if extras:
            node["extras"] = dict(extras)
        self._meshes.append({"name": name, "primitives": [primitive]})
        self._nodes.append(node)

    @property
    def n_bytes(self) -> int:
        """Bytes of all vertices so far."""
        return sum(map(len, self._blobs))

    def content(self) -> list[bytes]:
        """The pieces of the file, one after another."""
        root, *others = self._nodes
        if others:
            root = {**root, "children": list(range(1, len(self._nodes)))}
        text: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": "om3d"},
            "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [root, *others],
        }  # fmt: skip
        if others:
            text |= {
                "extensionsUsed": ["KHR_materials_unlit"],
                "materials": [{"extensions": {"KHR_materials_unlit": {}}}],
                "meshes": self._meshes, "accessors": self._accessors, "bufferViews": self._views,
                "buffers": [{"byteLength": self.n_bytes}],
            }  # fmt: skip
        encoded = json.dumps(text).encode()
        encoded += b" " * (-len(encoded) % 4)
        pieces = [struct.pack("<II", len(encoded), JSON_CHUNK), encoded]
        if others:
            pieces += [struct.pack("<II", self.n_bytes, BIN_CHUNK), *self._blobs]
        total = 12 + sum(map(len, pieces))
        return [struct.pack("<III", MAGIC, VERSION, total), *pieces]

    def _accessor(self, rows: npt.NDArray[np.float32], bounds: bool) -> int:
        accessor: dict[str, Any] = {
            "bufferView": len(self._views), "componentType": FLOAT, "count": len(rows),
            "type": "VEC3",
        }  # fmt: skip
        if bounds:
            low, high = rows.min(axis=0), rows.max(axis=0)
            accessor |= {"min": low.tolist(), "max": high.tolist()}
        blob = rows.tobytes()
        self._views.append({
            "buffer": 0, "byteOffset": self.n_bytes, "byteLength": len(blob),
            "target": ARRAY_BUFFER,
        })  # fmt: skip
        self._blobs.append(blob)
        self._accessors.append(accessor)
        return len(self._accessors) - 1


def linear(colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(n, 3) linear light 0..1 of sRGB colors, as glTF has the colors of vertices."""
    srgb = np.arange(256) / 255.0
    table = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    result: npt.NDArray[np.float32] = table.astype("<f4")[colors]
    return result
