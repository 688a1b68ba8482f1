"""Inputs as people have them, end to end: refused by ``om3d run``, and mended by ``--fix``."""

from __future__ import annotations

import re

import pytest
from helpers.cases import FAST, is_the_room, measured, write_base, write_case

from om3d_core.data.scene_store import load_scene
from om3d_core.sources.folder import FolderSource

pytestmark = pytest.mark.slow
MAX_BYTES = 2 * 1024**3
MENDED = {
    "c01": "--depth.units_per_m 5000",
    "c10": "--folder.pose camera_from_map",
    "c11": "--folder.camera_axes opengl",
    "c14": "--folder.pose_units_per_m 1000",
    "c18": "--folder.intrinsics 29",
    "c30": "--folder.intrinsics_width 1295",
    "c58": "--folder.intrinsics_scaling normalized",
    "c64": "--folder.origin=500123,5300457,",
    "c69": "--folder.depth_along ray",
    "c71": "--folder.cloud_units_per_m 1000",
    "c77": "--folder.cloud_file none",
}
REFUSED = {"c33": "registration", "c51": "static poses", "c66": "no depth", "c75": "mesh.ply"}
SOUND = {"c70": (), "c73": (), "c76": ()}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with the base scene and its map."""
    folder = tmp_path_factory.mktemp("cases")
    write_base(folder)
    return folder


@pytest.fixture
def case(shared_data, work):
    """Makes the input of a case, once."""
    return lambda name: write_case(work, shared_data, name)


@pytest.mark.parametrize("name", MENDED)
def test_it_is_refused_soon_and_mended_by_its_flag(case, work, name):
    status, said, peak = measured("run", case(name), "-o", work / "maps/no", *FAST)
    assert status == 2 and MENDED[name] in said and "--fix" in said
    assert peak < MAX_BYTES and not (work / "maps/no").exists()
    out = work / "maps" / name
    status, said, _ = measured("run", case(name), "-o", out, "--fix", *FAST)
    assert status == 0, said
    assert is_the_room(load_scene(out), load_scene(work / "maps/base"), moved(name, said))


def moved(name, said):
    """How far a map is off the base's: what was added to positions and not taken off again."""
    if name != "c64":
        return 0.0, 0.0
    x, y = re.search(r"--folder.origin=([\d.]+),([\d.]+),", said).groups()
    return 500_123.4 - float(x), 5_300_456.7 - float(y)


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_flag_mends_is_refused_with_its_reason(case, work, name):
    status, said, peak = measured("run", case(name), "-o", work / "maps/no", "--fix", *FAST)
    assert status == 2 and REFUSED[name] in said and peak < MAX_BYTES


@pytest.mark.parametrize("name", SOUND)
def test_a_cloud_of_the_room_makes_its_map(case, work, name):
    out = work / "maps" / name
    status, said, _ = measured("run", case(name), "-o", out, *SOUND[name], *FAST)
    assert status == 0, said
    assert is_the_room(load_scene(out), load_scene(work / "maps/base"))
    assert len(list(FolderSource(case(name)))) == 20
