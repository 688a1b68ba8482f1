"""``om3d demo``: render a room, record it, replay it through the nodes, ask, and judge."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from om3d_core.commands.console import add_out_flag, plain, progress_report
from om3d_ros.replay.demo import Demo, Verdict, run_demo

DEFAULT_SEED = 7
EXIT_FAILED = 1


def main(argv: Sequence[str]) -> int:
    """Run the demo and print what was asked and answered; 1 if an answer is an error."""
    parser = argparse.ArgumentParser("om3d demo", description=__doc__)
    add_out_flag(parser, "folder of results", Path("demo_out"))
    parser.add_argument(
        "--scene", type=Path, help="scene folder or bag to take instead of a rendered room"
    )
    parser.add_argument(
        "--seed", type=int, default=DEFAULT_SEED, help=f"of the room (default {DEFAULT_SEED})"
    )
    args = parser.parse_args(argv)
    with progress_report() as report:
        demo = run_demo(args.out, args.scene, args.seed, report)
    _print(demo, args.out)
    return EXIT_FAILED if demo.replayed.failed else 0


def _print(demo: Demo, out: Path) -> None:
    columns = ("", "question", "answer", "chance", "verdict")
    table = Table(*columns, box=SIMPLE_HEAD, collapse_padding=True)
    for number, verdict in enumerate(demo.verdicts, 1):
        answer, row = verdict.reply.answer, (f"{number:02d}", plain(verdict.question.text))
        if answer is None:
            table.add_row(*row, plain(verdict.reply.response.error_msg), "", "[red]error")
            continue
        best = answer.matches[0] if answer.matches else None
        found = f"instance {best.instance_id}" if best and answer.present else "not in the map"
        chance = f"{best.probability:.0%}" if best else ""
        table.add_row(*row, found, chance, _judgment(verdict))
    console = Console()
    console.print(table)
    known = [v.result.right for v in demo.verdicts if v.result is not None]
    console.print(
        f"{sum(known)} of {len(known)} right; pictures by number, answers and logs are in {out}/",
        highlight=False,
    )


def _judgment(verdict: Verdict) -> str:
    if verdict.result is None:
        return "no truth known"
    if verdict.result.right and not (verdict.result.absent or verdict.result.present):
        return "[yellow]right, but doubted"
    return "[green]right" if verdict.result.right else "[red]wrong"
