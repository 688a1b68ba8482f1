"""``om3d bag SCENE OUT``: write a recorded scene as a ROS 2 bag that the nodes can be fed with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from om3d_core.commands.console import add_setting_flags, progress_report, settings_from
from om3d_core.commands.source import add_source_flags, source_from
from om3d_core.progress import Job
from om3d_core.sources.bag.writer import BagSettings, write_bag


def main(argv: Sequence[str]) -> int:
    """Write the bag; it appears whole or not at all."""
    parser = argparse.ArgumentParser("om3d bag", description=__doc__)
    add_source_flags(parser)
    parser.add_argument("out", type=Path, help="a new .mcap or .db3 file, or a new folder")
    add_setting_flags(parser, BagSettings)
    args = parser.parse_args(argv)
    source = source_from(args)
    with progress_report() as report:
        count = write_bag(source, args.out, settings_from(args, BagSettings), Job(report))
    skipped = f", {source.skipped.total} skipped" if source.skipped.total else ""
    print(f"{args.out}: {count} frames{skipped}")
    return 0
