"""P7 and P18: the mapper node beside a camera, all as processes, with what users run."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray

from om3d_core.bench.rows import Bar, CannotMeasureError, Check, Row, measured
from om3d_core.bench.workbench import Workbench
from om3d_core.data.scene import Scene
from om3d_core.mapping.growth import ids_kept
from om3d_core.settings import Value, values_of
from om3d_ros.node import qos
from om3d_ros.replay.client import Client, ReplayError
from om3d_ros.replay.processes import (
    NodeDiedError,
    NodeProcess,
    Processes,
    environment,
    free_domain,
)

DISTINCT = 60
FEW = 0.5
FULL_HZ, FULL_FRAMES = 30.0, 600
USED_HZ, USED_FRAMES = 10.0, 100
START_S, IDLE_S, DIAGNOSTICS_S, END_S = 60.0, 180.0, 30.0, 20.0
CALLBACK = "callback work p99 (ms)"


@dataclass(frozen=True, eq=False)
class Watched:
    """What became of the camera's frames.

    published, took_s: by the camera. heard: pairs at a bare subscriber, or None without one.
    status: the last om3d/MapperStatus. values: of /diagnostics. queue: (time, frames waiting)
    while the camera ran, seconds. maps: as they were published.
    """

    published: int
    took_s: float
    heard: int | None
    status: Any
    values: dict[str, str]
    queue: list[tuple[float, int]]
    maps: list[Scene]


def full_rate(bench: Workbench) -> Row:
    """P7. Twenty seconds at 30 Hz of a reliable camera, with the default parameters."""
    seen = _watch(bench, "reliable", FULL_HZ, FULL_FRAMES, listen=False)
    status = seen.status
    depth = np.array(seen.queue, np.float64).reshape(-1, 2)
    growth = float(np.polyfit(depth[:, 0], depth[:, 1], 1)[0]) if len(depth) > 2 else 0.0
    bench.add_curve(
        "the mapper node at 30 Hz: frames waiting against s", "queue",
        [(float(t), float(n)) for t, n in depth],
    )
    voxel_m = bench.settings.tracking.voxel_m
    ids = np.array([ids_kept(*two, voxel_m) for two in pairwise(seen.maps)], int).reshape(-1, 2)
    there, kept = ids.sum(axis=0).tolist()
    return measured(
        "P7", "p99 of a callback", float(seen.values[CALLBACK]),
        Check("growth of the queue", growth, Bar("<=", 0.5, "frames/s")),
        Check("frames dropped", status.frames_dropped, Bar("<=", 0)),
        Check("frames mapped of those published", 100 * status.frames_processed / seen.published,
              Bar(">=", 98, "%")),
        published=seen.published, took_s=seen.took_s, received=status.frames_received,
        paired=status.frames_paired, processed=status.frames_processed,
        kept=status.frames_kept, most_waiting=int(depth[:, 1].max(initial=0)),
        maps=len(seen.maps), ids_still_there=there, ids_kept=kept,
    )  # fmt: skip


def used(bench: Workbench) -> Row:
    """P18. A hundred images at 10 Hz, reliable, then best effort beside a bare subscriber."""
    reliable = _watch(bench, "reliable", USED_HZ, USED_FRAMES, listen=True)
    lossy = _watch(bench, "best_effort", USED_HZ, USED_FRAMES, listen=True)
    share = 100 * reliable.status.frames_processed / reliable.published
    more, why = [], ""
    if lossy.heard:
        more.append(Check(
            "of a best-effort camera, of what a bare subscriber hears",
            100 * lossy.status.frames_processed / lossy.heard, Bar(">=", 95, "%"),
        ))  # fmt: skip
    if not lossy.heard or lossy.heard < FEW * lossy.published:
        why = (f"a bare subscriber heard {lossy.heard} of {lossy.published} images of the"
               " best-effort camera")  # fmt: skip
    return measured(
        "P18", "of a reliable camera", share, *more, why=why,
        heard_of_reliable=reliable.heard, published=reliable.published,
        processed_of_best_effort=lossy.status.frames_processed,
        heard_of_best_effort=lossy.heard,
    )  # fmt: skip


def _watch(
    bench: Workbench, reliability: str, hz: float, frames: int, *, listen: bool
) -> Watched:
    try:
        with tempfile.TemporaryDirectory(prefix="om3d-bench-") as folder, free_domain() as domain:
            return _run(bench, Path(folder), domain, reliability, hz, frames, listen)
    except (NodeDiedError, ReplayError) as error:
        raise CannotMeasureError(f"the nodes did not do their part: {error}") from error


def _run(
    bench: Workbench, folder: Path, domain: int, reliability: str, hz: float, frames: int,
    listen: bool,
) -> Watched:
    parameters: dict[str, Value] = {"autostart": True, "map_root": str(folder / "maps")}
    mapper = NodeProcess("om3d_ros.mapper_node", folder / "mapper.log", domain, parameters)
    sent, heard = folder / "sent.json", folder / "heard.json"
    task = {
        "scene": str(bench.scene_path.resolve()), "source": values_of(bench.choice.source),
        "streams": values_of(bench.choice.streams), "frames": frames,
        "distinct": min(DISTINCT, len(bench.frames)), "hz": hz, "reliability": reliability,
        "readers": 1 + listen, "out": str(sent),
    }  # fmt: skip
    health: dict[str, str] = {}
    queue: list[tuple[float, int]] = []
    maps: list[Scene] = []
    with Processes([mapper]) as nodes, Client(domain, nodes.check) as client:
        client.node.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: _take(m, health), qos.results()
        )
        client.spin_until(lambda: client.status is not None, START_S, "the mapper")
        with _program(domain, "listener", str(heard), reliability, start=listen) as listener:
            with _program(domain, "camera", json.dumps(task)) as camera:
                assert camera is not None
                began = time.monotonic()
                while camera.poll() is None:
                    passed = time.monotonic() - began
                    bench.job.step("camera", min(int(passed), 100), 100)
                    client.spin()
                    _keep(client.scene, maps)
                    status = client.status
                    if status is not None and status.frames_received and not sent.exists():
                        queue.append((passed, int(status.queue_depth)))
                if camera.returncode:
                    raise CannotMeasureError("the camera ended with an error")
            client.spin_until(lambda: _rests(client.status), IDLE_S, "the mapper to rest")
            _keep(client.scene, maps)
            health.clear()
            client.spin_until(lambda: CALLBACK in health, DIAGNOSTICS_S, "diagnostics")
            if listener is not None:
                listener.terminate()
                listener.wait(END_S)
        camera_said = json.loads(sent.read_text())
        pairs = json.loads(heard.read_text())["pairs"] if listen else None
        return Watched(
            camera_said["published"], camera_said["took_s"], pairs, client.status, dict(health),
            queue, maps,
        )  # fmt: skip


def _keep(scene: Scene | None, maps: list[Scene]) -> None:
    """Add a map that was published since the last of ``maps``."""
    if scene is not None and not (maps and maps[-1] is scene):
        maps.append(scene)


def _rests(status: Any) -> bool:
    return status.queue_depth == 0 and not status.busy


@contextmanager
def _program(
    domain: int, name: str, *arguments: str, start: bool = True
) -> Iterator[subprocess.Popen[bytes] | None]:
    """A program of this folder, ended with the block; none unless ``start``."""
    if not start:
        yield None
        return
    process = subprocess.Popen(
        [sys.executable, "-m", f"om3d_ros.bench.{name}", *arguments],
        stdout=subprocess.DEVNULL, env=environment(domain),
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
        if process.poll() is None:
            process.kill()
        process.wait()


def _take(message: DiagnosticArray, into: dict[str, str]) -> None:
    for status in message.status:
        if status.name == "/mapper":
            into.update({value.key: value.value for value in status.values})
