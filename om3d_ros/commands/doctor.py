"""``om3d doctor --live``: listen to the topics of a mapper and say what is wrong with them.

The flags are the parameters of the mapper; what stands after ``--ros-args`` is as for a node.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from om3d_core.commands import doctor
from om3d_core.commands.console import add_setting_flags, parse_with_preset, settings_from
from om3d_ros.live_doctor import examine_live
from om3d_ros.node.settings import MapperNodeSettings

LIVE, ROS_ARGUMENTS = "--live", "--ros-args"


def main(argv: Sequence[str]) -> int:
    """Examine live topics, or, without ``--live``, a recording."""
    if LIVE not in argv:
        return doctor.main(argv)
    arguments = list(argv)
    at = arguments.index(ROS_ARGUMENTS) if ROS_ARGUMENTS in arguments else len(arguments)
    parser = argparse.ArgumentParser("om3d doctor", description=__doc__)
    parser.add_argument(LIVE, action="store_true", help="examine live topics")
    parser.add_argument(
        "--seconds", type=_seconds, default=10.0, metavar="S", help="how long to listen"
    )
    doctor.add_report_flags(parser)
    add_setting_flags(parser, MapperNodeSettings)
    args = parse_with_preset(parser, arguments[:at])
    settings = settings_from(args, MapperNodeSettings)
    found = examine_live(settings, args.seconds, arguments[at + 1 :])
    return doctor.report("live", found, args.json)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.5 <= value <= 600.0:
        raise argparse.ArgumentTypeError(f"expected 0.5 .. 600, got {text}")
    return value
