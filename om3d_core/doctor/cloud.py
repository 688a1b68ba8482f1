"""A cloud that came with frames, held against them: of their place, in meters, dense."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.doctor.agreement import FAR_M, MIN_PAIRS, Look, unhidden_share
from om3d_core.doctor.cures import CENTI, MILLI
from om3d_core.doctor.findings import Examination, Finding
from om3d_core.errors import SettingsError, SourceError

UNITS = ((MILLI, "millimeters"), (CENTI, "centimeters"))
WRONG_SHARE, CURED_SHARE = 0.3, 0.6
MOST_COMPARED, MOST_NEAR = 200_000, 500_000
MOST_APART_M, NEAR_M = 0.06, 0.1
LITTLE = 0.3
SPARSE = "sparse cloud"
LEAVE_OUT = "--folder.cloud_file none"

Points = npt.NDArray[np.float32]
Read = Callable[[float], Cloud | None]


def examine_cloud(looks: Sequence[Look], read: Read, units_per_m: float = 0.0) -> Examination:
    """What is wrong with the cloud that a map is to be made on, by frames that agree.

    read: the cloud, or None, as if it had so many times more units a meter; raises SourceError.
    units_per_m: what a scene folder's cloud is read with; 0 where nothing sets it.
    """
    try:
        cloud, refused = read(1.0), ""
    except SourceError as error:
        cloud, refused = None, str(error)
    if not refused and (cloud is None or len(looks) < MIN_PAIRS):
        return Examination()
    share = 0.0 if cloud is None else _share(looks, cloud)
    if share >= WRONG_SHARE and cloud is not None:
        return _seen(looks, cloud, share, of_folder=units_per_m > 0)
    evidence = refused if cloud is None else _size(cloud)
    if looks:
        evidence += f"; the poses span {_span_m(looks):.3g} m"
    for times, named in UNITS if units_per_m and looks else ():
        cured = _cured(looks, read, times)
        if cured >= CURED_SHARE:
            return Examination((Finding(
                "cloud units", f"the cloud is in {named}",
                f"{evidence}; {cured:.2f} of it lies on the depth of frames if it is in {named}",
                f"divide it by {times:g}",
                f"--folder.cloud_units_per_m {units_per_m * times:g}",
            ),))  # fmt: skip
    if refused:
        return Examination((Finding(
            "cloud", "the cloud that came with the frames cannot be taken", evidence,
            "name another by --folder.cloud_file, or none" if units_per_m else "",
        ),))  # fmt: skip
    return Examination((Finding(
        "cloud", "the cloud is of another place than the frames, or in another map frame",
        f"{share:.2f} of it lies on the depth of frames within 5 cm; {evidence}",
        "move it into the frame of the poses, or leave it out: the frames are fused then",
        LEAVE_OUT if units_per_m else "",
    ),))  # fmt: skip


def _seen(looks: Sequence[Look], cloud: Cloud, share: float, of_folder: bool) -> Examination:
    """How much of what the frames show the cloud has, and how densely."""
    from scipy.spatial import cKDTree

    shown = np.hstack([look.points(FAR_M)[:3] for look in looks]).T
    low, high = shown.min(axis=0) - NEAR_M, shown.max(axis=0) + NEAR_M
    inside = ((cloud.points >= low) & (cloud.points <= high)).all(axis=1)
    points = _thinned(cloud.points[inside], MOST_NEAR)
    tree = cKDTree(points, balanced_tree=False)
    held = float(np.isfinite(tree.query(shown, distance_upper_bound=NEAR_M)[0]).mean())
    apart_m = float(np.median(tree.query(_thinned(points, 2000), k=2)[0][:, 1]))
    told = (
        f"the cloud: {share:.2f} of it lies on the depth of frames, points {apart_m * 100:.1f} cm"
        f" apart; {held:.0%} of what the frames show is in it"
    )
    if apart_m > MOST_APART_M:
        return Examination((Finding(
            SPARSE, "the points of the cloud are too far apart for surfaces", told,
            "leave it out: the frames are fused then", LEAVE_OUT if of_folder else "",
        ),))  # fmt: skip
    return Examination(told=(told + (", no more" if held < LITTLE else ""),))


def _cured(looks: Sequence[Look], read: Read, times: float) -> float:
    """How well the frames agree with the cloud in other units."""
    try:
        other = read(times)
    except (SourceError, SettingsError):
        return 0.0
    return 0.0 if other is None else _share(looks, other)


def _share(looks: Sequence[Look], cloud: Cloud) -> float:
    share = unhidden_share(looks, _thinned(cloud.points, MOST_COMPARED))
    return 0.0 if np.isnan(share) else share


def _thinned(points: Points, most: int) -> Points:
    return points[:: max(1, -(-len(points) // most))]


def _size(cloud: Cloud) -> str:
    low, high = cloud.bounds()
    sides = " x ".join(f"{side:.4g}" for side in high - low)
    return f"{len(cloud)} points over {sides} m"


def _span_m(looks: Sequence[Look]) -> float:
    """The longest side of the box of the cameras."""
    places = np.stack([look.map_from_camera[:3, 3] for look in looks])
    return float(np.ptp(places, axis=0).max())
