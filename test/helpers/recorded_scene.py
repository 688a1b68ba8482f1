"""A small scene folder, written as other tools would write it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

WIDTH, HEIGHT = 32, 24
K = np.array([[30.0, 0, 16.5], [0, 31.0, 11.5], [0, 0, 1]])
NUMBERS = (0, 1, 2, 5, 10, 11)


def pose_of(number: int) -> np.ndarray:
    """A smooth path: the pose of frame ``number``."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_rotvec([0.01 * number, 0.05 * number, 0.2]).as_matrix()
    pose[:3, 3] = [0.1 * number, -0.5, 1.0 + 0.02 * number]
    return pose


def color_of(number: int) -> np.ndarray:
    """(H, W, 3) RGB, another one for each number."""
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def depth_of(number: int) -> np.ndarray:
    """(H, W) uint16 millimeters with both kinds of invalid pixels."""
    rng = np.random.default_rng(1000 + number)
    depth = rng.integers(400, 4000, (HEIGHT, WIDTH), dtype=np.uint16)
    depth[0, :4], depth[1, :4] = 0, 65535
    return depth


def write_frame(scene: Path, number: int) -> None:
    """Write one frame into a scene folder."""
    for kind in ("color", "depth", "pose"):
        (scene / kind).mkdir(parents=True, exist_ok=True)
    bgr = cv2.cvtColor(color_of(number), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(scene / f"color/{number}.png"), bgr)
    cv2.imwrite(str(scene / f"depth/{number}.png"), depth_of(number))
    np.savetxt(scene / f"pose/{number}.txt", pose_of(number))


def write_scene(scene: Path, numbers: tuple[int, ...] = NUMBERS) -> Path:
    """Write a whole scene folder and return it."""
    for number in numbers:
        write_frame(scene, number)
    np.savetxt(scene / "intrinsics.txt", K)
    return scene


def write_ply(path: Path, points: int = 50) -> np.ndarray:
    """Write a binary .ply with colors and a NaN point; return its finite points (P, 3)."""
    rng = np.random.default_rng(7)
    dtype = [
        ("x", "<f4"),
        ("y", "<f4"),
        ("z", "<f4"),
        ("red", "u1"),
        ("green", "u1"),
        ("blue", "u1"),
    ]
    vertices = np.zeros(points, dtype)
    for name, code in dtype:
        vertices[name] = rng.normal(size=points) if code == "<f4" else rng.integers(0, 256, points)
    vertices["x"][3] = np.nan
    kinds = {"<f4": "float", "u1": "uchar"}
    properties = "".join(f"property {kinds[code]} {name}\n" for name, code in dtype)
    header = f"ply\nformat binary_little_endian 1.0\ncomment a test\nelement vertex {points}\n"
    path.write_bytes(f"{header}{properties}end_header\n".encode() + vertices.tobytes())
    xyz = np.stack([vertices[axis] for axis in "xyz"], axis=1)
    return xyz[np.isfinite(xyz).all(axis=1)]
