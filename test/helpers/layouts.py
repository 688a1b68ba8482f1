"""The frames of :mod:`helpers.recorded_scene`, written in the layouts of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from helpers.dataset_maker import encoded, sens_of
from helpers.recorded_scene import HEIGHT, WIDTH, K, color_of, depth_of, pose_of, write_scene
from om3d_core.data.frame import Intrinsics, clean_depth
from om3d_core.data.poses import inverse
from om3d_core.sources.base import Source
from om3d_core.sources.folder import FolderSettings, FolderSource
from om3d_core.sources.layouts.scannetpp import STREAM_SIZE

N = 3
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def write_color(path: Path, number: int) -> None:
    """Color, losslessly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(color_of(number), cv2.COLOR_RGB2BGR))


def write_depth(path: Path, number: int, units_per_m: float = 1000.0) -> None:
    """Depth of integers in other units."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = np.where(depth_of(number) == 65535, 0, depth_of(number)) * (units_per_m / 1000)
    assert cv2.imwrite(str(path), np.rint(stored).astype(np.uint16))


def depth_m(number: int) -> np.ndarray:
    """(H, W) float32 meters, 0 where there is none."""
    return clean_depth(depth_of(number), 1000.0)


def quaternion(pose: np.ndarray) -> np.ndarray:
    """x, y, z, w."""
    return Rotation.from_matrix(pose[:3, :3]).as_quat()


def row(numbers: Any) -> str:
    """A line of numbers."""
    return " ".join(f"{value:.12g}" for value in np.ravel(numbers))


def open_folder(path: Path, **settings: Any) -> FolderSource:
    """The recording with some settings."""
    return FolderSource(path, FolderSettings(**settings))


def assert_frames(source: Source, depth_atol_m: float = 1e-6, camera: np.ndarray = K) -> None:
    """All frames are those of the scene."""
    frames = list(source)
    assert source.skipped.lines == [] and len(frames) == N
    assert all(a.stamp_ns < b.stamp_ns for a, b in zip(frames, frames[1:], strict=False))
    for number, frame in enumerate(frames):
        assert np.array_equal(frame.rgb, color_of(number))
        np.testing.assert_allclose(frame.depth, depth_m(number), atol=depth_atol_m)
        np.testing.assert_allclose(frame.map_from_camera, pose_of(number), atol=1e-6)
        np.testing.assert_allclose(frame.intrinsics.matrix, camera, atol=1e-9)


def own(path: Path) -> Path:
    """Our own."""
    return write_scene(path, tuple(range(N)))


def pose_lines(path: Path) -> Path:
    """KITTI's lines of twelve numbers."""
    write_images(path)
    np.savetxt(path / "intrinsics.txt", K)
    lines = [row(pose_of(n)[:3]) for n in range(N)]
    (path / "poses.txt").write_text("\n".join(lines) + "\n")
    return path


def tum(path: Path) -> Path:
    """TUM RGB-D, depth 5 ms late and a pose missing in the middle of two."""
    lists: dict[str, list[str]] = {"rgb": [], "depth": [], "groundtruth": []}
    for n in range(N):
        t, late = f"{1305031102.175304 + n / 10:.6f}", f"{1305031102.180304 + n / 10:.6f}"
        write_color(path / f"rgb/{t}.png", n)
        write_depth(path / f"depth/{late}.png", n, 5000.0)
        lists["rgb"].append(f"{t} rgb/{t}.png")
        lists["depth"].append(f"{late} depth/{late}.png")
        lists["groundtruth"].append(f"{t} {row(pose_of(n)[:3, 3])} {row(quaternion(pose_of(n)))}")
    for name, lines in lists.items():
        (path / f"{name}.txt").write_text("# a comment\n" + "\n".join(lines) + "\n")
    (path / "intrinsics.txt").write_text(row([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]))
    return path


def replica(path: Path) -> Path:
    """NICE-SLAM's: a room, below the camera."""
    room = path / "room0"
    for n in range(N):
        write_color(room / f"results/frame{n:06d}.png", n)
        write_depth(room / f"results/depth{n:06d}.png", n, 6553.5)
    (room / "traj.txt").write_text("\n".join(row(pose_of(n)) for n in range(N)))
    camera = {"w": WIDTH, "h": HEIGHT, "fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
    (path / "cam_params.json").write_text(json.dumps({"camera": {**camera, "scale": 6553.5}}))
    return path


def sens(path: Path) -> Path:
    """ScanNet's, in a folder; color is of PNG, so that it is the same when read."""
    path.mkdir(parents=True)
    camera = np.eye(4)
    camera[:3, :3] = K
    frames = [(pose_of(n), encoded(color_of(n)[..., ::-1], ".png"), depth_of(n)) for n in range(N)]
    (path / "scene0011_00.sens").write_bytes(sens_of(frames, camera, (WIDTH, HEIGHT)))
    return path


def scannetpp(path: Path) -> Path:
    """The stream of ScanNet++, a frame in six extracted; color is of PNG, see sens."""
    matrix = Intrinsics.from_matrix(K, WIDTH, HEIGHT).resized(*STREAM_SIZE).matrix.tolist()
    for n in range(N):
        write_color(path / f"iphone/rgb/frame_{6 * n:06d}.png", n)
        (path / f"iphone/rgb/frame_{6 * n:06d}.png").rename(
            path / f"iphone/rgb/frame_{6 * n:06d}.jpg"
        )
        write_depth(path / f"iphone/depth/frame_{6 * n:06d}.png", n)
    cameras = {f"frame_{n:06d}": {"aligned_pose": pose_of(n / 6).tolist(), "intrinsic": matrix}
               for n in range(6 * N)}  # fmt: skip
    (path / "iphone/pose_intrinsic_imu.json").write_text(json.dumps(cameras))
    return path


def seven_scenes(path: Path) -> Path:
    """A sequence with its camera above it."""
    for n in range(N):
        name = path / f"seq-01/frame-{n:06d}"
        write_color(name.with_name(f"{name.name}.color.png"), n)
        write_depth(name.with_name(f"{name.name}.depth.png"), n)
        np.savetxt(name.with_name(f"{name.name}.pose.txt"), pose_of(n))
    np.savetxt(path / "camera-intrinsics.txt", K)
    return path


def open3d(path: Path) -> Path:
    """Open3D's reconstruction system."""
    write_images(path, "{:06d}")
    camera = {"width": WIDTH, "height": HEIGHT, "intrinsic_matrix": K.T.ravel().tolist()}
    (path / "camera_intrinsic.json").write_text(json.dumps(camera))
    (path / "scene").mkdir()
    blocks = [f"{n} {n} {n + 1}\n" + "\n".join(map(row, pose_of(n))) for n in range(N)]
    (path / "scene/trajectory.log").write_text("\n".join(blocks) + "\n")
    return path


def nerfstudio(path: Path) -> Path:
    """transforms.json; the frames are out of order in it."""
    entries = []
    for n in reversed(range(N)):
        write_color(path / f"images/frame_{n + 1:05d}.png", n)
        write_depth(path / f"depth/frame_{n + 1:05d}.png", n)
        entries.append({
            "file_path": f"./images/frame_{n + 1:05d}.png",
            "depth_file_path": f"./depth/frame_{n + 1:05d}.png",
            "transform_matrix": (pose_of(n) @ OPENGL).tolist(),
        })  # fmt: skip
    camera = {"w": WIDTH, "h": HEIGHT, "fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2],
              "cy": K[1, 2], "camera_model": "OPENCV"}  # fmt: skip
    (path / "transforms.json").write_text(json.dumps({**camera, "frames": entries}))
    return path


def polycam(path: Path) -> Path:
    """Raw data, with cameras before and after they were corrected."""
    for n in range(N):
        name = str(64_000_000_000 + n * 33_000)
        write_color(path / f"keyframes/corrected_images/{name}.png", n)
        write_depth(path / f"keyframes/depth/{name}.png", n)
        pose = pose_of(n) @ OPENGL
        camera = {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2], "width": WIDTH,
                  "height": HEIGHT, "blur_score": 90.0}  # fmt: skip
        camera |= {f"t_{r}{c}": pose[r, c] for r in range(3) for c in range(4)}
        folder = path / "keyframes/corrected_cameras"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(camera))
    return path


def record3d(path: Path) -> Path:
    """An unpacked .r3d whose depth is not packed."""
    poses = []
    for n in range(N):
        write_color(path / f"rgbd/{n}.png", n)
        (path / f"rgbd/{n}.png").rename(path / f"rgbd/{n}.jpg")
        (path / f"rgbd/{n}.depth").write_bytes(depth_m(n).tobytes())
        pose = pose_of(n) @ OPENGL
        poses.append([*quaternion(pose), *pose[:3, 3]])
    told = {"w": WIDTH, "h": HEIGHT, "dw": WIDTH, "dh": HEIGHT, "fps": 60,
            "K": K.T.ravel().tolist(), "poses": poses}  # fmt: skip
    (path / "metadata").write_text(json.dumps(told))
    return path


def arkitscenes(path: Path) -> Path:
    """A visit, with its files in a folder below."""
    folder, lines = path / "41069021_frames", []
    for n in range(N):
        t = f"{3283.455 + n / 10:.3f}"
        write_color(folder / f"lowres_wide/41069021_{t}.png", n)
        write_depth(folder / f"lowres_depth/41069021_{t}.png", n)
        cameras = folder / "lowres_wide_intrinsics"
        cameras.mkdir(exist_ok=True)
        numbers = [WIDTH, HEIGHT, K[0, 0], K[1, 1], K[0, 2], K[1, 2]]
        (cameras / f"41069021_{float(t) - 0.001:.3f}.pincam").write_text(row(numbers))
        stored = inverse(pose_of(n))
        turned = Rotation.from_matrix(stored[:3, :3]).as_rotvec()
        lines.append(f"{t} {row(turned)} {row(stored[:3, 3])}")
    (folder / "lowres_wide.traj").write_text("\n".join(lines) + "\n")
    return path


def colmap(path: Path) -> Path:
    """A text model; COLMAP's principal point is half a pixel farther."""
    (path / "sparse/0").mkdir(parents=True)
    lines = ["# Image list"]
    for n in range(N):
        write_color(path / f"images/{n:04d}.png", n)
        write_depth(path / f"depth/{n:04d}.png", n)
        stored = inverse(pose_of(n))
        x, y, z, w = quaternion(stored)
        lines += [f"{n + 1} {row([w, x, y, z])} {row(stored[:3, 3])} 1 {n:04d}.png", "1 2 -1"]
    (path / "sparse/0/images.txt").write_text("\n".join(lines) + "\n")
    four = row([K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5])
    (path / "sparse/0/cameras.txt").write_text(f"# Cameras\n1 PINHOLE {WIDTH} {HEIGHT} {four}\n")
    return path


WRITERS = {
    writer.__name__: writer
    for writer in (own, pose_lines, tum, replica, sens, scannetpp, seven_scenes, open3d,
                   nerfstudio, polycam, record3d, arkitscenes, colmap)
}  # fmt: skip
"""A writer of each registered layout by its name."""


def write_images(path: Path, name: str = "{}") -> None:
    """``color/`` and ``depth/``."""
    for n in range(N):
        write_color(path / f"color/{name.format(n)}.png", n)
        write_depth(path / f"depth/{name.format(n)}.png", n)
