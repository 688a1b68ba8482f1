"""``om3d bench`` where ROS 2 is: the rows about the nodes, too."""

from __future__ import annotations

from collections.abc import Sequence

from om3d_core.commands import bench
from om3d_ros.bench.measures import NODES


def main(argv: Sequence[str]) -> int:
    """Measure and print; see :mod:`om3d_core.commands.bench`."""
    return bench.main(argv, NODES)
