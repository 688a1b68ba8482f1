"""What every refresh of ``om3d run --refresh_every`` did: a row of JSON and a picture each."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

from om3d_core.bench.clock import StageClock
from om3d_core.data.scene import Scene
from om3d_core.mapping.growth import ids_kept
from om3d_core.mapping.mapper import Mapper
from om3d_core.pictures.answer import render_instances, save_png
from om3d_core.progress import Job, Report

KIB_PER_MB = 1024


class RefreshLog:
    """Refreshes a mapper, writes a row about each refresh to a file of JSON lines, and draws the
    map, an instance in the color of its id, into a folder of pictures named by frames.

    frames: frames offered so far. ids_before, ids_kept: see :func:`om3d_core.mapping.growth`.
    crops: encoded in this refresh. seconds: by stage. rss_mb: largest memory so far.
    """

    def __init__(self, path: Path | None, pictures: Path | None, voxel_m: float, report: Report):
        self._path, self._pictures = path, pictures
        self._voxel_m = voxel_m
        self._report = report
        if path is not None:
            path.write_text("", encoding="utf-8")
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)

    def refresh(self, mapper: Mapper) -> Scene:
        """Refresh, write down what it took, and draw what came of it."""
        old, encoded = mapper.scene, mapper.counts.crops_encoded
        clock, began = StageClock(self._report), time.monotonic()
        scene = mapper.refresh(Job(clock))
        clock.stop()
        total_s = time.monotonic() - began
        if self._path is not None:
            kept = (0, 0) if old is None else ids_kept(old, scene, self._voxel_m)
            self._write({
                "frames": mapper.counts.frames_offered,
                "keyframes": mapper.n_keyframes,
                "instances": len(scene),
                "points": len(scene.cloud),
                "ids_before": kept[0],
                "ids_kept": kept[1],
                "next_id": scene.next_id,
                "crops": mapper.counts.crops_encoded - encoded,
                "seconds": {name: round(value, 3) for name, value in clock.seconds.items()},
                "total_s": round(total_s, 3),
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KIB_PER_MB,
            })
        if self._pictures is not None:
            frames = mapper.counts.frames_offered
            picture = render_instances(scene, title=f"{frames} frames")
            save_png(self._pictures / f"{frames:06d}.png", picture)
        return scene

    def _write(self, row: dict[str, Any]) -> None:
        assert self._path is not None
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
