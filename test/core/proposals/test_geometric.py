"""Geometric proposals on made scenes: what is cut, what holds together, and that it repeats."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import CanceledError
from om3d_core.evaluation.mask_quality import count_overlaps, evaluate_overlaps
from om3d_core.evaluation.single_view import read_views, view_truth
from om3d_core.mapping.fusion import cloud_from_frame
from om3d_core.mapping.gravity import decide_up
from om3d_core.progress import Job
from om3d_core.proposals.geometric import GeometricProposer, GeometricSettings
from om3d_core.proposals.surface.gravity import estimate_up, facing_areas

STEP_M = 0.006
GRAY, WOOD, RED, BLUE = (120, 120, 120), (190, 150, 100), (200, 40, 40), (40, 60, 200)
UP = np.array([0.0, 0.0, 1.0])

Labeled = tuple[Cloud, npt.NDArray[np.int64]]


def box(low: npt.ArrayLike, high: npt.ArrayLike, color: tuple[int, int, int]) -> Cloud:
    """The sides and the top of a box, sampled with slight noise."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    rng = np.random.default_rng(int(1000 * np.abs([*low, *high]).sum()))
    points, normals = [], []
    for axis in range(3):
        others = [k for k in range(3) if k != axis]
        ticks = [np.arange(low[k] + STEP_M / 2, high[k], STEP_M) for k in others]
        grid = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(-1, 2)
        for sign, value in ((-1, low[axis]), (1, high[axis])):
            if axis == 2 and sign == -1:
                continue
            face = np.zeros((len(grid), 3))
            face[:, others], face[:, axis] = grid, value
            normal = np.zeros(3)
            normal[axis] = sign
            points.append(face)
            normals.append(np.broadcast_to(normal, face.shape))
    stacked = np.concatenate(points)
    stacked = stacked + rng.normal(0.0, 0.0005, stacked.shape)
    return Cloud(
        stacked.astype(np.float32),
        np.broadcast_to(np.uint8(color), stacked.shape).copy(),
        np.concatenate(normals).astype(np.float32),
    )


def plane(
    side: float, height: float, color: tuple[int, int, int], holes: list[Cloud] | None = None
) -> Cloud:
    """A level square around the origin, not sampled under the given things."""
    rng = np.random.default_rng(7)
    ticks = np.arange(-side / 2, side / 2, STEP_M * 1.5)
    x, y = np.meshgrid(ticks, ticks, indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), np.full(x.size, height)], axis=1)
    points += rng.normal(0.0, 0.0005, points.shape)
    for thing in holes or []:
        low, high = thing.bounds()
        points = points[~((points[:, :2] > low[:2]) & (points[:, :2] < high[:2])).all(axis=1)]
    return Cloud(
        points.astype(np.float32),
        np.broadcast_to(np.uint8(color), points.shape).copy(),
        np.broadcast_to(np.float32([0, 0, 1]), points.shape).copy(),
    )


def joined(*clouds: Cloud) -> Labeled:
    """One cloud, and which of the given clouds each point comes from."""
    whole = Cloud(*(
        np.concatenate([getattr(c, name) for c in clouds])
        for name in ("points", "colors", "normals")
    ))
    return whole, np.repeat(np.arange(len(clouds)), [len(c) for c in clouds])


def moved(cloud: Cloud, rotation: npt.NDArray[np.float64], shift: npt.ArrayLike) -> Cloud:
    return Cloud(
        (cloud.points @ rotation.T + np.asarray(shift)).astype(np.float32),
        cloud.colors,
        (cloud.normals @ rotation.T).astype(np.float32),
    )


def propose(cloud: Cloud, up: npt.NDArray[np.float64] = UP) -> InstanceMasks:
    return GeometricProposer().propose(cloud, Job(), up)


def best_iou(masks: InstanceMasks, truth: npt.NDArray[np.bool_]) -> tuple[float, int]:
    """The IoU of the mask that fits best, and its index."""
    overlaps = []
    for i in range(len(masks)):
        inside = truth[masks[i]].sum()
        overlaps.append(inside / (len(masks[i]) + truth.sum() - inside))
    return max(zip(overlaps, range(len(masks)), strict=True), default=(0.0, -1))


def two_boxes_on_a_table(gap_m: float) -> Labeled:
    """A floor, a table of 1 x 1 m, and two boxes of different height and color on it."""
    left = box((-0.16, -0.08, 0.7), (0.0, 0.08, 0.82), RED)
    right = box((gap_m, -0.06, 0.7), (gap_m + 0.12, 0.1, 0.9), BLUE)
    table = box((-0.5, -0.5, 0.64), (0.5, 0.5, 0.7), WOOD)
    floor = plane(3.0, 0.0, GRAY)
    return joined(floor, table, left, right)


@pytest.fixture(scope="module")
def apart() -> tuple[Labeled, InstanceMasks]:
    labeled = two_boxes_on_a_table(0.1)
    return labeled, propose(labeled[0])


def test_two_boxes_on_a_table(apart: tuple[Labeled, InstanceMasks]) -> None:
    (_, label), masks = apart
    floor_iou, floor = best_iou(masks, label == 0)
    assert floor_iou > 0.95 and masks.structure[floor]
    found = {floor}
    for thing, wanted in ((1, 0.8), (2, 0.9), (3, 0.9)):
        iou, i = best_iou(masks, label == thing)
        assert iou > wanted
        assert not masks.structure[i]
        found.add(i)
    assert len(found) == 4
    assert masks.structure.sum() == 1


def test_the_objects_rank_first(apart: tuple[Labeled, InstanceMasks]) -> None:
    (_, label), masks = apart
    objects = np.flatnonzero(~masks.structure)
    expected = {best_iou(masks, label == thing)[1] for thing in (1, 2, 3)}
    assert set(objects[np.argsort(-masks.scores[objects], kind="stable")][:3]) == expected
    assert ((masks.scores >= 0) & (masks.scores <= 1)).all()


def test_no_near_duplicates(apart: tuple[Labeled, InstanceMasks]) -> None:
    _, masks = apart
    for i in range(len(masks)):
        truth = np.zeros(masks.n_points, bool)
        truth[masks[i]] = True
        others = masks.select(np.arange(len(masks)) != i)
        assert best_iou(others, truth)[0] <= GeometricSettings().max_overlap + 0.05


def test_touching_boxes_are_two() -> None:
    cloud, label = two_boxes_on_a_table(0.0)
    masks = propose(cloud)
    first, second = (best_iou(masks, label == thing) for thing in (2, 3))
    assert first[0] > 0.7 and second[0] > 0.7
    assert first[1] != second[1]
    assert min(masks.scores[first[1]], masks.scores[second[1]]) > 0.5


def test_stacked_boxes_are_two() -> None:
    lower = box((-0.15, -0.1, 0.0), (0.15, 0.1, 0.08), RED)
    upper = box((-0.06, -0.05, 0.08), (0.06, 0.05, 0.2), BLUE)
    cloud, label = joined(plane(1.0, 0.0, WOOD, [lower]), lower, upper)
    masks = propose(cloud)
    assert best_iou(masks, label == 1)[0] > 0.7
    assert best_iou(masks, label == 2)[0] > 0.8


def test_a_chair_is_one() -> None:
    legs = [
        box((x, y, 0.0), (x + 0.04, y + 0.04, 0.42), WOOD)
        for x in (-0.2, 0.16) for y in (-0.2, 0.16)
    ]
    seat = box((-0.2, -0.2, 0.42), (0.2, 0.2, 0.46), WOOD)
    back = box((-0.2, 0.16, 0.46), (0.2, 0.2, 0.9), WOOD)
    cloud, label = joined(plane(3.0, 0.0, GRAY), *legs, seat, back)
    masks = propose(cloud)
    iou, chair = best_iou(masks, label > 0)
    assert iou > 0.8
    others = np.flatnonzero(~masks.structure & (np.arange(len(masks)) != chair))
    assert (masks.scores[others] < masks.scores[chair]).all()


def test_a_table_top_with_legs_is_one(apart: tuple[Labeled, InstanceMasks]) -> None:
    legs = [
        box((x, y, 0.0), (x + 0.06, y + 0.06, 0.7), WOOD)
        for x in (-0.6, 0.54) for y in (-0.4, 0.34)
    ]
    top = box((-0.6, -0.4, 0.7), (0.6, 0.4, 0.74), WOOD)
    cloud, label = joined(plane(3.0, 0.0, GRAY), *legs, top)
    iou, _ = best_iou(propose(cloud), label > 0)
    assert iou > 0.85


def test_a_magazine_on_a_table_has_a_mask() -> None:
    magazine = box((-0.1, -0.14, 0.7), (0.1, 0.14, 0.703), BLUE)
    table = box((-0.5, -0.5, 0.64), (0.5, 0.5, 0.7), WOOD)
    bare = ~(np.abs(table.points - [0, 0, 0.7]) < [0.1, 0.14, 0.01]).all(axis=1)
    table = Cloud(table.points[bare], table.colors[bare], table.normals[bare])
    cloud, label = joined(plane(3.0, 0.0, GRAY), table, magazine)
    iou, i = best_iou(propose(cloud), label == 2)
    assert iou > 0.7
    assert i >= 0


def test_a_plane_is_structure_only() -> None:
    masks = propose(plane(3.0, 0.0, GRAY))
    assert len(masks) == 1
    assert masks.structure.all()
    assert masks.sizes[0] > 0.95 * masks.n_points


def test_walls_are_structure() -> None:
    floor = plane(3.0, 0.0, GRAY)
    wall = plane(3.0, 0.0, WOOD)
    turn = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    wall = moved(wall, turn, (0, 1.5, 1.5))
    crate = box((-0.2, -0.2, 0.0), (0.2, 0.2, 0.3), RED)
    cloud, label = joined(floor, wall, crate)
    masks = propose(cloud)
    for thing in (0, 1):
        iou, i = best_iou(masks, label == thing)
        assert iou > 0.9 and masks.structure[i]
    iou, i = best_iou(masks, label == 2)
    assert iou > 0.9 and not masks.structure[i]


@pytest.mark.parametrize("n", [0, 1, 2, 49, 60])
def test_tiny_clouds(n: int) -> None:
    rng = np.random.default_rng(n)
    cloud = Cloud(
        rng.normal(size=(n, 3)).astype(np.float32),
        rng.integers(0, 255, (n, 3)).astype(np.uint8),
        np.zeros((n, 3), np.float32),
    )
    assert propose(cloud).n_points == n
    assert np.isclose(np.linalg.norm(estimate_up(facing_areas(cloud))), 1.0)


def test_coincident_points() -> None:
    cloud = Cloud(
        np.ones((500, 3), np.float32), np.zeros((500, 3), np.uint8), np.zeros((500, 3), np.float32)
    )
    assert propose(cloud).n_points == 500


def test_far_apart_points() -> None:
    points = np.array([[0, 0, 0], [1.6e4, -1.6e4, 1.6e4]], np.float32).repeat(40, axis=0)
    points[:, 0] += np.tile(np.arange(40, dtype=np.float32), 2)
    cloud = Cloud(points, np.zeros((80, 3), np.uint8), np.zeros((80, 3), np.float32))
    assert propose(cloud).n_points == 80


def test_unknown_normals_still_give_masks() -> None:
    cloud, label = two_boxes_on_a_table(0.1)
    blind = Cloud(cloud.points, cloud.colors, np.zeros_like(cloud.normals))
    masks = propose(blind)
    assert best_iou(masks, label == 2)[0] > 0.5


def test_repeats_bit_for_bit(apart: tuple[Labeled, InstanceMasks]) -> None:
    (cloud, _), first = apart
    second = propose(cloud)
    for name in ("indptr", "indices", "scores", "structure"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


@settings(max_examples=4, deadline=None)
@given(yaw=st.floats(-3.1, 3.1), shift=st.tuples(*[st.floats(-5, 5)] * 3))
def test_moves_with_the_cloud(yaw: float, shift: tuple[float, float, float]) -> None:
    cloud, label = two_boxes_on_a_table(0.05)
    c, s = np.cos(yaw), np.sin(yaw)
    masks = propose(moved(cloud, np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), shift))
    for thing in (2, 3):
        assert best_iou(masks, label == thing)[0] > 0.85


def test_reports_its_stages_and_can_be_canceled(apart: tuple[Labeled, InstanceMasks]) -> None:
    (cloud, _), _ = apart
    seen: list[tuple[int, int]] = []
    job = Job(lambda _, done, total: seen.append((done, total)))
    GeometricProposer().propose(cloud, job, UP)
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    with pytest.raises(CanceledError):
        GeometricProposer().propose(cloud, Job(canceled=lambda: True), UP)


@pytest.mark.parametrize("tilt_rad", [0.0, 0.4, 0.8])
def test_up_in_a_camera_frame(tilt_rad: float) -> None:
    """y points down in a camera frame, and the camera looks down by the tilt."""
    cloud, _ = two_boxes_on_a_table(0.1)
    c, s = np.cos(tilt_rad), np.sin(tilt_rad)
    camera_from_map = np.array([[1.0, 0, 0], [0, c, s], [0, -s, c]]) @ np.array(
        [[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]
    )
    up = estimate_up(facing_areas(moved(cloud, camera_from_map, (0, 0, 2))))
    assert up @ camera_from_map[:, 2] > np.cos(np.deg2rad(3))


def test_up_with_a_hint() -> None:
    cloud, _ = two_boxes_on_a_table(0.1)
    turned = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    up = estimate_up(facing_areas(moved(cloud, turned, (0, 0, 0))), hint=[0.8, 0.3, 0.2])
    assert up @ turned[:, 2] > np.cos(np.deg2rad(3))


def test_single_views_of_real_tabletops(shared_data: Path) -> None:
    overlaps = []
    for k, view in enumerate(read_views(shared_data / "data" / "osd")):
        if k % 5 == 0:
            gt, void = view_truth(view)
            cloud = cloud_from_frame(view.frame)
            masks = propose(cloud, decide_up(cloud))
            overlaps.append(count_overlaps(masks, gt, void))
    quality = evaluate_overlaps(overlaps)
    assert quality.ap50 > 0.85
    assert quality.recall50 > 0.9
