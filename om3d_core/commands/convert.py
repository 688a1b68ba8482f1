"""``om3d convert IN OUT``: write any recording as a folder of color, depth and poses."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from om3d_core.commands.console import add_setting_flags, progress_report, settings_from
from om3d_core.commands.source import add_source_flags, source_from
from om3d_core.data.text import printable
from om3d_core.progress import Job
from om3d_core.sources.folder_writer import FolderWriterSettings, write_folder


def main(argv: Sequence[str]) -> int:
    """Write the folder; it appears whole or not at all."""
    parser = argparse.ArgumentParser("om3d convert", description=__doc__)
    add_source_flags(parser)
    parser.add_argument("out", type=Path, help="a new folder")
    add_setting_flags(parser, FolderWriterSettings)
    args = parser.parse_args(argv)
    source = source_from(args)
    with progress_report() as report:
        settings = settings_from(args, FolderWriterSettings)
        count = write_folder(source, args.out, settings, Job(report))
    print(f"{args.out}: {count} frames")
    for line in source.skipped.lines:
        print(printable(f"skipped {line}"))
    return 0
