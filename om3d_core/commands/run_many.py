"""Several scenes of ``om3d run``: a map each, one table, and going on where it was stopped."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from om3d_core.batch.finish import finish
from om3d_core.batch.jobs import DONE, FAILED, Outcome, SceneJob, scene_names
from om3d_core.batch.journal import keep, key_of, known
from om3d_core.batch.settings import BatchSettings
from om3d_core.batch.table import Row, as_json, rows_of, text_of, write_tables
from om3d_core.batch.workers import create_runner
from om3d_core.commands.console import flags_of, plain, progress_report, settings_from
from om3d_core.data.text import one_line
from om3d_core.errors import SettingsError

MODULE = "om3d_core.commands.run"
COLUMNS = (
    "instances", "structure", "points", "keyframes", "frames", "skipped", "crops_encoded",
)  # fmt: skip
PRINTED = (
    "scene", "state", "instances", "points", "keyframes", "frames", "skipped", "seconds", "cpu_s",
    "peak_mb",
)  # fmt: skip
FOR_ONE = ("onto", "stats", "pictures")
NOT_OF_A_MAP = ("out", "json", "workers", "memory_gb", "retries", "ray")
MANIFEST = "map.json"
EXIT_SOME_FAILED = 1


def run_many(
    parser: argparse.ArgumentParser, args: argparse.Namespace, scenes: Sequence[Path]
) -> int:
    """Map ``scenes`` into ``OUT/NAME/map``; what is done with the same settings is kept.

    parser, args: those of ``om3d run``. Exit status 1 if any scene failed.
    """
    for flag in FOR_ONE:
        if getattr(args, flag) is not None:
            raise SettingsError(f"--{flag}: expected one scene with it, got {len(scenes)}")
    flags = tuple(flags_of(parser, args, NOT_OF_A_MAP))
    settings = settings_from(args, BatchSettings)
    jobs, keys, outcomes = [], {}, {}
    for name, scene in zip(scene_names(scenes), scenes, strict=True):
        folder = args.out / name
        command = (str(scene.absolute()), *flags, "--json", f"--out={(folder / 'map').absolute()}")
        job = SceneJob(name, MODULE, command, folder.absolute(), Path.cwd())
        keys[name] = key_of(scene, flags)
        outcomes[name] = known(job, keys[name], folder / "map" / MANIFEST)
        jobs.append(job)
    left = [job for job in jobs if outcomes[job.name] is None]
    if len(left) < len(jobs):
        print(f"om3d: {len(jobs) - len(left)} of {len(jobs)} scenes are done already",
              file=sys.stderr)  # fmt: skip

    def ended(job: SceneJob, outcome: Outcome) -> None:
        outcomes[job.name] = outcome
        keep(job, keys[job.name], outcome)
        tell_failure(job, outcome)

    try:
        if left:
            with progress_report() as report:
                finish(left, create_runner(settings, len(left)), report, ended)
    except KeyboardInterrupt:
        done = sum(o is not None and o.state == DONE for o in outcomes.values())
        print(f"om3d: {done} of {len(jobs)} scenes are done; the same command goes on with the"
              " others", file=sys.stderr)  # fmt: skip
        raise
    rows = rows_of([found for found in outcomes.values() if found is not None], COLUMNS)
    write_tables(args.out, rows)
    if args.json:
        print(as_json(rows))
    else:
        _print(rows)
    return 0 if all(row["state"] == DONE for row in rows) else EXIT_SOME_FAILED


def tell_failure(job: SceneJob, outcome: Outcome) -> None:
    """Say on stderr why a scene failed."""
    if outcome.state == FAILED:
        print(one_line(f"om3d: {job.name} failed: {outcome.error}"), file=sys.stderr)


def _print(rows: Sequence[Row]) -> None:
    """What fits a terminal; errors were told already, and all is in the files."""
    table = Table(box=SIMPLE_HEAD, padding=0)
    names = [name for name in PRINTED if any(text_of(row[name]) for row in rows)]
    for name in names:
        text = name in {"scene", "state"}
        table.add_column(name, justify="left" if text else "right", no_wrap=text)
    for row in rows:
        table.add_row(*(plain(text_of(row[name])) for name in names))
    Console().print(table)
