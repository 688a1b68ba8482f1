"""How well frames agree, and which are held against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.worlds import tabletop

from om3d_core.doctor.agreement import (
    MOST_COLUMNS,
    Look,
    agreement,
    is_static,
    is_still,
    median_depth_m,
)


@pytest.fixture
def looks(frames):
    return [Look.of(frame) for frame in frames]


def moved(look, **changes):
    return replace(look, **changes)


def test_exact_frames_agree(looks):
    found = agreement(looks)
    assert found.judged and found.pairs == 3 * len(looks)
    assert found.share > 0.7 and found.unhidden > 0.99


def test_what_is_hidden_lowers_the_share_only(looks):
    points, other = looks[-2].points(6.0), looks[-1]
    half = other.depth.copy()
    half[:, :80] *= np.float32(0.5)
    share, unhidden = moved(other, depth=half).near(points, 0.05)
    assert share < other.near(points, 0.05)[0] - 0.2 and unhidden > 0.95
    half[:, :80] *= np.float32(4)
    assert moved(other, depth=half).near(points, 0.05)[1] < 0.8


def test_a_large_image_is_thinned_and_sees_the_same(frames):
    (large,) = tabletop(1, 640, 480)
    look = Look.of(large)
    assert look.depth.shape == (240, MOST_COLUMNS)
    exact = Look.of(tabletop(1, 320, 240)[0])
    assert look.near(exact.points(6.0), 0.05)[0] > 0.95


def test_nothing_in_common_is_not_judged(looks):
    assert not agreement(looks[:1]).judged
    assert not agreement([]).judged
    empty = [moved(look, depth=np.zeros_like(look.depth)) for look in looks]
    assert not agreement(empty).judged and np.isnan(median_depth_m(empty))


def test_frames_of_one_place_are_pairs_only_if_the_camera_never_moves(looks):
    same = [looks[0]] * 5
    assert is_static(same) and is_still(same) and agreement(same).share == 1.0
    shaken = [looks[0], *looks]
    assert not is_static(shaken) and not is_still(shaken)
    assert agreement(shaken).share < 1.0


def test_sparse_depth_has_a_median(looks):
    depth = np.zeros_like(looks[0].depth)
    depth[1::8, 1::8] = 2.0
    assert median_depth_m([moved(looks[0], depth=depth)]) == 2.0
