"""Files of a synthetic scene; the same content always gives the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from om3d_core.data.frame import Intrinsics
from om3d_core.errors import Om3dError

_JPEG_QUALITY = 93


class SceneWriter:
    """Writes into an existing folder; ``frame`` may be called from several threads."""

    def __init__(self, folder: Path, intrinsics: Intrinsics):
        self._folder = folder
        for name in ("color", "depth", "pose", "instance"):
            (folder / name).mkdir()
        (folder / "intrinsics.txt").write_text(_matrix(intrinsics.matrix), encoding="utf-8")

    def frame(self, index: int, rgb: NDArray[np.uint8], depth_mm: NDArray[np.uint16],
              instance: NDArray[np.uint16], world_from_camera: NDArray[np.float64]) -> None:
        """Write color/N.jpg, depth/N.png, instance/N.png and pose/N.txt."""
        import cv2

        bgr = np.ascontiguousarray(rgb[..., ::-1])
        self._image(f"color/{index}.jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        png = [cv2.IMWRITE_PNG_COMPRESSION, 3]
        self._image(f"depth/{index}.png", depth_mm, png)
        self._image(f"instance/{index}.png", instance, png)
        (self._folder / f"pose/{index}.txt").write_text(_matrix(world_from_camera),
                                                        encoding="utf-8")

    def ground_truth(self, points: NDArray[np.float32], instance: NDArray[np.uint16],
                     class_id: NDArray[np.uint16]) -> None:
        """Write ground_truth.npz (NumPy gives the members of the archive a fixed date)."""
        with (self._folder / "ground_truth.npz").open("wb") as file:
            np.savez_compressed(file, points=points, instance=instance, class_id=class_id)

    def json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file, one line for each item of its lists."""
        (self._folder / name).write_text(_json(content) + "\n", encoding="utf-8")

    def _image(self, name: str, image: NDArray[Any], options: list[int]) -> None:
        import cv2

        path = self._folder / name
        done, data = cv2.imencode(path.suffix, image, options)
        if not done:
            raise Om3dError(f"{path}: the picture could not be encoded")
        path.write_bytes(data.tobytes())


def _matrix(matrix: NDArray[np.float64]) -> str:
    return "".join(" ".join(f"{value:.9f}" for value in row) + "\n" for row in matrix)


def _json(content: dict[str, Any]) -> str:
    fields = []
    for key, value in content.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            items = ",\n".join("    " + json.dumps(item) for item in value)
            fields.append(f"  {json.dumps(key)}: [\n{items}\n  ]")
        else:
            fields.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(fields) + "\n}"
