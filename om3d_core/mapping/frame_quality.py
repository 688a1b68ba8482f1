"""How good a frame is for a map: depth in range, exposure, sharpness."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Frame
from om3d_core.errors import UnusableFrameError
from om3d_core.formats.image_files import shrink_color

DARK, BRIGHT = 16, 250
MIN_EXPOSED = 0.02
MIN_IN_RANGE = 0.002
SAMPLED_SIDE_PX = 320
LEAST_SHARPNESS = 1e-3


def quality_level(frame: Frame, max_depth_m: float) -> int:
    """A step on a scale of quality; of two frames of one place the one on the higher step is kept.

    Quality is the share of pixels with depth up to ``max_depth_m``, times the share that is
    neither black nor blown out, times the mean squared gradient of the gray image (Tenengrad,
    Krotkov 1988; blur and darkness take it away). A step is an octave, so that noise rarely lifts
    a frame above its like.

    Raises :class:`UnusableFrameError` for a frame that shows nothing: without depth in range,
    black, or blown out.
    """
    in_range = float(((frame.depth > 0) & (frame.depth <= max_depth_m)).mean())
    if in_range < MIN_IN_RANGE:
        raise UnusableFrameError(
            frame.stamp_ns, "no depth in range",
            f"depth up to {max_depth_m:g} m (fusion.max_depth_m) in {MIN_IN_RANGE:.1%} of the"
            f" image, got {in_range:.2%}",
        )
    small = shrink_color(frame.rgb, SAMPLED_SIDE_PX)
    red, green, blue = cv2.split(small)
    brightest, darkest = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    exposed = float(((brightest > DARK) & (darkest < BRIGHT)).mean())
    if exposed < MIN_EXPOSED:
        raise UnusableFrameError(
            frame.stamp_ns, "black or blown out",
            f"pixels that are neither black nor blown out in {MIN_EXPOSED:.0%} of the image, got"
            f" {exposed:.2%}",
        )
    quality = in_range * exposed * max(_tenengrad(small), LEAST_SHARPNESS)
    return math.floor(math.log2(quality))


def _tenengrad(rgb: npt.NDArray[np.uint8]) -> float:
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    across, down = (cv2.Sobel(gray, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return float((across * across + down * down).mean())
