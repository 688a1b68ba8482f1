"""``om3d doctor SCENE_OR_BAG``: say what is wrong with an input, and what mends it.

``om3d doctor --live`` listens to topics instead, where the nodes are installed; its --help says
more.

The exit status is 0 if nothing is, 1 if something is, 2 if the input cannot be opened.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from om3d_core.commands.console import settings_from
from om3d_core.commands.source import add_source_flags
from om3d_core.data.text import printable
from om3d_core.doctor.findings import Examination
from om3d_core.doctor.scene import examine_scene
from om3d_core.errors import Om3dError
from om3d_core.files import write_atomically
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings

EXIT_FAULTS = 1


def main(argv: Sequence[str]) -> int:
    """Examine a recorded scene or bag."""
    if "--live" in argv:
        raise Om3dError("doctor --live needs ROS 2: source a workspace with om3d")
    parser = argparse.ArgumentParser("om3d doctor", description=__doc__)
    add_source_flags(parser)
    add_report_flags(parser)
    args = parser.parse_args(argv)
    found = examine_scene(
        args.scene,
        settings_from(args, SourceSettings),
        settings_from(args, RecordedStreamSettings),
    )
    return report(str(args.scene), found, args.json)


def add_report_flags(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` where else to write what is found."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings as JSON too")


def report(name: str, found: Examination, json_file: Path | None) -> int:
    """Print what was found about ``name``, write it if asked; returns the exit status."""
    print_examination(name, found)
    if json_file is not None:
        text = json.dumps({"input": name, **found.as_dict()}, indent=2)
        write_atomically(json_file, f"{text}\n".encode())
    return EXIT_FAULTS if found.findings else 0


def print_examination(name: str, found: Examination, file: TextIO | None = None) -> None:
    """Print what was found about ``name``; to stdout unless a file is given."""
    count = len(found.findings)
    faults = f"{count} fault" + "s" * (count > 1) if count else "no fault found"
    print(printable(f"{name}: {faults}"), file=file)
    for finding in found.findings:
        print(printable(f"  {finding.kind}: {finding.said}"), file=file)
        for label, text in (
            ("evidence", finding.evidence), ("cure", finding.cure), ("flag", finding.flag)
        ):
            if text:
                print(printable(f"    {label:<9}{text}"), file=file)
    for text in (*found.assumed, *found.told):
        print(printable(f"  {text}"), file=file)
