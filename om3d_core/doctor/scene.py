"""A recorded scene of any format, looked through quickly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.doctor.agreement import Look, median_depth_m
from om3d_core.doctor.bag import examine_bag
from om3d_core.doctor.cloud import SPARSE, Read, examine_cloud
from om3d_core.doctor.cures import MILLI, Given, cures
from om3d_core.doctor.findings import Examination, Finding
from om3d_core.doctor.focal import Focal, find_focal
from om3d_core.doctor.frames import DARK, LONG, SKIPPED, TO_FOLDER, judge, sample, skipped
from om3d_core.doctor.lens import examine_lens
from om3d_core.errors import SourceError
from om3d_core.sources.bag.source import RosbagSettings, RosbagSource
from om3d_core.sources.base import Picking, Source
from om3d_core.sources.folder import FolderSettings, FolderSource
from om3d_core.sources.folder_camera import PrincipalPointError
from om3d_core.sources.layouts.base import NoCameraError
from om3d_core.sources.open import open_source
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings

SAMPLING_M = 0.02
TIMES = 1000.0, 100.0, 10.0
OWN, UNITS = "own", "folder.depth_units_per_m"
MEANT = (
    "pose", "camera_axes", "quaternions", "images_turned", "pose_units_per_m", "depth_along",
    "depth_flipped", "depth_units_per_m", "intrinsics_scaling",
)  # fmt: skip


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
    except NoCameraError:
        cured = _without_camera(path, settings, streams)
        if cured is None:
            raise
        return cured
    folder = cast(FolderSettings, settings["folder"])

    def cloud(times: float) -> Cloud | None:
        if times == 1.0:
            return source.cloud()
        scaled = replace(folder, cloud_units_per_m=times * folder.cloud_units_per_m)
        return FolderSource(path, scaled, streams).cloud()

    units = folder.cloud_units_per_m if isinstance(source, FolderSource) else 0.0
    found = _examined(source, streams, cloud, units) + _flags_given(settings)
    if any(finding.kind == SPARSE for finding in found.findings):
        found = _sampled(path, folder, streams, found)
    if source.skipped.reasons.get("pose invalid", 0) == len(sample(len(source))):
        return (_in_millimeters(path, settings, streams)
                or _far_off(path, settings, streams, source) or found)  # fmt: skip
    if any(finding.kind in DARK for finding in found.findings):
        return _in_other_units(path, settings, streams, source) or found
    return found


def depth_in_range(source: Source, max_depth_m: float) -> str:
    """What depth a sample of frames has, in words: the median, and the share in range."""
    looks = [Look.of(frame) for frame in _picked(source)]
    if not looks:
        return "no frame can be read"
    near = [float(((look.depth > 0) & (look.depth <= max_depth_m)).mean()) for look in looks]
    return (
        f"median depth {median_depth_m(looks):.3g} m, {sum(near) / len(near):.1%} of the pixels"
        f" within {max_depth_m:g} m"
    )


def _examined(
    source: Source, streams: RecordedStreamSettings | None, cloud: Read, cloud_units_per_m: float
) -> Examination:
    """What is wrong with a sample of the frames, and with the cloud if they agree."""
    told: tuple[str, ...] = ()
    if isinstance(source, FolderSource) and source.layout_name != OWN:
        told = (f"read as the layout {source.layout_name}",)
    looks = [Look.of(frame) for frame in _picked(source)]
    found = Examination(told=told) + skipped(source.skipped, len(sample(len(source))))
    if isinstance(source, FolderSource):
        lens = examine_lens(source, looks, sample(len(source)))
        found += lens
        if lens.findings:
            return found
    found += judge(looks, _given(source, streams), TO_FOLDER)
    return found if found.findings else found + examine_cloud(looks, cloud, cloud_units_per_m)


def _sampled(
    path: Path, folder: FolderSettings, streams: RecordedStreamSettings | None, found: Examination
) -> Examination:
    """A sparse cloud that is a mesh is to be sampled on its faces."""
    try:
        FolderSource(path, replace(folder, cloud_sampling_m=SAMPLING_M), streams).cloud()
    except SourceError:
        return found
    return replace(found, findings=tuple(
        replace(one, cure="it is a mesh: take points on its faces",
                flag=f"--folder.cloud_sampling_m {SAMPLING_M:g}")
        if one.kind == SPARSE else one
        for one in found.findings
    ))  # fmt: skip


def _given(source: Source, streams: RecordedStreamSettings | None) -> Given:
    """What a recording was read with, of a folder also by its layout."""
    depth = (streams or RecordedStreamSettings()).depth
    if not isinstance(source, FolderSource):
        return Given.of(depth)
    meant = source.meant
    color_width, color_height = source.color_size
    given = replace(
        Given.of(depth, "", *source.given_size), axes=meant.camera_axes, pose=meant.pose,
        quaternions=source.quaternions, depth_flipped=source.depth_flipped,
        color_width=color_width, color_height=color_height,
    )  # fmt: skip
    if source.depth_is_float:
        return replace(given, depth_units_per_m=meant.float_units_per_m,
                       units_setting=UNITS, usual_units_per_m=1.0)  # fmt: skip
    if not source.listing.conventions.depth_units_per_m:
        return given
    return replace(given, depth_units_per_m=meant.depth_units_per_m,
                   units_setting=UNITS)  # fmt: skip


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
    found = _examined(source, streams, lambda _: None, 0.0)
    return Examination((Finding(
        "intrinsics", said,
        f"their principal point is ({given.cx:g}, {given.cy:g}); read as for {width} x {height}: "
        + _in_words(found),
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


def _in_other_units(
    path: Path,
    settings: SourceSettings,
    streams: RecordedStreamSettings | None,
    source: Source,
) -> Examination | None:
    """The scene whose depth is out of range with more units of it a meter, if that helps."""
    folder = cast(FolderSettings, settings["folder"])
    if not isinstance(source, FolderSource) or folder.depth_units_per_m:
        return None
    for times in TIMES:
        units = times * _given(source, streams).depth_units_per_m
        so_read = replace(folder, depth_units_per_m=units)
        found = examine_scene(path, settings.replaced(folder=so_read), streams)
        if not found.findings:
            return Examination((Finding(
                "depth units", f"depth has {units:g} units a meter",
                f"hardly any is within range as given; so read: {_in_words(found)}",
                f"divide it by {units:g}", f"--{UNITS} {units:g}",
            ),))  # fmt: skip
    return None


def _far_off(
    path: Path,
    settings: SourceSettings,
    streams: RecordedStreamSettings | None,
    source: Source,
) -> Examination | None:
    """The scene with the middle of poses that are too far off as the origin, if that helps."""
    folder = cast(FolderSettings, settings["folder"])
    if not isinstance(source, FolderSource) or folder.origin:
        return None
    places = source.positions(sample(len(source)))
    if not len(places):
        return None
    middle = np.rint(np.median(places, axis=0))
    origin = ",".join(f"{value:.0f}" for value in middle)
    near = replace(folder, origin=origin)
    found = examine_scene(path, settings.replaced(folder=near), streams)
    if any(finding.kind == SKIPPED for finding in found.findings):
        return None
    return Examination((Finding(
        "origin", "the poses are of a world whose origin is far off, such as UTM",
        f"the cameras are {np.linalg.norm(middle) / 1000:.0f} km from it; with their middle as"
        f" the origin: {_in_words(found)}",
        "take that off every position", f"--folder.origin={origin}",
    ), *found.findings))  # fmt: skip


def _without_camera(
    path: Path, settings: SourceSettings, streams: RecordedStreamSettings | None
) -> Examination | None:
    """A scene without intrinsics with those by which its frames agree, as its poses are given or
    meant otherwise; None where no focal length is clearly the best."""
    folder = cast(FolderSettings, settings["folder"])
    guessed = replace(folder, intrinsics="1 1 0.5 0.5", intrinsics_scaling="normalized")
    try:
        source = open_source(path, settings.replaced(folder=guessed), streams)
    except SourceError:
        return None
    looks = [Look.of(frame) for frame in _picked(source)]
    focal = _focal(looks, _given(source, streams)) if looks else None
    if focal is None:
        return None
    so_read = replace(folder, intrinsics=focal.intrinsics)
    found = examine_scene(path, settings.replaced(folder=so_read), streams)
    return Examination((Finding(
        "no intrinsics", "there are no intrinsics",
        f"frames agree with a focal length of {focal.focal_px:.1f} pixels: {_in_words(found)}",
        "take it, and the middle of the images; or give those of a calibration"
        " in intrinsics.txt", focal.flag,
    ), *found.findings))  # fmt: skip


def _focal(looks: Sequence[Look], given: Given) -> Focal | None:
    """The focal length by which frames agree, with the poses as given, else meant otherwise."""
    meant, _ = cures(looks, given)
    readings = [looks, *([cure.apply(look) for look in looks] for cure in meant)]
    found = (find_focal(one, given.color_width, given.color_height) for one in readings)
    return next((focal for focal in found if focal is not None), None)


def _in_words(found: Examination) -> str:
    return "; ".join((*map(str, found.findings), *found.told))


def _picked(source: Source) -> Iterator[Frame]:
    """A sample of the frames; of a source that cannot pick, among the first ones."""
    if isinstance(source, Picking):
        return source.pick(sample(len(source)))
    wanted = set(sample(min(len(source), LONG)))
    return (frame for place, frame in enumerate(islice(source, LONG)) if place in wanted)
