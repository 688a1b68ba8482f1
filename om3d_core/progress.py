"""Progress and cancellation of long work, without a clock and without a terminal."""

from __future__ import annotations

from collections.abc import Callable

from om3d_core.errors import CanceledError

Report = Callable[[str, int, int], None]
"""Called as ``report(stage, done, total)``."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


class Job:
    """Progress of one operation; ``step`` raises CanceledError once canceled."""

    def __init__(self, report: Report = silent, canceled: Callable[[], bool] = lambda: False):
        self._report = report
        self._canceled = canceled

    def step(self, stage: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` steps of ``stage`` are finished."""
        if self._canceled():
            raise CanceledError(f"canceled during {stage} ({done} of {total})")
        self._report(stage, done, total)

    def part(self, number: int, parts: int) -> Job:
        """The job of one of several equal parts, which take the same steps in turn."""

        def report(stage: str, done: int, total: int) -> None:
            self._report(stage, number * total + done, parts * total)

        return Job(report, self._canceled)
