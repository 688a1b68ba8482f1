"""A map of known content, and how it is written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.scenes import make_scene

from om3d_core.data.tables import FeatureTable
from om3d_core.export import REGISTRY
from om3d_core.export.base import export
from om3d_core.export.settings import ExportSettings
from om3d_core.settings import build


@pytest.fixture(scope="session")
def scene():
    """Ids 8, 7, 6, 5, of which 8, the last one's row 0, has no view and 5 is structure."""
    made = make_scene(seed=1)
    means = made.features[0].vectors.copy()
    means[0], means[1:, 0, 0] = 0, 0.3
    table = FeatureTable.from_means(made.features[0].space, means)
    normals = np.zeros_like(made.cloud.points)
    normals[:, 2] = 1
    return replace(made, ids=made.ids[::-1].copy(), features=(table,),
                   cloud=replace(made.cloud, normals=normals))


@pytest.fixture
def written(tmp_path):
    """Writes a scene in a format; returns the path."""

    def write(scene, name, **values):
        settings = build(ExportSettings, {f"{name}.{key}": v for key, v in values.items()})
        exporter = REGISTRY.create(name, settings)
        path = tmp_path / f"{name}{len(list(tmp_path.iterdir()))}{exporter.suffix}"
        export(scene, exporter, path)
        return path

    return write
