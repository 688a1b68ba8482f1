"""Fusion of rendered views of a box scene, and the cloud of one view."""

from contextlib import suppress
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import numpy.typing as npt
import open3d as o3d
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.errors import CanceledError, InputError, SettingsError
from om3d_core.mapping.fusion import Fuser, FusionSettings, IncrementalFusion, cloud_from_frame
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.pose_cells import KeyframeSettings
from om3d_core.progress import Job

K = Intrinsics(260.0, 260.0, 159.5, 119.5, 320, 240)
BOX_LOW, BOX_HIGH = np.array([-0.15, -0.1, 0.0]), np.array([0.15, 0.1, 0.2])
RED, GRAY = (200, 30, 30), (120, 120, 120)


def scene() -> o3d.t.geometry.RaycastingScene:
    """A box of 0.3 x 0.2 x 0.2 m on a floor at z = 0."""
    result = o3d.t.geometry.RaycastingScene()
    floor = o3d.geometry.TriangleMesh.create_box(3.0, 3.0, 0.1).translate((-1.5, -1.5, -0.1))
    box = o3d.geometry.TriangleMesh.create_box(*(BOX_HIGH - BOX_LOW)).translate(BOX_LOW)
    for mesh in (floor, box):
        result.add_triangles(o3d.t.geometry.TriangleMesh.from_legacy(mesh))
    return result


def look_at(eye: npt.ArrayLike, target: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """map_from_camera of a camera at ``eye`` with z up."""
    eye = np.asarray(eye, float)
    z = np.asarray(target, float) - eye
    z /= np.linalg.norm(z)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    result = np.eye(4)
    result[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    result[:3, 3] = eye
    return result


def frame_from(pose: npt.NDArray[np.float64], stamp_ns: int = 0) -> Frame:
    matrix = K.matrix
    matrix[:2, 2] += 0.5  # here pixel centers are whole numbers, in Open3D's rays halves
    rays = scene().create_rays_pinhole(
        o3d.core.Tensor(matrix), o3d.core.Tensor(np.linalg.inv(pose)), K.width, K.height
    )
    hit = scene().cast_rays(rays)
    depth = hit["t_hit"].numpy()
    mesh = hit["geometry_ids"].numpy()
    rgb = np.where((mesh == 1)[..., None], RED, GRAY).astype(np.uint8)
    return Frame(rgb, np.where(np.isfinite(depth), depth, 0).astype(np.float32), K, pose, stamp_ns)


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    eyes = [(np.cos(a), np.sin(a), 0.8) for a in np.arange(6) * np.pi / 3]
    return [frame_from(look_at(eye, (0, 0, 0.1)), i) for i, eye in enumerate(eyes)]


def distance_to_scene(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return scene().compute_distance(o3d.core.Tensor(points)).numpy()


def fused(frames: list[Frame], **settings: float):
    fuser = Fuser(FusionSettings(**settings))
    for frame in frames:
        fuser.integrate(frame)
    return fuser.cloud()


def test_points_lie_on_the_surface(frames: list[Frame]) -> None:
    cloud = fused(frames)
    distance = distance_to_scene(cloud.points)
    assert np.quantile(distance, 0.99) < 0.01
    on_top = (np.abs(cloud.points[:, :2]) < 0.08).all(axis=1)
    assert on_top.sum() > 200
    assert np.abs(cloud.points[on_top, 2] - 0.2).max() < 0.01
    assert (cloud.normals[on_top] @ [0, 0, 1] > 0.9).all()
    assert np.abs(cloud.colors[on_top].astype(int) - RED).max() <= 8


def test_normals_are_unit(frames: list[Frame]) -> None:
    lengths = np.linalg.norm(fused(frames).normals, axis=1)
    assert np.allclose(lengths[lengths > 0], 1.0, atol=1e-5)


def test_voxel_size_is_kept(frames: list[Frame]) -> None:
    fine, coarse = fused(frames, voxel_m=0.01), fused(frames, voxel_m=0.02)
    assert 2.5 < len(fine) / len(coarse) < 6.0


def test_two_runs_are_bit_identical(frames: list[Frame]) -> None:
    first, second = fused(frames), fused(frames)
    for name in ("points", "colors", "normals"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


def test_points_are_sorted_by_chunk(frames: list[Frame]) -> None:
    points = fused(frames[:1]).points
    chunks = np.floor(points / np.float64(1.28))
    assert len(np.unique(chunks, axis=0)) > 4
    order = np.lexsort((*points.T[::-1], *chunks.T[::-1]))
    assert np.array_equal(order, np.arange(len(points)))


def test_a_single_frame_is_enough(frames: list[Frame]) -> None:
    assert len(fused(frames[:1], min_weight=5.0)) > 1000


def test_rarely_seen_points_are_left_out(frames: list[Frame]) -> None:
    assert len(fused(frames, min_weight=6.0)) < len(fused(frames, min_weight=1.0))


def test_far_depth_is_left_out(frames: list[Frame]) -> None:
    cloud = fused(frames[:1], max_depth_m=1.0)
    camera = frames[0].map_from_camera
    depth = (cloud.points - camera[:3, 3]) @ camera[:3, 2]
    assert len(cloud) > 0
    assert depth.max() < 1.05


def test_the_grid_grows() -> None:
    fuser = Fuser(FusionSettings(voxel_m=0.002))
    fuser.integrate(frame_from(look_at((1.0, 0.0, 0.8), (0, 0, 0.1))))
    cloud = fuser.cloud()
    assert len(cloud) > 100_000
    assert np.median(distance_to_scene(cloud.points)) < 0.001


def test_nothing_seen_gives_an_empty_cloud(frames: list[Frame]) -> None:
    fuser = Fuser()
    assert len(fuser.cloud()) == 0
    blind = Frame(frames[0].rgb, np.zeros((240, 320), np.float32), K, np.eye(4), 0)
    fuser.integrate(blind)
    assert len(fuser.cloud()) == 0
    assert len(cloud_from_frame(blind)) == 0


def test_far_camera_is_refused(frames: list[Frame]) -> None:
    pose = frames[0].map_from_camera.copy()
    pose[0, 3] = 1e9
    with pytest.raises(InputError, match="within"):
        Fuser().integrate(Frame(frames[0].rgb, frames[0].depth, K, pose, 0))


@pytest.mark.parametrize("values", [{"voxel_m": 0.0}, {"max_depth_m": float("nan")}])
def test_bad_settings(values: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        FusionSettings(**values)


def test_cloud_of_one_frame(frames: list[Frame]) -> None:
    frame = frames[0]
    cloud = cloud_from_frame(frame)
    seen = frame.depth > 0
    assert len(cloud) == seen.sum()
    assert np.array_equal(cloud.colors, frame.rgb[seen])
    assert distance_to_scene(cloud.points).max() < 1e-3
    to_camera = frame.map_from_camera[:3, 3] - cloud.points
    assert (np.einsum("ij,ij->i", cloud.normals, to_camera) >= -1e-6).all()
    floor = cloud.points[:, 2] < 1e-3
    clear = floor & (np.abs(cloud.points[:, :2]) > 0.25).any(axis=1)
    assert np.median(cloud.normals[clear] @ [0, 0, 1]) > 0.99


class Fusions:
    """Counts the blocks that are fused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.blocks = 0
        integrate = Fuser.integrate

        def counted(fuser: Fuser, frame: Frame, blocks: npt.NDArray[np.int32]) -> None:
            self.blocks += len(blocks)
            integrate(fuser, frame, blocks)

        monkeypatch.setattr(Fuser, "integrate", counted)


def store_of(frames: list[Frame]) -> KeyframeStore:
    store = KeyframeStore(KeyframeSettings(step_m=0.0))
    for frame in frames:
        store.add(frame)
    return store


def assert_same(a: Cloud, b: Cloud) -> None:
    assert np.array_equal(a.points, b.points) and np.array_equal(a.colors, b.colors)
    assert np.array_equal(a.normals, b.normals) and a.digest == b.digest


@given(data=st.data(), most=st.integers(0, 2))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_history_gives_the_cloud_of_the_frames_that_are_left(
    frames: list[Frame], data: st.DataObject, most: int
) -> None:
    """Frames come and go in any order, with clouds and cancels between."""
    chosen = FusionSettings(frames_a_block=most, voxel_m=0.02)
    grown, store = IncrementalFusion(chosen), store_of([])
    steps = data.draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1,
                               max_size=8))
    for index, then in steps:
        if frames[index].stamp_ns in store:
            store.remove(frames[index].stamp_ns)
        else:
            store.add(frames[index])
        if then == 1:
            grown.cloud(store, Job())
        elif then == 2:
            left = iter(range(data.draw(st.integers(0, 3))))
            with suppress(CanceledError):
                grown.cloud(store, Job(canceled=lambda left=left: next(left, None) is None))
    fresh = IncrementalFusion(chosen)
    assert_same(grown.cloud(store, Job()), fresh.cloud(store, Job()))
    assert grown.cloud(store, Job()) is grown.cloud(store, Job())


def test_a_frame_without_depth_changes_nothing(frames: list[Frame]) -> None:
    store, fusion = store_of(frames[:2]), IncrementalFusion(FusionSettings())
    before = fusion.cloud(store, Job())
    store.add(replace(frames[2], depth=np.zeros_like(frames[2].depth)))
    assert_same(fusion.cloud(store, Job()), before)


def test_only_chunks_near_touched_blocks_are_extracted_anew(frames: list[Frame]) -> None:
    fuser = Fuser(FusionSettings(min_weight=1.0))
    for frame in frames:
        fuser.integrate(frame)
    first, chunks = fuser.cloud(), fuser.chunks_extracted
    assert chunks > 8
    assert_same(fuser.cloud(), first)
    assert fuser.chunks_extracted == chunks
    floor = fuser.blocks_of(frames[0])
    inner = ((floor[:, :2] % 16 >= 2) & (floor[:, :2] % 16 < 14)).all(axis=1)
    fuser.integrate(frames[0], floor[inner & (floor[:, 2] == 0)][:1])
    fuser.cloud()
    assert fuser.chunks_extracted == chunks + 2, "one above the floor, one below"


def test_a_cloud_that_fails_is_made_by_the_next_call(
    frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, grown = store_of(frames[:3]), IncrementalFusion(FusionSettings())
    grown.cloud(store, Job())
    store.add(frames[3])
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(Fuser, "cloud", Mock(side_effect=MemoryError))
        grown.cloud(store, Job())
    fresh = IncrementalFusion(FusionSettings())
    assert_same(grown.cloud(store, Job()), fresh.cloud(store, Job()))


def test_a_block_that_has_its_frames_is_left_as_it_is(
    frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Fusions(monkeypatch)
    again = [replace(frame, stamp_ns=10 + i) for i, frame in enumerate(frames)]
    store, fusion = store_of(frames), IncrementalFusion(FusionSettings(frames_a_block=1))
    first, blocks = fusion.cloud(store, Job()), counted.blocks
    for frame in again:
        store.add(frame)
    assert_same(fusion.cloud(store, Job()), first)
    assert blocks > 0 and counted.blocks == blocks
    every = IncrementalFusion(FusionSettings(frames_a_block=0))
    every.cloud(store, Job())
    assert counted.blocks > 2 * blocks
