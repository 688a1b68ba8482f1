"""All textures of a scene with their mip levels in one array, sampled in one pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from om3d_core.errors import InputError, ModelError
from om3d_core.formats.picture_files import read_image

_MAX_SIDE_PX = 1024
_MIN_SIDE_PX = 2


class TextureAtlas:
    """Textures 0..T-1; number 0 is plain white."""

    def __init__(self, paths: list[Path]):
        """Read the files in order. Raises ModelError for one that is no picture."""
        pyramids = [[np.full((1, 1, 3), 255, np.uint8)]] + [_pyramid(path) for path in paths]
        self.index = {path: i + 1 for i, path in enumerate(paths)}
        depth = max(len(pyramid) for pyramid in pyramids)
        self._size = np.zeros((len(pyramids), depth, 2), np.int32)
        self._offset = np.zeros((len(pyramids), depth), np.int32)
        self._top = np.array([len(pyramid) - 1 for pyramid in pyramids], np.int32)
        texels, start = [], 0
        for i, pyramid in enumerate(pyramids):
            for level, image in enumerate(pyramid):
                self._size[i, level] = image.shape[1], image.shape[0]
                self._offset[i, level] = start
                texels.append(image.reshape(-1, 3))
                start += len(texels[-1])
        self._texels = np.concatenate(texels)

    def resolution(self, texture: NDArray[np.int32]) -> NDArray[np.int32]:
        """Width and height (..., 2) of the finest level."""
        return np.asarray(self._size[texture, 0], np.int32)

    def sample(self, texture: NDArray[np.int32], uv: NDArray[np.float32],
               level: NDArray[np.float32]) -> NDArray[np.float32]:
        """RGB (N, 3) in 0..255, bilinear within the nearest mip level; uv repeats."""
        chosen = np.clip(np.rint(level).astype(np.int32), 0, self._top[texture])
        size = self._size[texture, chosen]
        offset = self._offset[texture, chosen]
        position = (uv - np.floor(uv)) * size - np.float32(0.5)
        corner = np.floor(position).astype(np.int32)
        fraction = (position - corner).astype(np.float32)
        x0, y0 = corner[:, 0] % size[:, 0], corner[:, 1] % size[:, 1]
        x1, y1 = (x0 + 1) % size[:, 0], (y0 + 1) % size[:, 1]
        fx, fy = fraction[:, :1], fraction[:, 1:]
        row0, row1 = offset + y0 * size[:, 0], offset + y1 * size[:, 0]
        upper = self._texels[row0 + x0] * (1 - fx) + self._texels[row0 + x1] * fx
        lower = self._texels[row1 + x0] * (1 - fx) + self._texels[row1 + x1] * fx
        return np.asarray(upper * (1 - fy) + lower * fy, np.float32)


def _pyramid(path: Path) -> list[NDArray[np.uint8]]:
    import cv2

    try:
        image = read_image(path)
    except InputError as error:
        raise ModelError(f"expected a texture picture: {error}") from error
    scale = _MAX_SIDE_PX / max(image.shape[:2])
    if scale < 1:
        smaller = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image = np.asarray(smaller, np.uint8)
    levels = [np.ascontiguousarray(image)]
    while min(levels[-1].shape[:2]) >= 2 * _MIN_SIDE_PX:
        height, width = levels[-1].shape[:2]
        levels.append(np.asarray(cv2.resize(levels[-1], (width // 2, height // 2),
                                            interpolation=cv2.INTER_AREA), np.uint8))
    return levels
