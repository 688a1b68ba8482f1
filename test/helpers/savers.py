"""Processes that save maps over and over until they are killed, forked from one that is warm.

Run as ``python savers.py``: each line on stdin is JSON with the folder, the seed of the first
scene, and for each saver after how many seconds it is killed. The answer is one line when all are
dead.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TEST_ROOT = Path(__file__).resolve().parents[1]
POINTS = 20_000


def maps():
    """Two scenes, each with keyframes of its own."""
    from helpers.keyframes import make_keyframe
    from helpers.scenes import make_scene

    return [
        (make_scene(seed, points=POINTS),
         tuple(make_keyframe(10 * seed + i, width=200, height=150) for i in range(5)))
        for seed in range(2)
    ]


class Savers:
    """The warm process, seen from the test."""

    def __init__(self):
        paths = [str(TEST_ROOT), str(TEST_ROOT.parent)]
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(60)

    def start(self, folder, delays_s, seed=0):
        print(json.dumps([str(folder), seed, delays_s]), file=self._process.stdin, flush=True)

    def wait(self):
        assert self._process.stdout.readline() == "dead\n"

    def kill(self, folder, delays_s, seed=0):
        """Let one saver a delay save into ``folder``; return when each has been killed."""
        self.start(folder, delays_s, seed)
        self.wait()


def _save_until_killed(folder, seed, all_maps):
    from om3d_core.data.scene_store import save_scene

    for i in itertools.count(seed):
        scene, keyframes = all_maps[i % 2]
        save_scene(scene, folder, keyframes)


def main():
    from om3d_core.data.scene_store import save_scene  # noqa: F401

    all_maps = maps()
    for line in sys.stdin:
        folder, seed, delays_s = json.loads(line)
        children, start = [], time.monotonic()
        for i, delay_s in enumerate(sorted(delays_s)):
            pid = os.fork()
            if pid == 0:
                try:
                    _save_until_killed(Path(folder), seed + i, all_maps)
                finally:
                    os._exit(1)
            children.append((pid, delay_s))
        killed = True
        for pid, delay_s in children:
            time.sleep(max(0.0, start + delay_s - time.monotonic()))
            os.kill(pid, signal.SIGKILL)
            killed &= os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        print("dead" if killed else "a saver failed", flush=True)


if __name__ == "__main__":
    main()
