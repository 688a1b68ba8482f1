"""Rows and settings of the paper's tables, and the views that a row chooses again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.evaluation.paper.rows import MAP_VALUES, N_VIEWS, PAPER, PLANS, ROWS
from om3d_core.evaluation.protocols import PROTOCOLS
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.views import (
    Cameras,
    ViewSettings,
    choose_among,
    choose_frames,
    select_views,
)
from om3d_core.mapping.visibility import Observation
from om3d_core.settings import build
from om3d_core.sources.datasets.base import settings_type


def test_plans_hold_valid_settings_and_the_papers_rows() -> None:
    for plan in PLANS.values():
        made = build(MapSettings, plan.settings_values())
        assert made.views.top_k >= 2 * N_VIEWS
        faithful = made.visibility.pixel == "truncated" and made.views.repeat
        assert faithful == (plan.preset == "openmask3d_pp")
    assert build(MapSettings, PLANS["synth"].settings_values("openmask3d_pp")).views.repeat
    ours = build(MapSettings, PLANS["scannet200"].settings_values("default"))
    assert replace(ours, views=MapSettings().views) == MapSettings()
    names = {row.name for row in ROWS}
    assert all(set(table) <= names for table in PAPER.values())


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("scannet200", ("scannet200_val.ckpt", "dataset", "dataset", 150, 0.2, 10)),
        ("scannetpp", ("scannet200_model.ckpt", "unit", "none", 120, 0.1, 15)),
        ("replica", ("scannet200_model.ckpt", "unit", "none", 120, 0.2, 10)),
    ],
)
def test_each_data_set_is_mapped_as_the_original_does(dataset, expected) -> None:
    plan = PLANS[dataset]
    made = build(MapSettings, plan.settings_values())
    own = build(settings_type(dataset), plan.scene_values)
    network = made.proposers["mask3d"]
    assert (network.checkpoint, network.color_normalization, network.segments,
            network.num_queries, made.visibility.depth_tolerance_m, own.step) == expected
    assert (network.selection, network.min_voxels, network.max_overlap) == ("faithful", 1, 1.0)
    assert made.proposals.method == "mask3d" and made.segmenter.method == "sam"
    assert (made.views.selection, made.views.top_k, N_VIEWS) == ("visible", 10, 5)
    assert getattr(own, "intrinsics_scaling", "openmask3d") == "openmask3d"
    if dataset == "scannetpp":
        assert (own.point_step, own.first_intrinsics, own.width, own.height) == (3, True, 480, 360)


def test_the_settings_of_the_originals_are_documented(repository) -> None:
    documented = (repository / "docs/evaluation.md").read_text().replace("`", "")
    for name, values in MAP_VALUES.items():
        assert f"| {name} | {' | '.join(map(str, values))} |" in documented


def test_protocols_are_told_apart() -> None:
    assert set(PROTOCOLS) == {"paper", "benchmark"}
    assert PROTOCOLS["paper"].oracle and not PROTOCOLS["benchmark"].oracle


@given(seed=st.integers(0, 2**32 - 1), n_frames=st.integers(1, 30),
       selection=st.sampled_from(["visible", "diverse", "farthest", "bearing"]),
       faithful=st.booleans())  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_views_chosen_again_are_those_chosen_at_once(
    seed: int, n_frames: int, selection: str, faithful: bool
) -> None:
    """Also where the diverse choice of OpenMask3D++ takes frames that see nothing."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 400, (n_frames, 6)) * (rng.random((n_frames, 6)) < 0.4)
    boxes = np.zeros((6, 4), np.int32)
    seen = [Observation(row.astype(np.int32), boxes) for row in pixels]
    rotations = Rotation.random(n_frames, rng).as_matrix()
    cameras = Cameras(rotations, rng.normal(size=(n_frames, 3)), rng.normal(size=(6, 3)))
    stamps = np.sort(rng.choice(10_000, n_frames, replace=False)).astype(np.int64)
    common = {"min_pixels": 0, "repeat": True} if faithful else {}
    visible = ViewSettings(top_k=10, selection="visible", **common)
    table = select_views(stamps, seen, cameras, visible)
    wanted = ViewSettings(top_k=5, selection=selection, preselection=10, **common)
    expected = choose_frames(pixels.astype(np.int32), cameras, wanted)
    columns = choose_among(table, stamps, cameras, wanted)
    for i, frames in enumerate(expected):
        frames = frames[pixels[frames, i] > 0]
        chosen = columns[i][columns[i] >= 0]
        np.testing.assert_array_equal(table.stamps[i, chosen], stamps[frames])
