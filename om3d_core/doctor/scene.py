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
from om3d_core.doctor.frames import TO_FOLDER, examine, sample, skipped
from om3d_core.errors import SourceError
from om3d_core.sources.bag.source import RosbagSettings, RosbagSource
from om3d_core.sources.base import Picking, Source
from om3d_core.sources.folder import FolderSettings, FolderSource, PrincipalPointError
from om3d_core.sources.open import open_source
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings

MEANT = ("pose", "camera_axes", "pose_units_per_m", "depth_along", "intrinsics_scaling")


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
    depth = (streams or RecordedStreamSettings()).depth
    found = examine(_picked(source, places), Given.of(depth, "", *size), to)
    return skipped(source.skipped, len(places)) + found


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
    said = f"the intrinsics are not for images of {given.width} x {given.height}"
    width, height = max(1, round(2 * given.cx + 1)), max(1, round(2 * given.cy + 1))
    sized = replace(
        cast(FolderSettings, settings["folder"]), intrinsics_width=width, intrinsics_height=height
    )
    try:
        source = open_source(path, settings.replaced(folder=sized), streams)
    except SourceError:
        return Examination((Finding("intrinsics", said, str(error)),))
    found = examine_source(source, streams)
    return Examination((Finding(
        "intrinsics", said,
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
