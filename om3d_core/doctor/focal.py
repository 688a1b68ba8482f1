"""The focal length by which frames agree, for recordings without intrinsics or with wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Intrinsics
from om3d_core.doctor.agreement import NEAR_M, Look, agreement
from om3d_core.doctor.cures import Cure, Given

SHORTEST, LONGEST, COARSE = 0.4, 2.5, 25
"""Focal lengths that are tried, in longer sides of the image: views of 103 to 23 degrees."""
FINE_M, FINE, AROUND, HIGH = 0.02, 15, 1.12, 0.8
APART, DROP, SOUND_SHARE = 1.3, 0.15, 0.6


@dataclass(frozen=True)
class Focal:
    """A camera of square pixels about the middle of color images of ``width`` x ``height``, in
    pixels of which its focal length is."""

    focal_px: float
    width: int
    height: int

    @property
    def intrinsics(self) -> str:
        """fx,fy,cx,cy, the value of the setting of this name."""
        x, y = (self.width - 1) / 2, (self.height - 1) / 2
        return f"{self.focal_px:.1f},{self.focal_px:.1f},{x:g},{y:g}"

    @property
    def flag(self) -> str:
        """The flag that sets it."""
        return f"--folder.intrinsics {self.intrinsics}"

    def apply(self, look: Look) -> Look:
        """A frame, of which color and depth show the same, with this camera."""
        focal, (height, width) = self.focal_px, look.depth.shape
        return replace(look, intrinsics=Intrinsics(
            focal * width / self.width, focal * height / self.height,
            (width - 1) / 2, (height - 1) / 2, width, height,
        ))  # fmt: skip


def find_focal(looks: Sequence[Look], width: int, height: int) -> Focal | None:
    """The focal length, of color images of ``width`` x ``height``, by which frames agree best.

    Their agreement as a function of it has one peak, sharp where the camera turns or moves across
    its view. None where the peak is at an end, lower than :data:`SOUND_SHARE`, or less than
    :data:`DROP` above lengths that are :data:`APART` times shorter or longer.
    """

    def share(focal_px: float, near_m: float = NEAR_M) -> float:
        focal = Focal(focal_px, width, height)
        found = agreement([focal.apply(look) for look in looks], near_m)
        return found.share if found.judged else 0.0

    lengths = np.geomspace(SHORTEST, LONGEST, COARSE) * max(width, height)
    shares = np.array([share(length) for length in lengths])
    best = int(shares.argmax())
    apart = np.abs(np.log(lengths / lengths[best])) >= np.log(APART)
    if best in (0, COARSE - 1) or shares[best] < max(SOUND_SHARE, shares[apart].max() + DROP):
        return None
    around = lengths[best] * np.geomspace(1 / AROUND, AROUND, FINE)
    peak = _peak(np.log(around), np.array([share(length, FINE_M) for length in around]))
    return Focal(float(np.exp(peak)), width, height)


def _peak(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    """Where a parabola through the high part of a curve has its top, within the curve."""
    high = y >= HIGH * y.max()
    middle = x[y.argmax()]
    if high.sum() < 3:
        return float(middle)
    a, b, _ = np.polyfit(x[high] - middle, y[high], 2)
    return float(np.clip(middle - b / (2 * a), x[high][0], x[high][-1]) if a < 0 else middle)


def focal_cure(looks: Sequence[Look], given: Given) -> Cure | None:
    """The focal length by which frames agree, for frames that were read with another."""
    k = looks[0].intrinsics
    focal = find_focal(looks, given.width or k.width, given.height or k.height)
    if focal is None:
        return None
    wrong = k.fx * focal.width / k.width
    return Cure(
        "intrinsics", f"the focal length is {focal.focal_px:.1f} pixels, not {wrong:.1f}",
        focal.apply, "take it, and the middle of the images", focal.flag,
    )  # fmt: skip
