"""Fusion of rendered views of a box scene, and the cloud of one view."""

import numpy as np
import numpy.typing as npt
import open3d as o3d
import pytest

from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.errors import InputError, SettingsError
from om3d_core.mapping.fusion import Fuser, FusionSettings, cloud_from_frame

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


def test_points_are_sorted(frames: list[Frame]) -> None:
    points = fused(frames[:1]).points
    assert np.array_equal(np.lexsort(points.T[::-1]), np.arange(len(points)))


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
