"""Projection, visibility, view selection and crop boxes of OpenMask3D and OpenMask3D++."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from om3d_core.data.frame import Intrinsics
from om3d_core.data.masks import InstanceMasks
from om3d_core.mapping.crops import CropSettings, multi_level_boxes
from om3d_core.mapping.views import Cameras, ViewSettings, choose_frames
from om3d_core.mapping.visibility import Observation, VisibilitySettings, observe, visible_pixels
from om3d_core.segmenters.prompts import mask_box
from parity.kinds import Fixture

Load = Callable[[str], Fixture]

SELECTIONS = {
    r"(?:topk(\d+)_openmask3d|preselected(\d+))": {"selection": "visible"},
    r"topk(\d+)_presel(\d+)": {"selection": "diverse", "repeat": True},
}
"""Arrays of chosen frames by the numbers in their names: views kept, and frames preselected."""


def selections(stored: Fixture) -> Iterator[tuple[str, ViewSettings]]:
    """The name and the settings of every selection that the fixture holds."""
    for pattern, options in SELECTIONS.items():
        for match in stored.matches(pattern):
            top_k, *preselection = (int(number) for number in match.groups() if number)
            known = dict(zip(["preselection"], preselection, strict=False))
            yield match[0], ViewSettings(top_k=top_k, min_pixels=0, **options, **known)


def cameras_of(stored: Fixture, frames: np.ndarray) -> Cameras:
    poses, n_masks = stored["poses"][frames], stored["masks"].shape[1]
    return Cameras(poses[:, :3, :3], poses[:, :3, 3], np.zeros((n_masks, 3)))


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("views")


def depth_m(stored: Fixture) -> np.ndarray:
    """(F, H, W) float64 of the frames used."""
    scale = float(stored["depth_scale"]) if "depth_scale" in stored.arrays else 1000.0
    return stored["depth"] / scale


def seen_pixels(
    stored: Fixture, frames: np.ndarray, intrinsics: Intrinsics, depth: np.ndarray
) -> np.ndarray:
    """(F, N) flat pixel of every visible point, -1 elsewhere, by the rules of the originals."""
    settings = VisibilitySettings(
        depth_tolerance_m=float(stored["vis_threshold"]),
        pixel="truncated",
        require_front=False,
        require_depth=False,
        double_precision=True,
    )
    return np.stack(
        [
            visible_pixels(stored["points"], depth[f], intrinsics, stored["poses"][f], settings)
            for f in frames
        ]
    )


def observations(
    stored: Fixture, pixels: np.ndarray, width: int, height: int, count: str = "pixels"
) -> list[Observation]:
    masks = InstanceMasks.from_dense(stored["masks"])
    return [observe(row, masks, width, height, count) for row in pixels]


def assert_equal_pixels(pixels: np.ndarray, stored: Fixture, width: int) -> None:
    visible = stored["visible"]
    np.testing.assert_array_equal(pixels >= 0, visible)
    columns, rows = pixels[visible] % width, pixels[visible] // width
    np.testing.assert_array_equal(columns, stored["projected"][visible][:, 0])
    np.testing.assert_array_equal(rows, stored["projected"][visible][:, 1])


@pytest.fixture(scope="module")
def pixels(stored: Fixture) -> np.ndarray:
    depth = depth_m(stored)
    height, width = depth.shape[1:]
    intrinsics = Intrinsics.from_matrix(stored["adapted_intrinsic"], width, height)
    return seen_pixels(stored, stored["indices"], intrinsics, depth)


def test_visibility(stored: Fixture, pixels: np.ndarray) -> None:
    assert stored["visible"].any()
    assert_equal_pixels(pixels, stored, stored["depth"].shape[2])


@pytest.mark.parametrize("count", ["pixels", "points"])
def test_counts(stored: Fixture, pixels: np.ndarray, count: str) -> None:
    """The code ranks views by distinct pixels, the paper says points."""
    height, width = stored["depth"].shape[1:]
    counts = [o.pixels for o in observations(stored, pixels, width, height, count)]
    np.testing.assert_array_equal(counts, stored[f"count_{count}"])


def test_selection(stored: Fixture) -> None:
    cameras = cameras_of(stored, stored["indices"])
    counts = stored["count_pixels"].astype(np.int32)
    for name, settings in selections(stored):
        chosen = choose_frames(counts, cameras, settings)
        np.testing.assert_array_equal(np.stack(chosen), stored[name], err_msg=name)


def test_adapted_intrinsics(stored: Fixture) -> None:
    height, width = (int(side) for side in stored["intrinsic_resolution"])
    given = Intrinsics.from_matrix(stored["intrinsic"], width, height)
    targets = [*stored["adapt_shapes"].tolist(), stored["depth"].shape[1:]]
    expected = [*stored["adapt_intrinsics"], stored["adapted_intrinsic"]]
    tolerance = stored.tolerance("intrinsics ", 1e-12)
    for (rows, columns), matrix in zip(targets, expected, strict=True):
        resized = given.openmask3d_resized(columns, rows)
        np.testing.assert_allclose(resized.matrix, matrix, rtol=tolerance, atol=0)


def test_crop_boxes(stored: Fixture) -> None:
    height, width = (int(side) for side in stored["crop_shape"])
    masks = np.unpackbits(stored["crop_masks"], axis=2)[:, :, :width].astype(bool)
    ratios, levels = stored["crop_ratios"], int(stored["crop_params"][:, 1].max()) + 1
    for (index, level, ratio), expected in zip(
        stored["crop_params"], stored["crop_boxes"], strict=True
    ):
        settings = CropSettings(levels=levels, expansion_ratio=float(ratios[ratio]))
        boxes = multi_level_boxes(mask_box(masks[index]), width, height, settings)
        np.testing.assert_array_equal(boxes[level], expected)


def test_the_box_of_the_visible_pixels(stored: Fixture, pixels: np.ndarray) -> None:
    """``observe`` boxes the same pixels that the originals would give as prompts."""
    height, width = stored["depth"].shape[1:]
    for row, observation in zip(pixels, observations(stored, pixels, width, height), strict=True):
        for mask in np.flatnonzero(observation.pixels):
            seen = row[(row >= 0) & stored["masks"][:, mask]]
            columns, rows = seen % width, seen // width
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_array_equal(observation.boxes[mask], box)
