"""Poses of one file, given to the frames of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from om3d_core.data.poses import Transform
from om3d_core.errors import InputError, SourceError
from om3d_core.formats.pose_text import PoseTable, read_pose_table
from om3d_core.streams.settings import RecordedStreamSettings
from om3d_core.streams.trajectory import Trajectory


def poses_in(path: Path) -> PoseTable:
    """The poses of a file. Raises SourceError that names it."""
    try:
        return read_pose_table(path)
    except InputError as error:
        raise SourceError(f"{path}: {error}") from error


def by_order(path: Path, table: PoseTable, count: int) -> list[Transform]:
    """The pose of each of ``count`` frames. Raises SourceError unless there are as many."""
    if len(table.poses) != count:
        raise SourceError(
            f"{path}: expected a pose for each of {count} color images, in their order, got "
            f"{len(table.poses)}; give stamps (8 numbers a line: t tx ty tz qx qy qz qw) where "
            "frames have none"
        )
    return list(table.poses)


def by_stamp(
    table: PoseTable, stamps_ns: Sequence[int], streams: RecordedStreamSettings
) -> list[Transform | None]:
    """The pose at each stamp, interpolated as the settings ``pose.*`` say; None for none."""
    assert table.stamps_ns is not None
    motion = Trajectory(
        table.stamps_ns, table.poses, streams.pose.tolerance_ns, streams.pose.max_gap_ns
    )
    return [motion.at(stamp) for stamp in stamps_ns]
