"""``om3d replay BAG``: play a bag through the ROS 2 nodes and ask them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from om3d_core.commands.console import add_out_flag, plain, progress_report
from om3d_core.data.text import one_line
from om3d_ros.replay import Replayed, replay

EXIT_FAILED = 1


def main(argv: Sequence[str]) -> int:
    """Replay, print the answers; 1 if one of them is an error."""
    args = _parser().parse_args(argv)
    with progress_report() as report:
        done = replay(
            args.bag, args.out, args.rate, args.query, args.image, args.attach, args.params_file,
            args.top, report, args.save,
        )
    _print(done, args.out)
    for reply in done.failed:
        message = f"{reply.query!r}: {reply.response.error_msg} ({reply.response.error_code})"
        print(one_line(f"om3d: error: {message}"), file=sys.stderr)
    return EXIT_FAILED if done.failed else 0


def _print(done: Replayed, out: Path) -> None:
    columns = ("", "question", "answer", "similarity", "probability")
    table = Table(*columns, box=SIMPLE_HEAD, collapse_padding=True)
    for number, reply in enumerate(done.replies, 1):
        row, answer = (f"{number:02d}", plain(reply.query)), reply.answer
        if answer is None:
            table.add_row(*row, "error", "", "")
            continue
        best = answer.matches[0] if answer.matches else None
        found = best is not None and answer.present
        name = f"instance {best.instance_id} {best.label}" if best and found else "not in the map"
        numbers = (f"{best.similarity:.3f}", f"{best.probability:.0%}") if best else ("", "")
        table.add_row(*row, plain(name), *numbers)
    if done.replies:
        Console().print(table)
    objects = int((~done.scene.masks.structure).sum())
    print(
        f"{objects} objects on {len(done.scene.cloud)} points; answers, pictures and logs are in"
        f" {out}/"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d replay", description=__doc__)
    parser.add_argument("bag", type=Path, help="rosbag2 folder, .mcap or .db3 file")
    parser.add_argument(
        "--rate", type=_rate, default=0.0, metavar="R",
        help="speed relative to the recording; 0: as fast as the mapper takes it (default)",
    )
    parser.add_argument(
        "--query", action="append", default=[], metavar="TEXT", help="what to look for; repeatable"
    )
    parser.add_argument(
        "--image", action="append", default=[], type=Path, metavar="FILE",
        help="picture of what to look for; repeatable",
    )
    add_out_flag(parser, "folder of answers, markers, pictures and logs", Path("replay_out"))
    parser.add_argument(
        "--top", type=int, default=0, metavar="K", help="matches an answer (default: the node's)"
    )
    parser.add_argument(
        "--attach", action="store_true", help="use the nodes that run in ROS_DOMAIN_ID",
    )
    parser.add_argument(
        "--save", default="", metavar="NAME", help="let the mapper save the map under this name"
    )
    parser.add_argument(
        "--params-file", type=Path, metavar="FILE", help="ROS parameters of both nodes"
    )
    return parser


def _rate(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1000.0:
        raise argparse.ArgumentTypeError(f"expected 0 .. 1000, got {text}")
    return value
