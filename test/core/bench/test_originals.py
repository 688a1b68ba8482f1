"""The originals in NumPy against the library, on small random input."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.worlds import tabletop

from om3d_core.bench import originals
from om3d_core.bench.surfaces import blobs, surface_points
from om3d_core.bench.views import chosen_views, look, pixel_from_map, preset, same_choices
from om3d_core.mapping.visibility import VisibilitySettings

TOLERANCE_M, MASKS = 0.05, 9
PLACES = (0, 1, 6, 10, 23, 26, 34, 41, 53, 55)
"""Along the path of the camera; no two pairs are equally far apart, so that no angles are equal.
"""


@pytest.fixture(scope="module")
def frames():
    path = tabletop(PLACES[-1] + 1, 96, 72, arc_rad=3.0)
    return [path[place] for place in PLACES]


@pytest.fixture(scope="module")
def cloud(frames):
    """Points that frames see, and as many anywhere: behind cameras, hidden, outside of images."""
    rng = np.random.default_rng(0)
    anywhere = rng.uniform(-3, 3, (1500, 3)).astype(np.float32)
    points = np.concatenate([surface_points(frames, 1500, rng), anywhere])
    return points, blobs(points, MASKS, rng)


def counts_of(frames, cloud, tolerance_m):
    points, masks = cloud
    marked = np.zeros((len(frames), MASKS, 72, 96), bool)
    for frame, into in zip(frames, marked, strict=True):
        originals.mark_frame(
            points.astype(np.float64), frame.depth.astype(np.float64), pixel_from_map(frame),
            tolerance_m, masks.to_dense(), into,
        )
    return originals.count_marks(marked)


@pytest.mark.parametrize("name", ["openmask3d", "openmask3d_pp"])
def test_the_preset_sees_and_chooses_as_the_original(frames, cloud, name):
    settings = preset(name)
    found = [look(cloud[0], frame, cloud[1], settings.visibility) for frame in frames]
    counts = counts_of(frames, cloud, settings.visibility.depth_tolerance_m)
    assert np.array_equal(counts, np.stack([o.pixels for o in found])) and counts.max() > 50
    assert same_choices(frames, found, counts, settings.views)
    chosen = chosen_views(frames, found, settings.views)
    assert chosen.valid.sum() > 2 * MASKS


@pytest.mark.parametrize("name", ["openmask3d", "openmask3d_pp"])
def test_other_choices_are_told(frames, cloud, name):
    settings = preset(name)
    found = [look(cloud[0], frame, cloud[1], settings.visibility) for frame in frames]
    counts = counts_of(frames, cloud, settings.visibility.depth_tolerance_m)
    best = counts.argmax(axis=0)
    counts[best, np.arange(MASKS)] = 1
    assert not same_choices(frames, found, counts, settings.views)


def test_the_rules_of_om3d_in_float64_give_its_counts_and_boxes(frames, cloud):
    points, masks = cloud
    settings = VisibilitySettings(depth_tolerance_m=TOLERANCE_M, double_precision=True)
    for frame in frames[:4]:
        seen = look(points, frame, masks, settings)
        counts, boxes = originals.count_and_box(
            points.astype(np.float64), frame.depth.astype(np.float64), pixel_from_map(frame),
            TOLERANCE_M, [masks[i] for i in range(MASKS)],
        )
        assert np.array_equal(seen.pixels, counts) and counts.max() > 50
        assert np.array_equal(seen.boxes, boxes)


def test_points_behind_the_camera_are_seen_where_depth_is_missing():
    """A fault of the original that its preset reproduces."""
    depth, matrix = np.zeros((4, 4)), np.array([[4.0, 0, 2, 0], [0, 4, 2, 0], [0, 0, 1, 0]])
    behind = np.array([[0.0, 0.0, -0.1], [0.0, 0.0, -0.3]])
    pixels, seen = originals.visible_points(behind, depth, matrix, 0.2)
    assert seen.tolist() == [True, False] and pixels[0].tolist() == [2, 2]


def test_blobs_part_the_points_and_points_come_in_order(frames, cloud):
    points, masks = cloud
    assert np.array_equal(np.sort(masks.indices), np.arange(len(points)))
    assert (masks.sizes > 0).all()
    few = surface_points(frames[:5], 101, np.random.default_rng(1))
    assert few.shape == (101, 3) and (np.diff(few[:, 0]) >= 0).all()
