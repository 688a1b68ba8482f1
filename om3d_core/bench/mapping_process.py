"""A program that maps a recording as ``om3d run`` does and tells its memory.

``python -m om3d_core.bench.mapping_process TASK``, where TASK is JSON: ``scene``, ``map`` (the
folder to write), ``max_frames``, ``passes``, ``source`` and ``streams`` (settings by dotted name).
The recording is read ``passes`` times, each later than the last, with a refresh after each; a line
of JSON is printed after each, the first once the map is saved.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from om3d_core.bench.clock import StageClock, timed
from om3d_core.bench.machine import KIB, peak_bytes
from om3d_core.data.scene_store import save_scene
from om3d_core.errors import UnusableFrameError
from om3d_core.mapping.build import create_mapper
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.progress import Job, silent
from om3d_core.settings import build
from om3d_core.sources.base import Source
from om3d_core.sources.open import open_source
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings

PAGE_BYTES = resource.getpagesize()
STATM = Path("/proc/self/statm")


def main(task: Mapping[str, Any]) -> None:
    """Map, and print a line after each pass."""
    source = open_source(
        Path(task["scene"]),
        build(SourceSettings, task["source"]),
        build(RecordedStreamSettings, task["streams"]),
    )
    with timed() as loading:
        mapper = create_mapper(MapSettings())
    period_ns = 0
    for number in range(task["passes"]):
        with timed() as reading:
            n, last_ns = _feed(source, mapper, task["max_frames"], number * period_ns)
        period_ns = period_ns or last_ns + 1
        clock = StageClock(silent)
        with timed() as whole:
            scene = mapper.refresh(Job(clock))
        clock.stop()
        with timed() as saving:
            if number == 0:
                save_scene(scene, Path(task["map"]), mapper.snapshot()[1])
        stages = {
            "load models": loading.wall_s, "read frames": reading.wall_s, **clock.seconds,
            "ids, gravity and the rest": whole.wall_s - sum(clock.seconds.values()),
            "save": saving.wall_s,
        }  # fmt: skip
        print(json.dumps({
            "frames": n, "keyframes": mapper.n_keyframes, "instances": len(scene),
            "crops": mapper.counts.crops_encoded, "seconds": stages,
            "cpu_s": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
            "rss_bytes": _held_bytes(),
            "peak_bytes": peak_bytes(),
        }), flush=True)  # fmt: skip


def _feed(source: Source, mapper: Mapper, max_frames: int, later_ns: int) -> tuple[int, int]:
    """Offer the first frames with later stamps; how many there were, and the last stamp."""
    cloud = source.cloud()
    if cloud is not None and not later_ns:
        mapper.set_cloud(cloud)
    n = stamp_ns = 0
    for frame in islice(source, max_frames):
        n, stamp_ns = n + 1, frame.stamp_ns
        try:
            mapper.add_frame(replace(frame, stamp_ns=stamp_ns + later_ns))
        except UnusableFrameError:
            continue
    return n, stamp_ns


def _held_bytes() -> int:
    """Resident memory now; the largest so far where the system does not tell."""
    if STATM.is_file():
        return int(STATM.read_text().split()[1]) * PAGE_BYTES
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
