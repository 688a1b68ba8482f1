"""A small exact world for tests: a floor, a table and colored boxes, seen from a circle."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import open3d as o3d

from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.mapping.fusion import Fuser, FusionSettings
from om3d_core.sources.base import SkipCount

BOXES = {
    "table": ((0.0, 0.0, 0.35), (1.2, 0.8, 0.7), (150, 110, 70)),
    "red": ((-0.3, 0.0, 0.78), (0.16, 0.16, 0.16), (200, 40, 40)),
    "green": ((0.05, 0.15, 0.82), (0.14, 0.14, 0.24), (40, 180, 60)),
    "blue": ((0.35, -0.1, 0.76), (0.2, 0.14, 0.12), (50, 70, 200)),
}
FLOOR = ((0.0, 0.0, -0.05), (6.0, 6.0, 0.1), (120, 120, 125))


def look_at(eye, target):
    """map_from_camera with optical axes, z up in the map."""
    forward = np.asarray(target, float) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose


def tabletop(n_frames=12, width=160, height=120, arc_rad=2 * np.pi, boxes=None, sway_m=0.0):
    """``n_frames`` exact RGB-D frames around the table, 10 Hz; the names follow BOXES.

    sway_m: how far the camera, and what it looks at, leave the circle."""
    caster, palette = _world(boxes or BOXES)
    focal = 0.95 * width
    camera = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    frames = []
    for i in range(n_frames):
        angle = arc_rad * i / n_frames
        a, b, c = sway_m * np.sin(i * np.array([1.7, 2.3, 3.1]))
        eye = np.array([(1.5 + a) * np.cos(angle), (1.5 + a) * np.sin(angle), 1.7 + b])
        frames.append(_render(caster, palette, camera, look_at(eye, [b, c, 0.7 + c / 2]), i))
    return frames


def rolled(frame):
    """The frame as a camera on its side has it: its image a quarter turn counterclockwise."""
    camera, roll = frame.intrinsics, np.eye(4)
    roll[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    return Frame(
        np.ascontiguousarray(np.rot90(frame.rgb)), np.ascontiguousarray(np.rot90(frame.depth)),
        Intrinsics(camera.fy, camera.fx, camera.cy, camera.width - 1 - camera.cx, camera.height,
                   camera.width),
        frame.map_from_camera @ roll, frame.stamp_ns,
    )


def depth_from_beside(frames, color_from_depth, camera):
    """The depth (H, W) that another camera sees of the tabletop at each of the frames."""
    caster, palette = _world(BOXES)
    return [
        _render(caster, palette, camera, frame.map_from_camera @ color_from_depth, 0).depth
        for frame in frames
    ]


def _world(boxes):
    caster = o3d.t.geometry.RaycastingScene()
    palette = []
    for center, size, color in [FLOOR, *boxes.values()]:
        mesh = o3d.geometry.TriangleMesh.create_box(*size)
        mesh.translate(np.asarray(center) - np.asarray(size) / 2)
        caster.add_triangles(o3d.t.geometry.TriangleMesh.from_legacy(mesh))
        palette.append(color)
    return caster, palette


def _render(caster, palette, camera, pose, i):
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    rays = np.stack([x, y, np.ones(u.shape)], axis=-1)
    directions = rays @ pose[:3, :3].T
    origins = np.broadcast_to(pose[:3, 3], directions.shape)
    hit = caster.cast_rays(
        o3d.core.Tensor(np.concatenate([origins, directions], -1).astype(np.float32))
    )
    depth = hit["t_hit"].numpy()
    seen = np.isfinite(depth)
    solid = np.where(seen, hit["geometry_ids"].numpy(), 0)
    shade = 0.6 + 0.4 * np.abs(hit["primitive_normals"].numpy() @ np.array([0.3, 0.5, 0.8]))
    colors = np.asarray(palette, np.float64)[solid] * shade[..., None]
    rgb = np.where(seen[..., None], colors, 0).clip(0, 255).astype(np.uint8)
    return Frame(
        rgb, np.where(seen, depth, 0).astype(np.float32), camera, pose, 100_000_000 * (i + 1)
    )


def fused(frames, voxel_m):
    """The cloud of the frames."""
    fuser = Fuser(FusionSettings(voxel_m=voxel_m))
    for frame in frames:
        fuser.integrate(frame)
    return fuser.cloud()


def write_folder(folder: Path, frames) -> Path:
    """Write the frames as an OpenMask3D scene folder and return it."""
    for name in ("color", "depth", "pose"):
        (folder / name).mkdir(parents=True)
    for i, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"color/{i}.png"), frame.rgb[:, :, ::-1])
        depth_mm = np.rint(frame.depth * 1000).astype(np.uint16)
        cv2.imwrite(str(folder / f"depth/{i}.png"), depth_mm)
        np.savetxt(folder / f"pose/{i}.txt", frame.map_from_camera)
    np.savetxt(folder / "intrinsics.txt", frames[0].intrinsics.matrix)
    return folder


class Recording:
    """Frames as a source."""

    def __init__(self, frames):
        self.skipped = SkipCount()
        self._frames = frames

    def __len__(self):
        return len(self._frames)

    def __iter__(self):
        return iter(self._frames)

    def cloud(self):
        return None
