"""Many poses in one JSON file: a list in the order of the frames, or by their names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from om3d_core.data.poses import Transform
from om3d_core.errors import InputError, expect, reason_of
from om3d_core.files import read_json
from om3d_core.formats.pose_text import MOST_POSES, pose_of
from om3d_core.formats.text_matrix import MAX_TABLE_BYTES

LISTS = "poses", "frames", "cameras", "trajectory"
MATRICES = ("pose", "transform_matrix", "cam2world", "cam_to_world", "camera_to_world", "c2w",
            "matrix", "transform")  # fmt: skip
NAMES = "file_path", "img_name", "image_name", "image", "file_name", "filename", "name"
PLACE, TURN = "position", "rotation"
"""Of the cameras that Gaussian splatting writes: (3,) and (3, 3), camera to world."""
EXPECTED = (
    "poses: a list of 4x4 matrices or of objects with one of "
    f"{', '.join(MATRICES)}, or an object of these by the names of images"
)


def read_poses(path: Path) -> list[Transform] | dict[str, Transform]:
    """The poses (4, 4) of a file as they are stored: a list, or by the names of the images that
    they are of. Raises InputError that says what the file held."""
    try:
        content = read_json(path, MAX_TABLE_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"expected {EXPECTED}, got {reason_of(error)}") from error
    if isinstance(content, Mapping):
        inner = [content[name] for name in LISTS if isinstance(content.get(name), (list, dict))]
        content = inner[0] if len(inner) == 1 else content
    expect(isinstance(content, (list, dict)) and 0 < len(content) <= MOST_POSES,
           f"1 .. {MOST_POSES} {EXPECTED}", _short(content))  # fmt: skip
    if isinstance(content, dict):
        return {name: _pose(name, entry) for name, entry in content.items()}
    poses = [_pose(f"pose {number}", entry) for number, entry in enumerate(content, start=1)]
    names = [_name(entry) for entry in content]
    if not any(names):
        return poses
    expect(all(names) and len(set(names)) == len(names), "a name of its own for each pose",
           f"{len(set(names) - {''})} names of {len(names)} poses")  # fmt: skip
    return dict(zip(names, poses, strict=True))


def _pose(where: str, entry: Any) -> Transform:
    try:
        if isinstance(entry, Mapping) and {PLACE, TURN} <= entry.keys():
            turn = np.array(entry[TURN], np.float64).reshape(3, 3)
            numbers = np.column_stack([turn, np.array(entry[PLACE], np.float64)]).ravel()
        else:
            if isinstance(entry, Mapping):
                found = [entry[name] for name in MATRICES if name in entry]
                expect(len(found) == 1, f"one of {', '.join(MATRICES)}", ", ".join(entry))
                entry = found[0]
            numbers = np.array(entry, np.float64).reshape(-1)
        expect(len(numbers) in (12, 16), "a matrix of 4x4 or 3x4", f"{len(numbers)} numbers")
        return pose_of(numbers)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{where:.60}: expected {EXPECTED}; {reason_of(error)}") from error


def _name(entry: Any) -> str:
    given = entry if isinstance(entry, Mapping) else {}
    return next((str(given[name]) for name in NAMES if given.get(name)), "")


def _short(content: Any) -> str:
    return f"{len(content)}" if isinstance(content, (list, dict)) else type(content).__name__
