"""Poses of one file, given to the frames of a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from om3d_core.data.poses import Transform
from om3d_core.errors import InputError, SourceError
from om3d_core.formats import color_files
from om3d_core.formats.pose_json import read_poses
from om3d_core.formats.pose_text import PoseTable, read_pose_table
from om3d_core.sources.layouts.names import NUMBER, Key
from om3d_core.streams.settings import RecordedStreamSettings
from om3d_core.streams.trajectory import Trajectory


def poses_in(path: Path) -> PoseTable:
    """The poses of a file. Raises SourceError that names it."""
    try:
        return read_pose_table(path)
    except InputError as error:
        raise SourceError(f"{path}: {error}") from error


def json_poses_in(path: Path) -> PoseTable | Mapping[str, Transform]:
    """The poses of a JSON file, in the order of the frames or by their names. Raises
    SourceError."""
    try:
        poses = read_poses(path)
    except InputError as error:
        raise SourceError(f"{path}: {error}") from error
    return poses if isinstance(poses, dict) else PoseTable(np.stack(poses))


def by_name(
    path: Path, named: Mapping[str, Transform], colors: Sequence[Path]
) -> list[Transform | None]:
    """The pose of each color image by its name, else by the only number in it; None for none.

    Raises SourceError where no names meet, or two poses are of the same.
    """
    stems = [_stem(name) for name in named]
    for tell in (lambda stem: stem, _only_number):
        poses = dict(zip(map(tell, stems), named.values(), strict=True))
        found = [poses.get(tell(_stem(color.name))) for color in colors]
        if len(poses) == len(named) and any(pose is not None for pose in found):
            return found
    raise SourceError(f"{path}: expected poses by the names of color images, each once, such as "
                      f"{colors[0].name}, got {next(iter(named)):.60}")  # fmt: skip


def _stem(name: str) -> str:
    """The name of an image without folders and ending; of a stamp its decimals stay."""
    path = Path(name)
    return path.stem if path.suffix.lower() in color_files.SUFFIXES else path.name


def _only_number(stem: str) -> str:
    """The number in a name without leading zeros, the name where it holds none or several."""
    numbers = NUMBER.findall(stem)
    return numbers[0].lstrip("0") or "0" if len(numbers) == 1 else stem


def by_order(path: Path, table: PoseTable, keys: Sequence[Key]) -> list[Transform | None]:
    """The pose of each frame, in their order; None for none.

    Where there are more or fewer, by the numbers that tell which frame a pose is of: those of the
    file, or its rows, where the frames are every n-th of them. Raises SourceError where nothing
    tells.
    """
    if len(table.poses) == len(keys):
        return list(table.poses)
    named = [key[0] if len(key) == 1 and isinstance(key[0], int) else -1 for key in keys]
    if table.numbers is not None:
        poses = dict(zip(table.numbers.tolist(), table.poses, strict=True))
        if poses.keys() >= set(named) or poses.keys() <= set(named):
            return [poses.get(number) for number in named]
        if max(poses) < len(keys):
            return [poses.get(place) for place in range(len(keys))]
    elif table.stamps_ns is None and _every_nth(named, len(table.poses)):
        return [table.poses[number] for number in named]
    raise SourceError(
        f"{path}: expected a pose for each of {len(keys)} color images, in their order, got "
        f"{len(table.poses)}; give stamps (8 numbers a line: t tx ty tz qx qy qz qw) where "
        "frames have none"
    )


def _every_nth(named: Sequence[int], count: int) -> bool:
    """Whether frames are numbered 0, n, 2 n, ... to the end of so many poses."""
    n = named[1] - named[0] if len(named) > 1 else 0
    return n > 1 and list(named) == list(range(0, count, n))


def by_stamp(
    table: PoseTable, stamps_ns: Sequence[int], streams: RecordedStreamSettings
) -> list[Transform | None]:
    """The pose at each stamp, interpolated as the settings ``pose.*`` say; None for none."""
    assert table.stamps_ns is not None
    motion = Trajectory(
        table.stamps_ns, table.poses, streams.pose.tolerance_ns, streams.pose.max_gap_ns
    )
    return [motion.at(stamp) for stamp in stamps_ns]
