"""A map as predictions of the OpenLex3D benchmark (Kassab et al. 2025)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from om3d_core.data.feature_space import space_for
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable
from om3d_core.errors import ExportError
from om3d_core.files import write_durably
from om3d_core.formats.pcd import pcd_bytes
from om3d_core.query.aggregation import pooled_features
from om3d_core.settings import Settings, setting

POOLINGS = ("mean", "mean_crops", "max_feature")


@dataclass(frozen=True)
class OpenLex3DSettings(Settings):
    """Which features are written."""

    space: str = setting(
        "", "name of the feature space, as the map lists it; empty: that which texts are"
        " compared in"
    )
    aggregation: str = setting(
        "mean", "how the features of an instance's views become one", choices=POOLINGS
    )


class OpenLex3DExporter:
    """A folder with ``point_cloud.pcd``, ``index.npy`` (n_points,) int64 and ``embeddings.npy``
    (n_objects, n_dim) float32: ``embeddings[index[i]]`` is the feature of point i.

    The benchmark knows no point without an object: a point is written where an instance that has
    a feature holds it, for the smallest of these. An instance whose points are all those of
    smaller ones is left out.
    """

    suffix = ""

    def __init__(self, settings: OpenLex3DSettings):
        self._settings = settings

    def write(self, scene: Scene, path: Path) -> None:
        """Write the folder; ExportError where no instance has a feature in the space."""
        table = _table(scene, self._settings.space)
        features = pooled_features(table, self._settings.aggregation)
        if features is None:
            raise ExportError(f"expected one of {POOLINGS}, got {self._settings.aggregation}")
        seen = np.flatnonzero(table.valid.any(axis=1))
        owner = scene.masks.select(seen).labels()
        points = np.flatnonzero(owner >= 0)
        if not len(points):
            raise ExportError(
                f"expected an instance with a feature in {table.space.name}, found none in the map"
            )
        rows, index = np.unique(owner[points], return_inverse=True)
        path.mkdir()
        write_durably(path / "point_cloud.pcd", pcd_bytes(scene.cloud.select(points)))
        np.save(path / "index.npy", index.reshape(-1).astype(np.int64), allow_pickle=False)
        np.save(path / "embeddings.npy", features[seen[rows]], allow_pickle=False)


def _table(scene: Scene, name: str) -> FeatureTable:
    tables = {table.space.name: table for table in scene.features}
    chosen = space_for([table.space for table in scene.features], image=False)
    name = name or (chosen.name if chosen is not None else "")
    if name not in tables:
        wanted = f"openlex3d.space {name!r:.80}" if name else "a feature space for texts"
        raise ExportError(f"expected {wanted} in the map, found {', '.join(tables) or 'none'}")
    return tables[name]
