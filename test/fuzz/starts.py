"""The part of starts: nodes with changed parameter files and odd arguments."""

from __future__ import annotations

import itertools
import random
import re
import signal
import subprocess
import time
from pathlib import Path

from fuzz.live import FAULTS, Came
from fuzz.mutate import mutate
from fuzz.tally import GOOD, Tally
from fuzz.values import STRINGS
from om3d_ros.replay.processes import NodeProcess

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "default.yaml"
NAMES = ("autostart", "refresh.period_s", "fusion.voxel_m", "top_k", "answer.thumbnails", "a b",
         "use_sim_time", "map_frame", "features.encoders",
         "qos_overrides./odometry.subscription.depth")  # fmt: skip
START_S, END_S, POLL_S = 60.0, 10.0, 0.1
READY = re.compile(r"\]: (unconfigured:|active)")


class StartFuzz:
    """A node either starts, and ends when it is interrupted, or says in a line why it does not."""

    name = "starts"

    def __init__(self, work: Path, keep: Path, domain: int):
        self._work, self._keep, self._domain = work, keep, domain

    def run(self, tally: Tally, seed: int, seconds: float, starts: int | None = None) -> None:
        """Start nodes for ``seconds``, or so many of them."""
        self._work.mkdir(parents=True, exist_ok=True)
        stop = time.monotonic() + seconds
        for number in itertools.count():
            if number == starts or (starts is None and time.monotonic() > stop):
                return
            rng = random.Random(f"{self.name} {seed} {number}")
            kind = ("file", "argument")[number % 2]
            log = self._work / f"{number}.log"
            file = self._work / f"{number}.yaml"
            came = come(self._start(rng, kind, log, file))
            tally.add(f"starts {kind}", came.outcome, came.seconds, code=came.code)
            if came.outcome not in GOOD:
                kept = self._keep / f"{self.name}-{seed}-{number}"
                kept.mkdir(parents=True, exist_ok=True)
                for path in (file, log):
                    if path.exists():
                        (kept / path.name).write_bytes(path.read_bytes())
                tally.show(f"{kept} ({kind}): {came.outcome}: {came.error:.300}")

    def _start(self, rng: random.Random, kind: str, log: Path, file: Path) -> NodeProcess:
        node = rng.choice(("mapper", "query"))
        parameters: dict[str, object] = {"autostart": True} if rng.random() < 0.3 else {}
        remaps = {}
        if kind == "file":
            data = SHIPPED.read_bytes()
            file.write_bytes(mutate(rng, data, SHIPPED.name, data))
        else:
            parameters |= {rng.choice(NAMES): rng.choice((*map(_short, STRINGS), True, 1, 0.5, -1))
                           for _ in range(rng.choice((1, 2)))}  # fmt: skip
            if rng.random() < 0.5:
                remaps[rng.choice(("color/image_raw", "__ns", "__node", "", "instances"))] = (
                    _short(rng.choice(STRINGS))
                )
        return NodeProcess(
            f"om3d_ros.{node}_node", log, self._domain, parameters, remaps,
            file if kind == "file" else None,
        )


def come(node: NodeProcess) -> Came:
    """What comes of a node that was started; it is ended."""
    began = time.monotonic()
    try:
        while (status := _status(node)) is None and not READY.search(_log(node)):
            if time.monotonic() - began > START_S:
                return Came("hung", "", START_S, _log(node)[-1000:])
        took = time.monotonic() - began
        if status is None:
            return _interrupted(node, took)
        return _refused(node, status, took)
    finally:
        node.kill()


def _interrupted(node: NodeProcess, took: float) -> Came:
    node.send_signal(signal.SIGINT)
    try:
        status = node.wait(END_S)
    except subprocess.TimeoutExpired:
        return Came("hung", "", took, "expected an end after SIGINT")
    log = _log(node)
    if status != 0 or any(fault in log for fault in FAULTS):
        return Came("crashed" if status < 0 else "untyped", "", took, f"{status}: {log[-2000:]}")
    return Came("ok", "started", took)


def _refused(node: NodeProcess, status: int, took: float) -> Came:
    log = _log(node)
    if status != 1:
        return Came("crashed", "", took, f"status {status}: {log[-2000:]}")
    if any(fault in log for fault in FAULTS):
        return Came("untyped", "", took, log[-2000:])
    if "om3d: error: " not in log and "autostart failed" not in log:
        return Came("nameless", "", took, log[-2000:])
    return Came("refused", "not started", took)


def _status(node: NodeProcess) -> int | None:
    try:
        return node.wait(POLL_S)
    except subprocess.TimeoutExpired:
        return None


def _log(node: NodeProcess) -> str:
    return node.log.read_text(errors="replace")


def _short(text: str) -> str:
    """What an argument can carry."""
    return text.replace("\0", "")[:10_000]
