"""The executor of the nodes: input is taken where it is found, long requests have threads."""

from __future__ import annotations

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.context import Context
from rclpy.exceptions import InvalidHandle
from rclpy.executors import (
    ConditionReachedException,
    Executor,
    ShutdownException,
    TimeoutException,
)
from rclpy.logging import get_logger
from rclpy.task import Future, Task

MAX_THREADS, START_S = 16, 5.0


class OneAtATime(MutuallyExclusiveCallbackGroup):
    """Callbacks that may take long: they run in a thread, one at a time."""


class NodeExecutor(Executor):
    """Runs callbacks in the spinning thread, except those that may take long.

    These are the ones in a group :class:`OneAtATime` and the goals of actions. To hand every
    message to a pool, as rclpy's MultiThreadedExecutor does, takes several turns at the
    interpreter's lock a message; beside a busy worker thread the inputs then starve.
    """

    def __init__(self, context: Context | None = None):
        super().__init__(context=context)
        self._pool = ThreadPoolExecutor(MAX_THREADS, "request")
        self._handed_over: set[Task[Any]] = set()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Run or hand over one callback; raises what it raises if it ran here."""
        self._work(timeout_sec)

    def spin_once_until_future_complete(
        self, future: Future[Any], timeout_sec: Any = None
    ) -> None:
        """As :meth:`spin_once`, but return as soon as ``future`` is done."""
        future.add_done_callback(lambda _: self.wake())
        self._spin_once_until_future_complete(future, timeout_sec)

    def _spin_once_until_future_complete(
        self, future: Future[Any], timeout_sec: Any = None
    ) -> None:
        self._work(timeout_sec, None, future.done)

    def _work(self, *wait: Any) -> None:
        """Take care of one callback that is ready; ``wait`` says how long to wait for one."""
        try:
            handler, entity, _ = self.wait_for_ready_callbacks(*wait)
        except (ShutdownException, TimeoutException, ConditionReachedException):
            return
        if entity is None or isinstance(entity.callback_group, OneAtATime):
            self._hand_over(handler)
            return
        handler()
        try:
            handler.result()
        except InvalidHandle:
            return  # destroyed after it was found ready

    def shutdown(self, timeout_sec: float | None = None, *, wait_for_threads: bool = True) -> bool:
        """Stop; what runs in threads is waited for unless ``wait_for_threads`` is false."""
        done = super().shutdown(timeout_sec)
        self._pool.shutdown(wait=wait_for_threads, cancel_futures=True)
        return done

    def _hand_over(self, handler: Task[Any]) -> None:
        """Give ``handler`` to a thread and wait until that runs: it would be found again."""
        self._handed_over = {task for task in self._handed_over if not task.done()}
        if handler in self._handed_over:
            return
        self._handed_over.add(handler)
        began = threading.Event()

        def work() -> None:
            began.set()
            handler()
            if (error := handler.exception()) is not None:
                trace = "".join(traceback.format_exception(error))
                get_logger("executor").error(f"a request failed: {trace}")

        self._pool.submit(work)
        began.wait(START_S)
