"""The focal length by which frames agree, for recordings without intrinsics or with wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from om3d_core.data.frame import Intrinsics
from om3d_core.doctor.agreement import Look, agreement
from om3d_core.doctor.cures import Cure, Given
from om3d_core.doctor.peak import find_peak

SHORTEST, LONGEST, TRIED = 0.4, 2.5, 25
"""Focal lengths that are tried, in longer sides of the image: views of 103 to 23 degrees."""


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
    its view; None where it is not clear.
    """

    def share(focal_px: float, near_m: float) -> float:
        focal = Focal(focal_px, width, height)
        found = agreement([focal.apply(look) for look in looks], near_m)
        return found.share if found.judged else 0.0

    longer = max(width, height)
    focal_px = find_peak(share, SHORTEST * longer, LONGEST * longer, TRIED)
    return None if focal_px is None else Focal(focal_px, width, height)


def focal_cure(looks: Sequence[Look], given: Given) -> Cure | None:
    """The focal length by which frames agree, for frames that were read with another."""
    k = looks[0].intrinsics
    focal = find_focal(looks, given.color_width or k.width, given.color_height or k.height)
    if focal is None:
        return None
    across, down = focal.width / k.width, focal.height / k.height
    wrong = f"{k.fx * across:.1f},{k.fy * down:.1f},{k.cx * across:.1f},{k.cy * down:.1f}"
    return Cure(
        "intrinsics", f"fx, fy, cx, cy are {focal.intrinsics} in pixels of color, not {wrong}",
        focal.apply, "take the focal length by which frames agree, and the middle of the images",
        focal.flag,
    )  # fmt: skip
