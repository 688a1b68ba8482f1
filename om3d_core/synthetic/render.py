"""Color, depth and instance images of a room, by ray casting on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from om3d_core.data.frame import Intrinsics
from om3d_core.synthetic.mesh import joined, rotated
from om3d_core.synthetic.raycaster import Hits, RayCaster
from om3d_core.synthetic.scene import Instance
from om3d_core.synthetic.texture import TextureAtlas

_AMBIENT = 0.52
_LAMP_SHARE = 0.36
_FILL_SHARE = 0.20
_SHADOW_OFFSET_M = 0.002
_SUBPIXELS = np.array([[-0.125, -0.375], [0.375, -0.125], [-0.375, 0.125], [0.125, 0.375]],
                      np.float32)
_EDGE_DEPTH_RATIO = 0.01
_EDGE_COSINE = 0.8

_Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rendering:
    """One view without sensor noise.

    rgb (H, W, 3) u8; depth (H, W) f32 [m along the optical axis, 0 = none]; instance (H, W) u16;
    incidence (H, W) f32: cosine between the surface normal and the ray.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    instance: NDArray[np.uint16]
    incidence: NDArray[np.float32]


class Renderer:
    """Renders fixed instances; lamps (2, 3) [m]: the first casts shadows, the second fills."""

    def __init__(self, instances: tuple[Instance, ...], intrinsics: Intrinsics,
                 lamps: NDArray[np.float64]):
        self._intrinsics = intrinsics
        self._lamps = lamps.astype(np.float32)
        parts = [(instance.id, part) for instance in instances for part in instance.parts]
        paths = sorted({part.texture for _, part in parts if part.texture is not None})
        self._atlas = TextureAtlas(paths)
        counts = [len(part.faces) for _, part in parts]
        vertices, self._faces = joined([part for _, part in parts])
        self._caster = RayCaster(vertices, self._faces)
        self._normal_basis = _basis(np.concatenate([p.normals for _, p in parts]), self._faces)
        self._uv_basis = _basis(np.concatenate([part.uvs for _, part in parts]), self._faces)
        part_of_face = np.repeat(np.arange(len(parts)), counts)
        self._instance = np.array([i for i, _ in parts], np.uint16)[part_of_face]
        self._texture = np.array([0 if part.texture is None else self._atlas.index[part.texture]
                                  for _, part in parts], np.int32)[part_of_face]
        self._color = np.array([part.color for _, part in parts], np.float32)[part_of_face]
        self._texels_per_m = self._texel_density(vertices)

    def render(self, room_from_camera: NDArray[np.float64]) -> Rendering:
        """The view of a camera with the given pose (4, 4)."""
        k = self._intrinsics
        columns, rows = np.meshgrid(np.arange(k.width, dtype=np.float32),
                                    np.arange(k.height, dtype=np.float32))
        pixels = np.stack([columns, rows], axis=-1).reshape(-1, 2)
        color, hit = self._trace(pixels, room_from_camera)
        shape = (k.height, k.width)
        depth = hit["depth"].reshape(shape)
        instance = hit["instance"].reshape(shape)
        normal = hit["normal"].reshape(*shape, 3)
        edges = np.flatnonzero(_edges(depth, instance, normal))
        if len(edges):
            samples = (pixels[edges, None, :] + _SUBPIXELS).reshape(-1, 2)
            color[edges] = self._trace(samples, room_from_camera)[0].reshape(-1, 4, 3).mean(axis=1)
        rgb = np.clip(np.rint(color), 0, 255).astype(np.uint8).reshape(*shape, 3)
        return Rendering(rgb, depth, instance, hit["incidence"].reshape(shape))

    def _trace(self, pixels: NDArray[np.float32], room_from_camera: NDArray[np.float64],
               ) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        k = self._intrinsics
        local = np.ones((len(pixels), 3), np.float32)
        local[:, 0] = (pixels[:, 0] - k.cx) / k.fx
        local[:, 1] = (pixels[:, 1] - k.cy) / k.fy
        directions = rotated(room_from_camera[:3, :3], local)
        origin = room_from_camera[:3, 3].astype(np.float32)
        rays = np.concatenate([np.broadcast_to(origin, directions.shape), directions], axis=1)
        hits = self._caster.cast(rays)
        depth = np.where(hits.found, hits.distance, np.float32(0))
        cosine = _dot(hits.normal, directions) / _norm(directions)
        normal = hits.normal * -np.sign(cosine)[:, None]
        incidence = np.where(hits.found, np.abs(cosine), np.float32(1))
        points = origin + directions * depth[:, None]
        color = self._shade(hits, points, normal, depth, incidence)
        color[~hits.found] = 0
        instance = np.where(hits.found, self._instance[hits.face], np.uint16(0))
        return color, {"depth": depth, "normal": normal, "incidence": incidence,
                       "instance": instance}

    def _shade(self, hits: Hits, points: _Vectors, facing: _Vectors, depth: NDArray[np.float32],
               incidence: NDArray[np.float32]) -> _Vectors:
        face = hits.face
        uv = _interpolate(self._uv_basis, hits)
        normal = _interpolate(self._normal_basis, hits)
        normal *= (np.sign(_dot(normal, facing)) / np.maximum(_norm(normal), 1e-6))[:, None]
        pixel_m = depth / np.float32(self._intrinsics.fx) / np.maximum(incidence, 0.25)
        level = np.log2(np.maximum(pixel_m * self._texels_per_m[face], 1e-6))
        albedo = self._atlas.sample(self._texture[face], uv, level) * self._color[face]
        light = np.full(len(face), _AMBIENT, np.float32)
        light += np.float32(0.12) * normal[:, 2]
        key, fill = (lamp - points for lamp in self._lamps)
        lifted = points + facing * np.float32(_SHADOW_OFFSET_M)
        shadow_rays = np.concatenate([lifted, self._lamps[0] - lifted], axis=1)
        dark = self._caster.blocked(shadow_rays)
        light += np.where(dark, 0, _LAMP_SHARE * np.maximum(_dot(normal, key) / _norm(key), 0))
        light += _FILL_SHARE * np.maximum(_dot(normal, fill) / _norm(fill), 0)
        return np.asarray(albedo * light[:, None], np.float32)

    def _texel_density(self, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
        a, b, c = (vertices[self._faces[:, i]] for i in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        (ux, uy), (vx, vy) = (edge.T for edge in self._uv_basis[1:])
        texels = np.abs(ux * vy - uy * vx) * self._atlas.resolution(self._texture).prod(axis=1)
        return np.asarray(np.sqrt(texels / np.maximum(area, 1e-12)), np.float32)


def _basis(values: _Vectors, faces: NDArray[np.int32]) -> tuple[_Vectors, _Vectors, _Vectors]:
    """Each face's first corner value and its differences to the other two."""
    a, b, c = (values[faces[:, i]] for i in range(3))
    return a, b - a, c - a


def _interpolate(basis: tuple[_Vectors, _Vectors, _Vectors], hits: Hits) -> _Vectors:
    first, along_b, along_c = basis
    value = np.asarray(first[hits.face], np.float32)
    value += along_b[hits.face] * hits.barycentric[:, :1]
    value += along_c[hits.face] * hits.barycentric[:, 1:]
    return value


def _dot(a: _Vectors, b: _Vectors) -> _Vectors:
    return np.asarray(np.einsum("ij,ij->i", a, b), np.float32)


def _norm(a: _Vectors) -> _Vectors:
    return np.sqrt(_dot(a, a))


def _edges(depth: NDArray[np.float32], instance: NDArray[np.uint16],
           normal: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels (H, W) next to a change of instance, depth or orientation."""
    edge = np.zeros(depth.shape, np.bool_)
    for axis in (0, 1):
        before = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        after = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        step = (instance[before] != instance[after]) | (
            np.abs(depth[before] - depth[after]) > _EDGE_DEPTH_RATIO * depth[before]) | (
            np.einsum("hwc,hwc->hw", normal[before], normal[after]) < _EDGE_COSINE)
        edge[before] |= step
        edge[after] |= step
    return edge
