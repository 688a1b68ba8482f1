"""Image crops of an instance's view: several levels of context, background faded on request."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from om3d_core.errors import expect
from om3d_core.settings import Settings, setting

Image = npt.NDArray[np.uint8]
FAR_GRAY = 128
MIN_TILT_COS = 0.35
"""Least part of up in the plane of an image that has an upright: not one straight up or down."""


@dataclass(frozen=True)
class CropSettings(Settings):
    """How crops are cut."""

    levels: int = setting(2, "crops a view, each wider than the last", low=1, high=16)
    expansion_ratio: float = setting(
        0.1, "growth of a side at each level, as a part of the box", low=0.0, high=2.0
    )
    snap: float = setting(
        0.0625, "step of the grid to which a box is widened before it is cut, as a part of its "
        "sides, so that one that changes a little shows the same; 0 keeps it", low=0.0, high=0.5,
    )
    upright: bool = setting(
        True, "turn crops by quarter turns so that up is up in them, where a camera is held"
        " sideways or upside down"
    )
    fade: float = setting(
        0.0, "how far the background is faded to gray: 0 keeps it, 1 removes it",
        low=0.0, high=1.0,
    )
    fade_radius_px: int = setting(
        4, "reach of a visible point when the mask is filled for fading (px)", low=1, high=64
    )


def snap_box(
    box: npt.NDArray[np.int32], settings: CropSettings
) -> npt.NDArray[np.int32]:
    """``box`` (x1, y1, x2, y2 exclusive) widened to a grid of ``settings.snap`` of its sides.

    The steps are powers of two in pixels, the same for sides of about one length. The upper ends
    may lie outside of the image.
    """
    steps = np.maximum((box[2:] - box[:2]) * settings.snap, 1.0)
    steps = np.exp2(np.floor(np.log2(steps)))
    low = np.floor(box[:2] / steps) * steps
    high = np.ceil(box[2:] / steps) * steps
    return np.concatenate([low, high]).astype(np.int32)


def multi_level_boxes(
    box: npt.NDArray[np.int32], width: int, height: int, settings: CropSettings
) -> npt.NDArray[np.int32]:
    """(L, 4) boxes around ``box`` (x1, y1, x2, y2 exclusive), clipped to the image.

    Level l grows every side by ``int(side * expansion_ratio) * l`` (OpenMask3D, mask2box).
    """
    expect(
        bool(box[0] < box[2] and box[1] < box[3]), "a box with x1 < x2 and y1 < y2", box.tolist()
    )
    grow = (box[2:] - box[:2]).astype(np.float64) * settings.expansion_ratio
    step = grow.astype(np.int32)
    level = np.arange(settings.levels, dtype=np.int32)[:, None]
    low = np.maximum(box[:2] - step * level, 0)
    high = np.minimum(box[2:] + step * level, [width, height])
    return np.concatenate([low, high], axis=1).astype(np.int32)


def quarter_turns(
    camera_from_map: npt.NDArray[np.float64], up: npt.NDArray[np.float64]
) -> int:
    """How many quarter turns (0..3, counterclockwise) make the image of a camera upright.

    camera_from_map: (3, 3) rotation. up: unit (3,) in the map frame.
    """
    right, down = (camera_from_map @ up)[:2]
    if np.hypot(right, down) < MIN_TILT_COS:
        return 0
    return int(np.round(np.arctan2(right, -down) / (np.pi / 2))) % 4


def turns_upright(
    map_from_camera: npt.NDArray[np.float64], up: npt.NDArray[np.float64], settings: CropSettings
) -> int:
    """As :func:`quarter_turns` of a camera's pose (4, 4); 0 where crops stay as they are."""
    return quarter_turns(map_from_camera[:3, :3].T, up) if settings.upright else 0


def cut(image: Image, boxes: npt.NDArray[np.int32]) -> list[Image]:
    """The crops of ``image`` (H, W, 3) in ``boxes`` (L, 4)."""
    return [image[y1:y2, x1:x2] for x1, y1, x2, y2 in boxes]


def fade_background(image: Image, pixels: npt.NDArray[np.int32], settings: CropSettings) -> Image:
    """``image`` with everything but the instance blended towards gray.

    pixels: flat indices of the instance's visible points; the mask is their dilation by
    ``fade_radius_px``, since points are sparser than pixels.
    """
    height, width = image.shape[:2]
    seed = np.zeros((height, width), np.uint8)
    seed.reshape(-1)[pixels] = 1
    side = 2 * settings.fade_radius_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return fade_outside(image, cv2.dilate(seed, kernel).astype(bool), settings)


def fade_outside(image: Image, mask: npt.NDArray[np.bool_], settings: CropSettings) -> Image:
    """``image`` (H, W, 3) blended towards gray outside of ``mask`` (H, W)."""
    faded = image.astype(np.float32) * (1 - settings.fade) + FAR_GRAY * settings.fade
    return np.where(mask[:, :, None], image, np.rint(faded).astype(np.uint8))
