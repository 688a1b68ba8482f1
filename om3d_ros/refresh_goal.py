"""The goals of the action Refresh, from acceptance to result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from om3d.action import Refresh
from om3d.msg import Error
from rclpy.action.server import ServerGoalHandle

from om3d_ros.mapper_session import MappingSession
from om3d_ros.mapper_status import Refreshed
from om3d_ros.node.outcomes import carry_out
from om3d_ros.node.worker import BusyError

POLL_S = 0.05
FEEDBACK_PERIOD_S = 0.1
MAX_GOALS = 2
"""Each waits in a thread of the executor, which needs others for cancelations and the status."""


class RefreshGoals:
    """Waits for the refresh of each goal, passes on its progress and obeys its cancelation.

    ``mapping`` returns what does the work, or raises why there is none.
    """

    def __init__(self, mapping: Callable[[], MappingSession], logger: Any):
        self._mapping = mapping
        self._logger = logger
        self._free = threading.BoundedSemaphore(MAX_GOALS)

    def carry_out(self, goal: ServerGoalHandle[Any, Any, Any]) -> Any:
        """The result of ``goal``, BUSY where :data:`MAX_GOALS` others are under way."""

        def work(result: Any) -> None:
            if not self._free.acquire(blocking=False):
                raise BusyError(f"expected at most {MAX_GOALS} refreshes at a time, got one more")
            try:
                done = self._refresh(goal)
            finally:
                self._free.release()
            result.map_id, result.revision = done.map_id, done.revision
            result.n_instances = done.n_instances
            result.n_encoded, result.duration_s = done.n_encoded, done.duration_s

        return _finish(goal, carry_out(Refresh.Result(), work, self._logger))

    def _refresh(self, goal: ServerGoalHandle[Any, Any, Any]) -> Refreshed:
        force, report = goal.request.force, _Feedback(goal)
        return _wait(self._mapping().refresh(force, report, lambda: _canceled(goal)), goal)


def _finish(goal: ServerGoalHandle[Any, Any, Any], result: Any) -> Any:
    """Bring the goal into the end state that the result's code asks for."""
    if result.error_code == Error.NONE:
        goal.succeed()
    elif result.error_code == Error.CANCELED and _canceled(goal):
        goal.canceled()
    else:
        goal.abort()
    return result


class _Feedback:
    """Publishes progress, the first step of a stage at once and the others at a bounded rate."""

    def __init__(self, goal: ServerGoalHandle[Any, Any, Any]):
        self._goal = goal
        self._stage = ""
        self._last = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage or now - self._last >= FEEDBACK_PERIOD_S:
            self._stage, self._last = stage, now
            self._goal.publish_feedback(Refresh.Feedback(stage=stage, done=done, total=total))


def _canceled(goal: ServerGoalHandle[Any, Any, Any]) -> bool:
    return bool(goal.is_cancel_requested)


def _wait(future: Future[Refreshed], goal: ServerGoalHandle[Any, Any, Any]) -> Refreshed:
    while True:
        try:
            return future.result(POLL_S)
        except TimeoutError:
            if future.done():
                return future.result()
            if _canceled(goal):
                future.cancel()
