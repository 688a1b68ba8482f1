"""``om3d bench``: measure how fast the library is here, against its bars."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from om3d_core.bench.curves import draw_curves
from om3d_core.bench.history import append_run, read_history
from om3d_core.bench.machine import facts
from om3d_core.bench.measures import CORE, Measure
from om3d_core.bench.rows import (
    FAIL,
    NOT_RUN,
    PASS,
    STAGES,
    Row,
    chosen,
    counted,
    format_number,
)
from om3d_core.bench.runner import INTERRUPTED, run
from om3d_core.bench.workbench import MAX_FRAMES, SceneChoice, workbench
from om3d_core.commands.console import (
    add_setting_flags,
    interruptible,
    plain,
    progress_report,
    settings_from,
)
from om3d_core.files import write_atomically
from om3d_core.progress import Job
from om3d_core.sources.open import layouts
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings

STYLES = {PASS: "green", FAIL: "bold red", NOT_RUN: "dim"}
ROWS_FILE, PICTURE_FILE = "rows.json", "curves.png"
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str], of_nodes: Mapping[str, Measure] | None = None) -> int:
    """Measure and print; Ctrl-C keeps the rows measured so far.

    of_nodes: what measures the rows of the ROS 2 nodes, by id.
    """
    args = _parser().parse_args(argv)
    specs = chosen(args.only)
    if args.history is not None:
        read_history(args.history)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    scene = SceneChoice(
        args.scene, settings_from(args, SourceSettings),
        settings_from(args, RecordedStreamSettings), args.max_frames,
    )  # fmt: skip
    began = datetime.now(UTC).isoformat(timespec="seconds")
    rows: list[Row] = []
    with (
        interruptible() as stop,
        progress_report() as report,
        workbench(scene, Job(report, stop.is_set)) as bench,
    ):
        rows.extend(run(bench, specs, {**CORE, **(of_nodes or {})}))
        curves, profile = bench.curves, bench.profile
    _print(rows, args.json)
    machine, name = facts(), "synthetic room" if args.scene is None else args.scene.name
    if args.history is not None:
        append_run(args.history, rows, began, machine, name)
    if args.out is not None:
        content = {
            "date": began, "machine": machine, "scene": name,
            "rows": [row.to_json() for row in rows], "curves": curves, "profile_s": profile,
        }  # fmt: skip
        write_atomically(args.out / ROWS_FILE, json.dumps(content, indent=1).encode())
        if curves or profile:
            draw_curves(args.out / PICTURE_FILE, curves, profile)
    return EXIT_INTERRUPTED if any(row.why == INTERRUPTED for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument(
        "--only", default="", metavar="P1,P2...|STAGE",
        help=f"measure these rows, or those of a stage: {', '.join(STAGES)}",
    )
    parser.add_argument(
        "--scene", type=Path, help="what to measure on instead of a rendered room: "
        + ", or ".join(layouts()),
    )
    parser.add_argument(
        "--max_frames", type=_frames, default=MAX_FRAMES, metavar="N",
        help=f"of a longer scene, use the first N frames (default {MAX_FRAMES})",
    )
    parser.add_argument(
        "--history", type=Path, metavar="FILE", help="add the rows to a file of JSON lines"
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FOLDER",
        help=f"write {ROWS_FILE} and, of what was measured, {PICTURE_FILE}",
    )
    add_setting_flags(parser, RecordedStreamSettings)
    add_setting_flags(parser, SourceSettings)
    return parser


def _frames(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"expected at least 2 frames, got {text!r}")
    return int(text)


def _print(rows: Sequence[Row], as_json: bool) -> None:
    if as_json:
        print(json.dumps([row.to_json() for row in rows]))
        return
    table = Table(box=SIMPLE_HEAD)
    table.add_column("row")
    table.add_column("what", ratio=3)
    table.add_column("value", justify="right")
    table.add_column("bar", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("why", ratio=2)
    for row in rows:
        unit = row.spec.bar.unit if row.checks else ""
        table.add_row(
            row.spec.id, row.spec.what, f"{format_number(row.value)} {unit}".strip(),
            str(row.spec.bar), f"[{STYLES[row.verdict]}]{row.verdict}", plain(row.reason),
        )  # fmt: skip
    Console().print(table)
    counts = counted(rows)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
