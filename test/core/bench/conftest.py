"""A small scene on a workbench, mapped with doubles of the models."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.worlds import tabletop, write_folder

from om3d_core.bench.workbench import SceneChoice, workbench
from om3d_core.mapping.fusion import FusionSettings
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.views import ViewSettings
from om3d_core.progress import Job


@pytest.fixture(scope="session")
def scene(tmp_path_factory):
    """Twelve frames around a table."""
    return write_folder(tmp_path_factory.mktemp("bench") / "table", tabletop(12, 160, 120))


@pytest.fixture
def small_bench(scene):
    """Its models are exact and instant, and its clouds coarse; all else is real."""
    with workbench(SceneChoice(scene), Job()) as bench:
        bench.settings = replace(
            MapSettings(), fusion=FusionSettings(voxel_m=0.05), views=ViewSettings(min_pixels=3)
        )
        bench.encoders = (ColorEncoder(),)
        bench.proposer = BoxProposer()
        yield bench
