"""Clocks: how long the stages of a refresh last, and two ways of one thing side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from om3d_core.progress import Job, Report


class StageClock:
    """A report that also adds up how long each stage lasted, up to the next stage's first step."""

    def __init__(self, report: Report):
        self._report = report
        self._stage: tuple[str, float] | None = None
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report a step of ``stage``."""
        self._turn_to(stage)
        self._report(stage, done, total)

    def stop(self) -> None:
        """End the stage under way."""
        self._turn_to(None)

    def _turn_to(self, stage: str | None) -> None:
        now = time.monotonic()
        if self._stage is not None:
            name, since = self._stage
            self.seconds[name] = self.seconds.get(name, 0.0) + now - since
        self._stage = None if stage is None else (stage, now)


@dataclass
class Span:
    """What a piece of work took. wall_s: by the clock; cpu_s: of all threads of this process,
    which other programs on the machine do not lengthen."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextmanager
def timed() -> Iterator[Span]:
    """Fill in what the block took."""
    span = Span()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield span
    finally:
        span.wall_s = time.perf_counter() - wall
        span.cpu_s = time.process_time() - cpu


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """How long one call takes."""
    with timed() as span:
        work(*arguments)
    return span.wall_s


def best_of(job: Job, stage: str, rounds: int, *works: Callable[[], object]) -> list[float]:
    """The shortest time of each of ``works``, which take turns for so many rounds.

    Taking turns lets a busy machine hinder all alike; the first turn of each is not counted.
    """
    for work in works:
        work()
    times: list[list[float]] = [[] for _ in works]
    for done in range(rounds):
        job.step(stage, done, rounds)
        for work, row in zip(works, times, strict=True):
            row.append(seconds(work))
    return [min(row) for row in times]
