"""Textured visual meshes of MuJoCo model files (MJCF with .msh and .stl meshes)."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from om3d_core.errors import InputError
from om3d_core.synthetic.mesh import MeshPart

_MAX_FILE_BYTES = 64 * 2**20
_MIN_ALPHA = 0.15
_Geometry = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None,
                  NDArray[np.int32]]


def read_msh(path: Path) -> _Geometry:
    """Vertices, normals, uvs (None without them) and faces of a legacy MuJoCo .msh file.

    Raises InputError when the file's length or indices disagree with its header.
    """
    data = _bytes(path, 16)
    n_vertex, n_normal, n_uv, n_face = (int(n) for n in np.frombuffer(data, "<i4", 4))
    expected = 16 + 4 * (3 * n_vertex + 3 * n_normal + 2 * n_uv + 3 * n_face)
    if min(n_vertex, n_face) < 1 or n_normal != n_vertex or len(data) != expected:
        raise InputError(f"{path}: header says {expected} bytes, the file has {len(data)}")
    lengths = [3 * n_vertex, 3 * n_normal, 2 * n_uv]
    floats = np.frombuffer(data, "<f4", sum(lengths), 16)
    vertices, normals, uvs = np.split(floats, np.cumsum(lengths)[:-1])
    faces = np.frombuffer(data, "<i4", 3 * n_face, 16 + 4 * sum(lengths)).reshape(-1, 3)
    if faces.min() < 0 or faces.max() >= n_vertex:
        raise InputError(f"{path}: face indices leave 0..{n_vertex - 1}")
    return (vertices.reshape(-1, 3), normals.reshape(-1, 3),
            uvs.reshape(-1, 2) if n_uv == n_vertex else None, faces)


def read_stl(path: Path) -> _Geometry:
    """The same of a binary .stl file: one flat normal a face, no uvs."""
    data = _bytes(path, 84)
    n_face = int(np.frombuffer(data, "<u4", 1, 80)[0])
    if n_face < 1 or len(data) != 84 + 50 * n_face:
        raise InputError(f"{path}: header says {n_face} faces, the file has {len(data)} bytes")
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("flags", "<u2")])
    triangles = np.frombuffer(data, record, n_face, 84)
    corners = triangles["corners"].astype(np.float32)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return (corners.reshape(-1, 3), np.repeat(normals, 3, axis=0), None,
            np.arange(3 * n_face, dtype=np.int32).reshape(-1, 3))


def read_model(path: Path) -> tuple[MeshPart, ...]:
    """The mesh geoms of a MuJoCo model with their textures, all joints at zero.

    Primitive geoms (MuJoCo's collision shapes) and nearly transparent ones are left out.
    Raises InputError for a file that is not MJCF or refers to what it does not define.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(f"{path}: expected a MuJoCo model: {error}") from error
    reader = _ModelReader(root, path)
    for body in root.iterfind("worldbody/body"):
        reader.collect(body, np.eye(4))
    if not reader.parts:
        raise InputError(f"{path}: the model has no visible mesh")
    return tuple(reader.parts)


class _ModelReader:
    def __init__(self, root: ElementTree.Element, path: Path):
        self._path = path
        self._assets = {
            kind: {item.get("name", Path(item.get("file", "")).stem): item.attrib
                   for item in root.iterfind(f"asset/{kind}")}
            for kind in ("mesh", "material", "texture")
        }
        self._defaults = {
            group.get("class", ""): geom.attrib
            for group in root.iter("default") for geom in group.iterfind("geom")
        }
        self.parts: list[MeshPart] = []

    def collect(self, body: ElementTree.Element, model_from_parent: NDArray[np.float64]) -> None:
        model_from_body = model_from_parent @ _pose(body.attrib)
        for geom in body.iterfind("geom"):
            attributes = self._defaults.get(geom.get("class", ""), {}) | geom.attrib
            if "mesh" not in attributes or attributes.get("group") == "0":
                continue
            try:
                self._add(attributes, model_from_body)
            except InputError:
                raise
            except KeyError as error:
                raise InputError(f"{self._path}: {error} is used but not defined") from error
            except ValueError as error:
                raise InputError(f"{self._path}: expected numbers: {error}") from error
        for child in body.iterfind("body"):
            self.collect(child, model_from_body)

    def _add(self, geom: dict[str, str], model_from_body: NDArray[np.float64]) -> None:
        material = self._assets["material"][geom["material"]] if "material" in geom else {}
        red, green, blue, alpha = _numbers(material.get("rgba", geom.get("rgba", "1 1 1 1")))
        if alpha < _MIN_ALPHA:
            return
        mesh = self._assets["mesh"][geom["mesh"]]
        file = self._path.parent / mesh["file"]
        vertices, normals, uvs, faces = (
            read_stl if file.suffix.lower() == ".stl" else read_msh)(file)
        texture = None
        if "texture" in material and uvs is not None:
            texture = self._path.parent / self._assets["texture"][material["texture"]]["file"]
            uvs = (uvs * _numbers(material.get("texrepeat", "1 1"))).astype(np.float32)
        if uvs is None:
            uvs = np.zeros((len(vertices), 2), np.float32)
        part = MeshPart(vertices, normals, uvs, faces, texture,
                        (float(red), float(green), float(blue)))
        scale = np.diag([*_numbers(mesh.get("scale", "1 1 1")), 1.0])
        self.parts.append(part.transformed(model_from_body @ _pose(geom) @ scale))


def _bytes(path: Path, at_least: int) -> bytes:
    try:
        size = path.stat().st_size
        if not at_least <= size <= _MAX_FILE_BYTES:
            raise InputError(f"{path}: expected {at_least} to {_MAX_FILE_BYTES} bytes, got {size}")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a readable mesh: {error}") from error


def _numbers(text: str) -> NDArray[np.float64]:
    return np.array(text.split(), np.float64)


def _pose(attributes: dict[str, str]) -> NDArray[np.float64]:
    parent_from_element = np.eye(4)
    parent_from_element[:3, 3] = _numbers(attributes.get("pos", "0 0 0"))
    w, x, y, z = _numbers(attributes.get("quat", "1 0 0 0"))
    norm = w * w + x * x + y * y + z * z
    parent_from_element[:3, :3] = np.eye(3) + 2 / norm * np.array([
        [-y * y - z * z, x * y - w * z, x * z + w * y],
        [x * y + w * z, -x * x - z * z, y * z - w * x],
        [x * z - w * y, y * z + w * x, -x * x - y * y],
    ])
    return parent_from_element
