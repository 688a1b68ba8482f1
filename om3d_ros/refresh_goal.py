"""One goal of the action Refresh, from acceptance to result."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from om3d.action import Refresh
from om3d.msg import Error
from rclpy.action.server import ServerGoalHandle

from om3d_ros.mapping import Mapping, Refreshed
from om3d_ros.outcomes import carry_out

POLL_S = 0.05
FEEDBACK_PERIOD_S = 0.1


def carry_out_goal(
    goal: ServerGoalHandle[Any, Any, Any], mapping: Callable[[], Mapping], logger: Any
) -> Any:
    """Wait for the refresh of ``goal``, pass on its progress and obey its cancelation.

    ``mapping`` returns what does the work, or raises why there is none.
    """

    def work(result: Any) -> None:
        future = mapping().refresh(
            goal.request.force, _Feedback(goal), lambda: _canceled(goal)
        )
        done = _wait(future, goal)
        result.revision, result.n_instances = done.revision, done.n_instances
        result.n_encoded, result.duration_s = done.n_encoded, done.duration_s

    return _finish(goal, carry_out(Refresh.Result(), work, logger))


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
