"""Degenerate points and frames: the faults of the originals, and their repair."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.frame import Intrinsics
from om3d_core.views import Cameras, ViewSettings, choose_frames, select_views
from om3d_core.visibility import VisibilitySettings, visible_pixels
from parity.kinds import Fixture
from parity.test_views import Load, assert_equal_pixels, depth_m, observations, seen_pixels


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("views_edge")


@pytest.fixture(scope="module")
def intrinsics(stored: Fixture) -> Intrinsics:
    height, width = stored["depth"].shape[1:]
    return Intrinsics.from_matrix(stored["intrinsic"], width, height)


@pytest.fixture(scope="module")
def pixels(stored: Fixture, intrinsics: Intrinsics) -> np.ndarray:
    return seen_pixels(stored, np.arange(len(stored["poses"])), intrinsics, depth_m(stored))


def test_visibility(stored: Fixture, intrinsics: Intrinsics, pixels: np.ndarray) -> None:
    assert_equal_pixels(pixels, stored, intrinsics.width)


def test_pixel_counts(stored: Fixture, intrinsics: Intrinsics, pixels: np.ndarray) -> None:
    seen = observations(stored, pixels, intrinsics.width, intrinsics.height)
    counts = np.array([o.pixels for o in seen])
    np.testing.assert_array_equal(counts, stored["count_pixels"])
    np.testing.assert_array_equal((counts > 0).sum(axis=0), stored["n_visible_frames"])


def test_the_default_sees_nothing_behind_or_without_depth(
    stored: Fixture, intrinsics: Intrinsics, pixels: np.ndarray
) -> None:
    depth = depth_m(stored).astype(np.float32)
    settings = VisibilitySettings(depth_tolerance_m=float(stored["vis_threshold"]))
    n_repaired = 0
    for frame, pose in enumerate(stored["poses"]):
        camera_from_map = np.linalg.inv(pose)
        z = stored["points"] @ camera_from_map[2, :3] + camera_from_map[2, 3]
        fixed = visible_pixels(stored["points"], depth[frame], intrinsics, pose, settings)
        seen = fixed >= 0
        assert (z[seen] > 0).all() and (depth[frame].ravel()[fixed[seen]] > 0).all()
        n_repaired += int((pixels[frame] >= 0)[z <= 0].sum())
    assert n_repaired > 0


def test_the_diverse_choice_takes_frames_that_see_nothing(
    stored: Fixture, intrinsics: Intrinsics, pixels: np.ndarray
) -> None:
    counts = stored["count_pixels"].astype(np.int32)
    poses, n_masks = stored["poses"], stored["masks"].shape[1]
    cameras = Cameras(poses[:, :3, :3], poses[:, :3, 3], np.zeros((n_masks, 3)))
    original = ViewSettings(selection="diverse", preselection=10, min_pixels=0, repeat=True)
    blind = [bool((counts[f, i] == 0).any())
             for i, f in enumerate(choose_frames(counts, cameras, original))]  # fmt: skip
    reference = [bool((counts[f, i] == 0).any()) for i, f in enumerate(stored["topk5_presel10"])]
    assert any(blind) == any(reference)
    fixed = ViewSettings(selection="diverse", preselection=10, min_pixels=1)
    for i, frames in enumerate(choose_frames(counts, cameras, fixed)):
        assert (counts[frames, i] > 0).all() and len(set(frames)) == len(frames)
    seen = observations(stored, pixels, intrinsics.width, intrinsics.height)
    views = select_views(np.arange(len(poses)), seen, cameras, original)
    assert (views.pixels[views.valid] > 0).all()
