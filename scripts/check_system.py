"""Say what a machine lacks for om3d: Debian package names, one a line; nothing when all is there.

Run with the interpreter that the environment will be made from. Exit status 2: this interpreter or
machine cannot be used at all, the reason is on standard error.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
from pathlib import Path

LIBRARIES = {
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libgomp.so.1": "libgomp1",
}
OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON_WITH_WHEELS = (3, 13)
PROGRAMS = {"g++": "g++", "make": "make", "git": "git"}


def loads(library: str) -> bool:
    """Whether the dynamic linker finds and loads ``library``."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_packages(with_ros: bool) -> list[str]:
    """Debian packages to install before the environment can be built."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    missing = [package for library, package in LIBRARIES.items() if not loads(library)]
    missing += [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        missing.append(f"{python}-dev")
    if importlib.util.find_spec("ensurepip") is None:
        missing.append(f"{python}-venv")
    if with_ros and not shutil.which("colcon"):
        missing.append("python3-colcon-common-extensions")
    return missing


def unusable(with_ros: bool) -> str:
    """Why this interpreter or machine cannot be used; empty when it can."""
    version = sys.version_info[:2]
    if version < OLDEST_PYTHON or (not with_ros and version > NEWEST_PYTHON_WITH_WHEELS):
        return (
            f"expected Python 3.{OLDEST_PYTHON[1]} to 3.{NEWEST_PYTHON_WITH_WHEELS[1]}, got"
            f" {platform.python_version()} ({sys.executable}); name another one: make PYTHON=..."
        )
    if with_ros:
        return ""
    if platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc":
        machine = f"{platform.machine()} {platform.system()}"
        return f"no ROS 2 is sourced, and its wheels are for x86_64 Linux only, got {machine}"
    return ""


def main() -> int:
    with_ros = os.environ.get("OM3D_ROS") == "installed"
    reason = unusable(with_ros)
    if reason:
        print(reason, file=sys.stderr)
        return 2
    print("\n".join(missing_packages(with_ros)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
