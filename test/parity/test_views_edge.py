"""Degenerate points and frames: the faults of the originals, and their repair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from om3d_core.data.frame import Intrinsics
from om3d_core.mapping.views import choose_frames, select_views
from om3d_core.mapping.visibility import VisibilitySettings, visible_pixels
from parity.kinds import Fixture
from parity.test_views import (
    Load,
    assert_equal_pixels,
    cameras_of,
    depth_m,
    observations,
    seen_pixels,
    selections,
)


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
        faithful = pixels[frame]
        without_depth = depth[frame].ravel()[np.maximum(faithful, 0)] == 0
        n_repaired += int(((faithful >= 0) & ((z <= 0) | without_depth)).sum())
    assert n_repaired > 0


def test_the_choice_where_counts_decide_it(stored: Fixture) -> None:
    """Frames of equal counts are in any order; only ranks that no other frame shares compare."""
    counts = stored["count_pixels"].astype(np.int32)
    n_compared = 0
    for name, settings in selections(stored):
        chosen = choose_frames(counts, cameras_of(stored, slice(None)), settings)
        reference = stored[name]
        for i, frames in enumerate(chosen):
            alone = (counts[:, i] == counts[reference[i], i][:, None]).sum(axis=1) == 1
            # A greedy choice depends on all before it, except for the first.
            compared = np.flatnonzero(alone if settings.selection == "visible" else alone[:1])
            np.testing.assert_array_equal(
                frames[compared], reference[i, compared], err_msg=f"{name} of mask {i}"
            )
            n_compared += len(compared)
    assert n_compared > 0


def test_the_diverse_choice_takes_frames_that_see_nothing(
    stored: Fixture, intrinsics: Intrinsics, pixels: np.ndarray
) -> None:
    counts = stored["count_pixels"].astype(np.int32)
    n_seeing = (counts > 0).sum(axis=0)
    frames = np.arange(len(stored["poses"]))
    cameras = cameras_of(stored, frames)
    seen = observations(stored, pixels, intrinsics.width, intrinsics.height)
    for name, original in selections(stored):
        if original.selection != "diverse":
            continue
        for chosen in (np.stack(choose_frames(counts, cameras, original)), stored[name]):
            blind = np.take_along_axis(counts, chosen.T, axis=0) == 0
            assert blind[:, n_seeing == 0].all()
            assert not blind[:, n_seeing >= original.preselection].any()
        fixed = replace(original, min_pixels=1, repeat=False)
        for i, kept in enumerate(choose_frames(counts, cameras, fixed)):
            assert len(kept) == min(n_seeing[i], fixed.top_k)
            assert (counts[kept, i] > 0).all() and len(set(kept)) == len(kept)
        views = select_views(frames, seen, cameras, original)
        assert (views.pixels[views.valid] > 0).all()
