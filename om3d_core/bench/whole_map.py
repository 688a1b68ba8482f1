"""P9 and P10: a map from nothing, in a process of its own, as ``om3d run`` makes one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Thread
from typing import IO, Any

from om3d_core.bench.rows import Bar, CannotMeasureError, Check, Row, measured
from om3d_core.bench.workbench import Workbench
from om3d_core.settings import values_of

PASSES = 10
GB = 1e9
LOOK_S, PATIENCE_S, TAIL = 0.2, 5.0, 300
MODULE = "om3d_core.bench.mapping_process"


@dataclass(frozen=True)
class Passes:
    """The lines of the process, and the seconds from its start to the first one."""

    first_s: float
    lines: list[dict[str, Any]]


def duration(bench: Workbench) -> Row:
    """P9. From the start of the process to the saved map, imports and models included."""
    passes = mapped(bench)
    first = passes.lines[0]
    share = passes.first_s / bench.duration_s
    stages = first["seconds"]
    outside = passes.first_s - sum(stages.values())
    bench.profile = {"start and imports": outside, **stages}
    return measured(
        "P9", "of the clip's duration", share,
        seconds=passes.first_s, clip_s=bench.duration_s, frames=first["frames"],
        keyframes=first["keyframes"], instances=first["instances"], crops=first["crops"],
        cpu_s=first["cpu_s"], seconds_by_stage=bench.profile,
    )  # fmt: skip


def memory(bench: Workbench) -> Row:
    """P10. The recording ten times over, each time later: its keyframes are there already."""
    lines = mapped(bench).lines
    held = [line["rss_bytes"] / GB for line in lines]
    bench.add_curve(
        "the clip again and again: GB held against passes", "om3d",
        [(float(n), value) for n, value in enumerate(held, start=1)],
    )
    return measured(
        "P10", "peak", lines[0]["peak_bytes"] / GB,
        Check(f"held after {PASSES} passes of that after the second", held[-1] / held[1],
              Bar("<=", 1.05)),
        peak_gb_after_each_pass=[line["peak_bytes"] / GB for line in lines],
        held_gb_after_each_pass=held,
    )  # fmt: skip


def mapped(bench: Workbench) -> Passes:
    """What the process told; it is run once."""
    return bench.once("mapping process", lambda: _map(bench))


def _map(bench: Workbench) -> Passes:
    task = {
        "scene": str(bench.scene_path),
        "map": str(bench.folder / "map"),
        "max_frames": bench.choice.max_frames,
        "passes": PASSES,
        "source": values_of(bench.choice.source),
        "streams": values_of(bench.choice.streams),
    }
    log = bench.folder / "mapping.log"
    began = time.perf_counter()
    with log.open("wb") as errors, subprocess.Popen(
        [sys.executable, "-m", MODULE, json.dumps(task)],
        stdout=subprocess.PIPE, stderr=errors, text=True,
    ) as process:  # fmt: skip
        try:
            return _follow(bench, process, began)
        except EOFError as error:
            said = log.read_text(errors="replace")[-TAIL:].strip()
            raise CannotMeasureError(f"the mapping process ended: {said}") from error
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_S)
            process.kill()


def _follow(bench: Workbench, process: subprocess.Popen[str], began: float) -> Passes:
    """Take the lines as they come; EOFError if there are too few."""
    assert process.stdout is not None
    queue: Queue[str] = Queue()
    Thread(target=_read, args=(process.stdout, queue), daemon=True).start()
    lines: list[dict[str, Any]] = []
    first_s = 0.0
    while len(lines) < PASSES:
        bench.job.step("map", len(lines), PASSES)
        try:
            text = queue.get(timeout=LOOK_S)
        except Empty:
            continue
        if not text:
            raise EOFError
        first_s = first_s or time.perf_counter() - began
        lines.append(json.loads(text))
    return Passes(first_s, lines)


def _read(stream: IO[str], queue: Queue[str]) -> None:
    for line in stream:
        queue.put(line)
    queue.put("")
