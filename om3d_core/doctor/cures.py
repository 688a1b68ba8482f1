"""What frames are often misread by, each with the change that would mend it.

A new cure is one entry in :func:`cures`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from om3d_core.data.frame import Intrinsics
from om3d_core.data.poses import inverse
from om3d_core.doctor.agreement import Look
from om3d_core.sources.conventions import (
    AXES,
    FLIPS,
    POSES,
    QUATERNIONS,
    TURNS,
    depth_of_ray,
    reordered,
)
from om3d_core.streams.settings import DepthSettings

DEPTH_UNITS_PER_M = {
    1000.0: "", 5000.0: " (TUM)", 6553.5: " (Replica of NICE-SLAM)", 4000.0: " (Matterport)",
    10000.0: "", 256.0: " (KITTI)", 100.0: "", 1.0: "",
}
MEDIAN_RANGE_M = 0.15, 15.0
MILLI, CENTI = 1000.0, 100.0


@dataclass(frozen=True)
class Given:
    """What the frames were read with: units of depth a meter, their setting and what is usual, the
    size that the intrinsics were taken for, and that of the color images; 0 where it is not known.
    axes, pose, quaternions: what the poses were taken for. depth_flipped: what the depth was."""

    depth_units_per_m: float = 1000.0
    units_setting: str = "depth.units_per_m"
    usual_units_per_m: float = MILLI
    width: int = 0
    height: int = 0
    color_width: int = 0
    color_height: int = 0
    axes: str = "optical"
    pose: str = POSES[0]
    quaternions: str = QUATERNIONS[0]
    depth_flipped: str = "none"

    @classmethod
    def of(
        cls, depth: DepthSettings, encoding: str = "", width: int = 0, height: int = 0
    ) -> Given:
        """encoding: that of raw depth images; empty, as that of others, for integers."""
        if encoding == "32FC1":
            setting = "depth.float_units_per_m"
            return cls(depth.float_units_per_m, setting, 1.0, width, height)
        return cls(depth.units_per_m, width=width, height=height)


@dataclass(frozen=True)
class Cure:
    """A change of frames: ``apply`` leaves their number and order.

    said: what is wrong if it helps. remedy: what to do about it. folder, stream: the flags of
    ``om3d run`` for folders, and those for bags, which are the parameters of nodes as well; empty
    where there are none. rescales: a change of scale, by which a fixed tolerance would grow.
    """

    kind: str
    said: str
    apply: Callable[[Look], Look]
    remedy: str
    folder: str = ""
    stream: str = ""
    rescales: bool = False

    def then(self, other: Cure) -> Cure:
        """Both changes, this one first."""
        return Cure(
            f"{self.kind}, {other.kind}",
            f"{self.said}, and {other.said}",
            lambda look: other.apply(self.apply(look)),
            f"{self.remedy}, and {other.remedy}",
            f"{self.folder} {other.folder}" if self.folder and other.folder else "",
            f"{self.stream} {other.stream}" if self.stream and other.stream else "",
            self.rescales or other.rescales,
        )


def cures(looks: Sequence[Look], given: Given) -> tuple[list[Cure], list[Cure]]:
    """What may mend these frames: changes of how poses are meant, and of all else."""
    inverted, turned = _meant(given)
    meant = [inverted, *turned, *(inverted.then(turn) for turn in turned)]
    return meant, [*_depth_cures(given), *_unit_cures(), *_intrinsics_cures(looks, given)]


def _meant(given: Given) -> tuple[Cure, list[Cure]]:
    """Poses taken for their inverse, and with other axes."""
    turned = [
        Cure("pose axes", f"the camera's axes are {said}",
             partial(_turned, given=given.axes, axes=axes),
             "turn them to x right, y down, z forward", f"--folder.camera_axes {axes}")
        for axes, said in (
            ("optical", "optical (x right, y down, z forward)"),
            ("opengl", "those of OpenGL, Blender and ARKit (y up, z backward)"),
            ("ros", "those of a body (x forward, y left, z up)"),
        ) if axes != given.axes
    ]  # fmt: skip
    other = next(kind for kind in POSES if kind != given.pose)
    inverted = Cure(
        "pose inverse",
        f"the poses are {other}" + (f", the inverse of {POSES[0]}" if other != POSES[0] else ""),
        partial(_inverted, given=given.axes), "invert them", f"--folder.pose {other}",
    )
    return inverted, turned


def rarer_cures(given: Given) -> list[Cure]:
    """Quaternions of the other order, images that were turned, and mirrored depth, all also with
    poses that are meant otherwise."""
    other = next(order for order in QUATERNIONS if order != given.quaternions)
    ordered = Cure(
        "quaternions", f"the quaternions are in the order {other}",
        partial(_ordered, given=given), "take them so", f"--folder.quaternions {other}",
    )  # fmt: skip
    inverted, turned = _meant(given)
    turns = [
        Cure("images turned", f"images were turned {how.replace('_', ' ')}, poses were not",
             partial(_rolled, turn=how), "turn the poses, too", f"--folder.images_turned {how}")
        for how in TURNS if how != "none"
    ]  # fmt: skip
    flips = [
        Cure("depth flipped", f"depth is mirrored {how.replace('_', ' and ')} against the poses",
             partial(_flipped, how=how),
             "mirror it back; color, too, if that is mirrored in its files",
             f"--folder.depth_flipped {how}")
        for how in FLIPS if how != "none" and given.depth_flipped == "none"
    ]  # fmt: skip
    return [
        ordered, *(ordered.then(cure) for cure in (inverted, *turned)),
        *turns, *(cure.then(turn) for cure in (inverted, *turned) for turn in turns),
        *flips, *(cure.then(flip) for cure in (inverted, *turned) for flip in flips),
    ]  # fmt: skip


def _depth_cures(given: Given) -> list[Cure]:
    found = [
        Cure("depth units", f"depth has {units:g} units a meter{whose}",
             partial(_deeper, factor=given.depth_units_per_m / units),
             f"divide it by {units:g}", f"--{given.units_setting} {units:g}",
             f"--{given.units_setting} {units:g}", rescales=True)
        for integers, whose in DEPTH_UNITS_PER_M.items()
        for units in [integers * given.usual_units_per_m / MILLI]
        if abs(units / given.depth_units_per_m - 1) > 1e-3
    ]  # fmt: skip
    found.append(Cure(
        "depth along ray", "depth is the distance along the ray of a pixel, not along the axis",
        lambda look: replace(look, depth=depth_of_ray(look.depth, look.intrinsics)),
        "project it onto the axis (Isaac: record distance_to_image_plane)",
        "--folder.depth_along ray",
    ))
    return found


def _unit_cures() -> list[Cure]:
    return [
        Cure("pose units", f"the poses are in {said}",
             partial(scaled, units_per_m=units), f"divide their translations by {units:g}",
             f"--folder.pose_units_per_m {units:g}", rescales=True)
        for units, said in ((MILLI, "millimeters"), (CENTI, "centimeters"))
    ]  # fmt: skip


def _intrinsics_cures(looks: Sequence[Look], given: Given) -> list[Cure]:
    k = looks[0].intrinsics
    wide, high = 2 * (k.cx + 0.5) / k.width, 2 * (k.cy + 0.5) / k.height
    width, height = round(wide * given.width), round(high * given.height)
    sizes = f"--folder.intrinsics_width {width} --folder.intrinsics_height {height}"
    found = []
    if k.cx < 0.02 * k.width and k.fx < 0.05 * k.width:
        found.append(Cure(
            "intrinsics", "the intrinsics are in shares of the image's sides",
            lambda look: replace(look, intrinsics=_normalized(look.intrinsics, given)),
            "multiply them by the sides", "--folder.intrinsics_scaling normalized",
        ))
    elif abs(wide - 1) > 0.1 or abs(high - 1) > 0.1:
        found.append(Cure(
            "intrinsics", f"the intrinsics are for images of {wide:.2f} times the width and "
            f"{high:.2f} times the height",
            lambda look: replace(look, intrinsics=_centered(look.intrinsics)),
            "scale them to the images", sizes if width else "",
        ))
    if abs(k.fx / k.fy - 1) > 0.05:
        found += [Cure(
            "registration", "color and depth have another aspect: depth is not registered to "
            "color, whose intrinsics do not hold for it",
            partial(_squared, along=along),
            "record depth aligned to color (realsense: align_depth.enable)",
        ) for along in ("fx", "fy")]
    return found


def _deeper(look: Look, factor: float) -> Look:
    return replace(look, depth=look.depth * np.float32(factor))


def _turned(look: Look, given: str, axes: str) -> Look:
    """Of poses that were read with some axes, as read with others."""
    turn = inverse(AXES[given]) @ AXES[axes]
    return replace(look, map_from_camera=look.map_from_camera @ turn)


def _inverted(look: Look, given: str) -> Look:
    """Of poses that were read with some axes, as if they were the inverse as they are stored."""
    stored = look.map_from_camera @ inverse(AXES[given])
    return replace(look, map_from_camera=inverse(stored) @ AXES[given])


def _ordered(look: Look, given: Given) -> Look:
    """Of quaternions that were read in one order, as read in the other."""
    stored = look.map_from_camera @ inverse(AXES[given.axes])
    if given.pose != POSES[0]:
        stored = inverse(stored)
    stored = reordered(stored, given.quaternions)
    if given.pose != POSES[0]:
        stored = inverse(stored)
    return replace(look, map_from_camera=stored @ AXES[given.axes])


def _flipped(look: Look, how: str) -> Look:
    return replace(look, depth=np.ascontiguousarray(look.depth[FLIPS[how]]))


def _rolled(look: Look, turn: str) -> Look:
    return replace(look, map_from_camera=look.map_from_camera @ TURNS[turn])


def scaled(look: Look, units_per_m: float) -> Look:
    """Of poses of so many units a meter."""
    pose = look.map_from_camera.copy()
    pose[:3, 3] /= units_per_m
    return replace(look, map_from_camera=pose)


def _normalized(k: Intrinsics, given: Given) -> Intrinsics:
    """Of shares that were taken for pixels, about the middle."""
    across, down = given.width or k.width, given.height or k.height
    return Intrinsics(
        k.fx * across, k.fy * down, (k.width - 1) / 2, (k.height - 1) / 2, k.width, k.height
    )


def _centered(k: Intrinsics) -> Intrinsics:
    wide, high = 2 * (k.cx + 0.5) / k.width, 2 * (k.cy + 0.5) / k.height
    return Intrinsics(
        k.fx / wide, k.fy / high, (k.width - 1) / 2, (k.height - 1) / 2, k.width, k.height
    )


def _squared(look: Look, along: str) -> Look:
    """Square pixels about the middle of the image, which color shows less or more of."""
    k = look.intrinsics
    x, y = (k.width - 1) / 2, (k.height - 1) / 2
    if along == "fx":
        k = replace(k, fy=k.fx, cy=y + (k.cy - y) * k.fx / k.fy)
    else:
        k = replace(k, fx=k.fy, cx=x + (k.cx - x) * k.fy / k.fx)
    return replace(look, intrinsics=k)
