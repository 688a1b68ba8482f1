"""Plug-ins in one file each, put into a copy of the library with one line each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
TOYS = {"encoders": ("tint", "Tint", "Encoder"), "proposals": ("hues", "Hue", "Proposer"),
        "sources": ("stack", "Stack", "Source")}
LINES = {
    f"{room}/{name}.py":
    f'    "{name}": Plugin("om3d_core.{room}.{name}:{stem}{kind}", "{stem}Settings"),\n'
    for room, (name, stem, kind) in TOYS.items()
}
REGISTRY = "REGISTRY = "


def library_with_toys(folder: Path) -> Path:
    """A copy of the packages in ``folder`` with one file and one line more for each toy."""
    for package in ("om3d_core", "om3d_ros"):
        shutil.copytree(ROOT / package, folder / package,
                        ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "config", folder / "config")
    for file, line in LINES.items():
        target = folder / "om3d_core" / file
        shutil.copy(Path(__file__).parent / target.name, target)
        registry = target.parent / "__init__.py"
        lines = registry.read_text().splitlines(keepends=True)
        at = next(i for i, text in enumerate(lines) if text.startswith(REGISTRY))
        registry.write_text("".join([*lines[: at + 1], line, *lines[at + 1 :]]))
    return folder


def run(library: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the copied library."""
    path = os.pathsep.join([str(library), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *arguments], cwd=library, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
    )


def write_stack(path: Path, frames) -> Path:
    """Write frames as the toy source reads them."""
    k = frames[0].intrinsics
    with path.open("wb") as file:
        np.savez(
            file,
            rgb=[frame.rgb for frame in frames],
            depth=[frame.depth for frame in frames],
            map_from_camera=[frame.map_from_camera for frame in frames],
            stamp_ns=[frame.stamp_ns for frame in frames],
            camera=[k.fx, k.fy, k.cx, k.cy],
        )
    return path
