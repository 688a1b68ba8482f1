"""P1 and P2: from points to counts, boxes and chosen views, against plain NumPy."""

from __future__ import annotations

import statistics
import tracemalloc
from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from om3d_core.bench import originals
from om3d_core.bench.clock import best_of, seconds, timed
from om3d_core.bench.rows import Bar, Check, Row, measured
from om3d_core.bench.surfaces import blobs, surface_points
from om3d_core.bench.workbench import Workbench, spread
from om3d_core.data.frame import Frame
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.tables import ViewTable
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.views import Cameras, ViewSettings, select_views
from om3d_core.mapping.visibility import (
    Observation,
    VisibilitySettings,
    observe,
    visible_pixels,
)
from om3d_core.presets import read_preset
from om3d_core.settings import build, flatten

POINTS, INSTANCES, ROUNDS = 250_000, 150, 9
POINT_STEPS = (62_500, 125_000, 250_000, 500_000, 1_000_000)
INSTANCE_STEPS = (75, 150, 300, 600, 1200)
CHOICE_FRAMES, CHOICE_MASKS, CHOICE_POINTS, REPEATS = 100, 60, 100_000, 3
MB = 1e6
PRESETS = ("openmask3d", "openmask3d_pp")


def visibility(bench: Workbench) -> Row:
    """P1. The same frame, points and masks for both, in turns, both on one thread."""
    rng = np.random.default_rng(1)
    settings = VisibilitySettings()
    frame = bench.frames[len(bench.frames) // 2]
    cloud = surface_points(spread(bench.frames, 20), max(POINT_STEPS), rng)
    points = np.ascontiguousarray(cloud[:: len(cloud) // POINTS])
    masks = blobs(points, INSTANCES, rng)
    members = [masks[i] for i in range(INSTANCES)]
    doubles, depth = points.astype(np.float64), frame.depth.astype(np.float64)
    matrix = pixel_from_map(frame)
    tolerance = settings.depth_tolerance_m
    plain = partial(originals.count_and_box, doubles, depth, matrix, tolerance, members)
    ours_s, plain_s = best_of(
        bench.job, "views", ROUNDS, partial(look, points, frame, masks, settings), plain
    )
    by_points = _by_points(bench, cloud, frame, settings)
    by_instances = _by_instances(bench, points, frame, settings, rng)
    counts, _ = plain()
    seen = look(points, frame, masks, settings).pixels
    bench.add_curve("visibility of a frame: ms against points", "om3d", by_points)
    bench.add_curve("visibility of a frame: ms against instances", "om3d", by_instances)
    return measured(
        "P1", "times faster", plain_s / ours_s,
        Check("time at 1,000,000 points of four times that at 250,000",
              by_points[-1][1] / by_points[2][1] / 4, Bar("<=", 1.25)),
        Check("time at 300 instances of that at 150", by_instances[2][1] / by_instances[1][1],
              Bar("<=", 1.25)),
        ours_ms=ours_s * 1e3, plain_ms=plain_s * 1e3,
        pixels_that_differ=int(np.abs(seen - counts).sum()), pixels=int(counts.sum()),
        ms_by_points=by_points, ms_by_instances=by_instances,
    )  # fmt: skip


def choices(bench: Workbench) -> Row:
    """P2. Both in turns, ten frames at a time, by the settings of the original."""
    rng = np.random.default_rng(2)
    frames = spread(bench.frames, CHOICE_FRAMES)
    points = surface_points(frames, CHOICE_POINTS, rng)
    masks = blobs(points, CHOICE_MASKS, rng)
    settings = preset(PRESETS[0])
    doubles, dense = points.astype(np.float64), masks.to_dense()
    height, width = frames[0].depth.shape
    marked = np.zeros((len(frames), CHOICE_MASKS, height, width), bool)
    tolerance = settings.visibility.depth_tolerance_m
    found: list[Observation] = []
    ours_s = original_s = 0.0
    for done, frame in enumerate(frames):
        bench.job.step("original", done, len(frames))
        depth, matrix = frame.depth.astype(np.float64), pixel_from_map(frame)
        original_s += seconds(
            originals.mark_frame, doubles, depth, matrix, tolerance, dense, marked[done]
        )
        ours_s += statistics.median(
            seconds(look, points, frame, masks, settings.visibility) for _ in range(REPEATS)
        )
        found.append(look(points, frame, masks, settings.visibility))
    with timed() as span:
        counts = originals.count_marks(marked)
        originals.most_visible(counts, settings.views.top_k)
    original_s += span.wall_s
    ours_s += statistics.median(
        seconds(chosen_views, frames, found, settings.views) for _ in range(REPEATS)
    )
    del marked
    same = sum(
        same_choices(frames, found, counts, preset(name).views) for name in PRESETS
    )
    return measured(
        "P2", "times faster", original_s / ours_s,
        Check("memory above the start", _memory(frames, points, masks, settings) / MB,
              Bar("<=", 60, "MB")),
        Check("presets whose choices are the same", same, Bar(">=", len(PRESETS))),
        original_s=original_s, ours_s=ours_s, frames=len(frames),
        reserved_by_the_original_mb=len(frames) * CHOICE_MASKS * height * width / MB,
    )  # fmt: skip


def look(
    points: npt.NDArray[np.float32], frame: Frame, masks: InstanceMasks, s: VisibilitySettings
) -> Observation:
    """What a frame sees of each mask."""
    pixels = visible_pixels(points, frame.depth, frame.intrinsics, frame.map_from_camera, s)
    return observe(pixels, masks, frame.intrinsics.width, frame.intrinsics.height, s.count)


def chosen_views(
    frames: Sequence[Frame], found: Sequence[Observation], settings: ViewSettings
) -> ViewTable:
    """The views that the library chooses, whatever the centers of instances are."""
    poses = np.stack([frame.map_from_camera for frame in frames])
    cameras = Cameras(poses[:, :3, :3], poses[:, :3, 3], np.zeros((len(found[0].pixels), 3)))
    stamps = np.array([frame.stamp_ns for frame in frames], np.int64)
    return select_views(stamps, found, cameras, settings)


def same_choices(
    frames: Sequence[Frame],
    found: Sequence[Observation],
    counts: npt.NDArray[np.int64],
    settings: ViewSettings,
) -> bool:
    """Whether library and original choose the same views, leaving out those that see nothing."""
    table = chosen_views(frames, found, settings)
    if settings.selection == "visible":
        chosen = originals.most_visible(counts, settings.top_k)
    else:
        camera_from_map = np.stack([np.linalg.inv(f.map_from_camera)[:3, :3] for f in frames])
        chosen = originals.most_diverse(
            counts, camera_from_map, settings.top_k, settings.preselection
        )
    stamps = np.array([frame.stamp_ns for frame in frames], np.int64)
    for i, own in enumerate(chosen.T):
        expected = stamps[own[counts[own, i] > 0]]
        if not np.array_equal(table.stamps[i][table.valid[i]], expected):
            return False
    return True


def preset(name: str) -> MapSettings:
    """The settings of a map in a preset."""
    known = {leaf.name for leaf in flatten(MapSettings)}
    values = {key: value for key, value in read_preset(name).items() if key in known}
    return build(MapSettings, values)


def pixel_from_map(frame: Frame) -> npt.NDArray[np.float64]:
    """(3, 4) projection of homogeneous points of the map to pixels."""
    camera_from_map = np.linalg.inv(frame.map_from_camera)
    result: npt.NDArray[np.float64] = frame.intrinsics.matrix @ camera_from_map[:3]
    return result


def _by_points(
    bench: Workbench, cloud: npt.NDArray[np.float32], frame: Frame, s: VisibilitySettings
) -> list[tuple[float, float]]:
    """Milliseconds by number of points, all in one instance."""
    works = [
        partial(look, np.ascontiguousarray(cloud[:: len(cloud) // n]), frame,
                InstanceMasks.from_lists([np.arange(n)], n), s)
        for n in POINT_STEPS
    ]  # fmt: skip
    times = best_of(bench.job, "points", ROUNDS, *works)
    return [(float(n), t * 1e3) for n, t in zip(POINT_STEPS, times, strict=True)]


def _by_instances(
    bench: Workbench, points: npt.NDArray[np.float32], frame: Frame, s: VisibilitySettings,
    rng: np.random.Generator,
) -> list[tuple[float, float]]:
    """Milliseconds by number of instances that part the same points."""
    parts = [blobs(points, n, rng) for n in INSTANCE_STEPS]
    works = [partial(look, points, frame, masks, s) for masks in parts]
    times = best_of(bench.job, "instances", ROUNDS, *works)
    return [(float(n), t * 1e3) for n, t in zip(INSTANCE_STEPS, times, strict=True)]


def _memory(
    frames: Sequence[Frame], points: npt.NDArray[np.float32], masks: InstanceMasks, s: MapSettings
) -> int:
    """Most bytes that the library's way takes beyond frames, points and masks."""
    tracemalloc.start()
    try:
        found = [look(points, frame, masks, s.visibility) for frame in frames]
        chosen_views(frames, found, s.views)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
