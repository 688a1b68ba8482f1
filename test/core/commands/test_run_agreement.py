"""Inputs as people have them, end to end: refused by ``om3d run``, and mended by ``--fix``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from om3d_core.data.scene_store import load_scene
from om3d_core.sources.folder import FolderSource

pytestmark = pytest.mark.slow
FAST = ("--fusion.voxel_m", "0.03", "--crops.levels", "1", "--views.top_k", "1")
SCRIPT = """
import runpy, sys, types
from om3d_core.data.scene_store import load_scene
sys.modules["om3d_core.map_store"] = store = types.ModuleType("om3d_core.map_store")
store.load_scene = load_scene
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
"""Runs a script that knows the map store by its former name."""
MAX_BYTES = 2 * 1024**3
MEASURED = """
import resource, sys
from om3d_core import cli
status = cli.main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)
raise SystemExit(status)
"""
MENDED = {
    "c01": "--depth.units_per_m 5000",
    "c10": "--folder.pose camera_from_map",
    "c11": "--folder.camera_axes opengl",
    "c14": "--folder.pose_units_per_m 1000",
    "c30": "--folder.intrinsics_width 1295",
    "c58": "--folder.intrinsics_scaling normalized",
    "c69": "--folder.depth_along ray",
    "c71": "--folder.cloud_units_per_m 1000",
    "c77": "--folder.cloud_file none",
}
REFUSED = {"c33": "registration", "c51": "static poses", "c66": "no depth", "c75": "mesh.ply"}
SOUND = {"c70": (), "c73": (), "c76": ()}


def measured(*arguments):
    """A run of om3d in its own process: status, what it says, and its most memory in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, arguments)],
        capture_output=True, text=True, timeout=600,
    )
    said, _, peak = done.stderr.rpartition("peak ")
    return done.returncode, said, int(peak)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with the base scene and its map."""
    folder = tmp_path_factory.mktemp("cases")
    flags = ("--seed", "7", "--n_frames", "60", "--width", "320", "--height", "240")
    assert measured("synth", folder / "base", *flags)[0] == 0
    status, said, _ = measured("run", folder / "base", "-o", folder / "maps/base", *FAST)
    assert status == 0, said
    return folder


@pytest.fixture
def case(shared_data, work):
    """Makes the input of a case, once."""
    scripts = shared_data / "cases"
    if not scripts.is_dir():
        pytest.skip(f"needs {scripts}")

    def make(name) -> Path:
        (script,) = scripts.glob(f"{name}_*.py")
        if not (work / "in" / name).is_dir():
            paths = f"{scripts}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
            subprocess.run(
                [sys.executable, "-c", SCRIPT, str(script), f"in/{name}"], cwd=work, check=True,
                env={**os.environ, "PYTHONPATH": paths, "STEP": "3", "BASE": "base"},
            )
        return work / "in" / name

    return make


def is_the_room(found, base):
    """Whether a map has the walls of the base's, however high its few frames look."""
    walls = [np.percentile(m.cloud.points[:, :2], [2, 98], axis=0) for m in (found, base)]
    return bool((np.abs(walls[0] - walls[1]) < 0.1).all())


@pytest.mark.parametrize("name", MENDED)
def test_it_is_refused_soon_and_mended_by_its_flag(case, work, name):
    status, said, peak = measured("run", case(name), "-o", work / "maps/no", *FAST)
    assert status == 2 and MENDED[name] in said and "--fix" in said
    assert peak < MAX_BYTES and not (work / "maps/no").exists()
    out = work / "maps" / name
    status, said, _ = measured("run", case(name), "-o", out, "--fix", *FAST)
    assert status == 0, said
    assert is_the_room(load_scene(out), load_scene(work / "maps/base"))


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
