"""Replace the build machine's paths in the CMake files of the ROS wheels by this environment's.

Run with the interpreter of the environment that holds the wheels. Safe to run again.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

PYTHON_PREFIX = r"/opt/python/cp(\d+)-cp\1"
NUMPY_INCLUDE = re.compile(
    PYTHON_PREFIX + r"/lib/python3\.\d+/site-packages/numpy/(?:_core|core)/include"
)
PYTHON_INCLUDE = re.compile(PYTHON_PREFIX + r"/include/python3\.\d+")


def repair(prefix: Path) -> int:
    """Rewrite the CMake files below ``prefix``; return how many were changed."""
    changed = 0
    for path in sorted(prefix.glob("share/*/cmake/*.cmake")):
        text = path.read_text(encoding="utf-8")
        repaired = NUMPY_INCLUDE.sub(np.get_include(), text)
        repaired = PYTHON_INCLUDE.sub(sysconfig.get_paths()["include"], repaired)
        if repaired != text:
            path.write_text(repaired, encoding="utf-8")
            changed += 1
    return changed


if __name__ == "__main__":
    print(f"{repair(Path(sys.prefix))} CMake files repaired in {sys.prefix}")
