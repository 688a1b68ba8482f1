"""A recorded scene of any format, looked through quickly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

from om3d_core.data.frame import Frame
from om3d_core.doctor.bag import examine_bag
from om3d_core.doctor.cures import MILLI, Given
from om3d_core.doctor.findings import Examination, Finding
from om3d_core.doctor.frames import TO_FOLDER, examine, sample
from om3d_core.sources.bag.source import RosbagSettings, RosbagSource
from om3d_core.sources.base import Picking, Source
from om3d_core.sources.folder import FolderSettings, FolderSource, PrincipalPointError
from om3d_core.sources.open import open_source
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings

MOST_SKIPPED = 0.8
MEANT = ("pose", "camera_axes", "pose_units_per_m", "depth_along", "intrinsics_scaling")
EXPECTED = {
    "pose invalid": "a pose is a rigid 4x4 transform within 10 km of the origin",
    "depth unreadable": "depth is a gray image of 16 bits",
    "color unreadable": "color is an image of 8 bits",
    "size differs": "all images of a kind are of one size",
}
"""What a usable frame has, by the reason why one is skipped."""


def examine_scene(
    path: Path,
    settings: SourceSettings | None = None,
    streams: RecordedStreamSettings | None = None,
) -> Examination:
    """What is wrong with the scene at ``path``, read with these settings; reads a sample of it.

    Raises SourceError for what is no scene, or cannot be opened for a reason that says itself how
    to mend it.
    """
    settings = settings or SourceSettings()
    if RosbagSource.recognizes(Path(path)):
        return examine_bag(path, cast(RosbagSettings, settings["bag"]), streams)
    try:
        source = open_source(path, settings, streams)
    except PrincipalPointError as error:
        return _of_another_size(path, settings, streams, error)
    found = examine_source(source, streams) + _flags_given(settings)
    if source.skipped.reasons.get("pose invalid", 0) == len(sample(len(source))):
        return _in_millimeters(path, settings, streams) or found
    return found


def examine_source(
    source: Source, streams: RecordedStreamSettings | None = None, to: str = TO_FOLDER
) -> Examination:
    """What is wrong with the frames of an open source, by a sample of them."""
    places = sample(len(source))
    size = source.color_size if isinstance(source, FolderSource) else (0, 0)
    units = (streams or RecordedStreamSettings()).depth.units_per_m
    found = examine(_picked(source, places), Given(units, *size), to)
    return _skipped(source, len(places)) + found


def _flags_given(settings: SourceSettings) -> Examination:
    """What a scene folder was told to be, as that may be the fault."""
    given, default = cast(FolderSettings, settings["folder"]), FolderSettings()
    told = tuple(
        f"read with --folder.{name} {getattr(given, name)}, as asked"
        for name in MEANT if getattr(given, name) != getattr(default, name)
    )
    return Examination(told=told)


def _of_another_size(
    path: Path,
    settings: SourceSettings,
    streams: RecordedStreamSettings | None,
    error: PrincipalPointError,
) -> Examination:
    """The scene with its intrinsics taken for the size whose middle their principal point is."""
    given = error.given
    width, height = max(1, round(2 * given.cx + 1)), max(1, round(2 * given.cy + 1))
    sized = replace(
        cast(FolderSettings, settings["folder"]), intrinsics_width=width, intrinsics_height=height
    )
    found = examine_scene(path, settings.replaced(folder=sized), streams)
    return Examination((Finding(
        "intrinsics", f"the intrinsics are not for images of {given.width} x {given.height}",
        f"their principal point is ({given.cx:g}, {given.cy:g}); read as for {width} x {height}: "
        + "; ".join((*map(str, found.findings), *found.told)),
        "scale them to the images",
        f"--folder.intrinsics_width {width} --folder.intrinsics_height {height}",
    ), *found.findings), found.told)  # fmt: skip


def _in_millimeters(
    path: Path, settings: SourceSettings, streams: RecordedStreamSettings | None
) -> Examination | None:
    """The scene with poses that are too far off in meters taken for millimeters, if that helps."""
    given = cast(FolderSettings, settings["folder"])
    if given.pose_units_per_m != 1.0:
        return None
    small = replace(given, pose_units_per_m=MILLI)
    found = examine_scene(path, settings.replaced(folder=small), streams)
    if found.findings:
        return None
    return Examination((Finding(
        "pose units", "the poses are in millimeters",
        "no camera is within 10 km of the origin; so read: " + "; ".join(found.told),
        f"divide their translations by {MILLI:g}", f"--folder.pose_units_per_m {MILLI:g}",
    ),))  # fmt: skip


def _picked(source: Source, places: Iterable[int]) -> Iterator[Frame]:
    if isinstance(source, Picking):
        return source.pick(places)
    wanted = set(places)
    return (frame for place, frame in enumerate(source) if place in wanted)


def _skipped(source: Source, asked: int) -> Examination:
    """What became of the frames that were asked for."""
    reasons, total = source.skipped.reasons, source.skipped.total
    if not total:
        return Examination()
    why = ", ".join(f"{reason}: {n}" for reason, n in reasons.items())
    if total <= MOST_SKIPPED * max(asked, 1):
        return Examination(told=(f"{total} frames skipped: {why}",))
    return Examination((Finding(
        "frames skipped", f"{total} of {max(asked, total)} frames cannot be used", why,
        "; ".join(EXPECTED[reason] for reason in reasons if reason in EXPECTED),
    ),))  # fmt: skip
