"""A map's boxes as JSON in the layout of COCO, of which the map is the only image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from om3d_core import __version__
from om3d_core.data.scene import Scene
from om3d_core.files import write_durably

IMAGE_ID = 1


class BoxesJsonExporter:
    """``info``, ``images``, ``categories`` and ``annotations``; docs/export.md has every field."""

    suffix = ".json"

    def write(self, scene: Scene, path: Path) -> None:
        """Write an annotation an instance, by ascending id."""
        write_durably(path, json.dumps(boxes(scene), indent=1).encode())


def boxes(scene: Scene) -> dict[str, Any]:
    """Plain JSON values; lengths in meters, in the map frame.

    A category is a label that an instance has, in alphabetical order from 1; an instance without
    one is of category 0, which is not listed.
    """
    names = sorted(set(scene.labels) - {""})
    category = {"": 0, **{name: number for number, name in enumerate(names, start=1)}}
    return {
        "info": {"description": "om3d", "version": __version__, "units": "m"},
        "images": [{
            "id": IMAGE_ID, "map_id": scene.map_id, "revision": scene.revision,
            "frame": scene.frame, "up": scene.up.tolist(), "n_points": len(scene.cloud),
        }],
        "categories": [{"id": category[name], "name": name} for name in names],
        "annotations": [
            _annotation(scene, i, category[scene.labels[i]]) for i in scene.ids.argsort().tolist()
        ],
    }  # fmt: skip


def _annotation(scene: Scene, i: int, category: int) -> dict[str, Any]:
    box, (first_ns, last_ns) = scene.boxes[i], scene.views.span_ns[i].tolist()
    return {
        "id": int(scene.ids[i]),
        "image_id": IMAGE_ID,
        "category_id": category,
        "label": scene.labels[i],
        "score": float(scene.masks.scores[i]),
        "structure": bool(scene.masks.structure[i]),
        "center": box.center.tolist(),
        "size": box.size.tolist(),
        "rotation": box.map_from_box.tolist(),
        "corners": box.corners.tolist(),
        "centroid": scene.centroids[i].tolist(),
        "n_points": int(scene.masks.sizes[i]),
        "first_seen_ns": None if first_ns < 0 else first_ns,
        "last_seen_ns": None if last_ns < 0 else last_ns,
    }
