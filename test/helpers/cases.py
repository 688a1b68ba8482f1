"""Inputs as people have them, made by scripts from a base scene, and runs of om3d on them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from om3d_core.data.scene import Scene

FAST = ("--fusion.voxel_m", "0.03", "--crops.levels", "1", "--views.top_k", "1")
STEP = 3
SCRIPT = """
import runpy, sys, types
from om3d_core.data.scene_store import load_scene
sys.modules["om3d_core.map_store"] = store = types.ModuleType("om3d_core.map_store")
store.load_scene = load_scene
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
"""Runs a script that knows the map store by its former name."""
MEASURED = """
import resource, sys
from om3d_core import cli
status = cli.main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)
raise SystemExit(status)
"""


def measured(*arguments: object) -> tuple[int, str, int]:
    """A run of om3d in its own process: status, what it says, and its most memory in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, arguments)],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    said, _, peak = done.stderr.rpartition("peak ")
    return done.returncode, said, int(peak)


def write_base(folder: Path, *flags: object) -> None:
    """The base scene, and its map with some flags."""
    size = ("--seed", "7", "--n_frames", "60", "--width", "320", "--height", "240")
    assert measured("synth", folder / "base", *size)[0] == 0
    status, said, _ = measured("run", folder / "base", "-o", folder / "maps/base", *FAST, *flags)
    assert status == 0, said


def write_case(folder: Path, shared_data: Path, name: str) -> Path:
    """The input of a case, made once of every third frame of the base; skips where there are no
    scripts."""
    scripts = shared_data / "cases"
    if not scripts.is_dir():
        pytest.skip(f"needs {scripts}")
    (script,) = scripts.glob(f"{name}_*.py")
    if not (folder / "in" / name).is_dir():
        paths = f"{scripts}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(script), f"in/{name}"], cwd=folder, check=True,
            env={**os.environ, "PYTHONPATH": paths, "STEP": str(STEP), "BASE": "base"},
        )  # fmt: skip
    return folder / "in" / name


def is_the_room(found: Scene, base: Scene, moved: tuple[float, float] = (0.0, 0.0)) -> bool:
    """Whether a map has the walls of the base's, moved in x and y by so many meters, however high
    its few frames look."""
    walls = [np.percentile(m.cloud.points[:, :2], [2, 98], axis=0) for m in (found, base)]
    return bool((np.abs(walls[0] - walls[1] - moved) < 0.1).all())
