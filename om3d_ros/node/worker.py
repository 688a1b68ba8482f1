"""A thread that runs jobs in the order of their arrival."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from om3d_core.errors import Om3dError

T = TypeVar("T")
MAX_REQUESTS = 32
# By how much less a worker, and each thread that it starts, is favored by the scheduler than
# the threads that receive messages: computing may take every core.
NICENESS = 10


class BusyError(Om3dError):
    """Too many requests wait for the worker, or it has been stopped."""


@dataclass(frozen=True)
class WorkerState:
    """A snapshot: jobs that wait, whether one runs, and how many were dropped or failed."""

    depth: int
    busy: bool
    dropped: int
    failed: int


@dataclass(frozen=True)
class _Entry:
    job: Callable[[], Any]
    future: Future[Any] | None


class Worker:
    """Runs inputs, which may be dropped, and requests, which may not, first come first served.

    A job that raises never ends the thread: the error of an input goes to ``on_error``, that of
    a request into its future.
    """

    def __init__(self, name: str, capacity: int, on_error: Callable[[Exception], None]):
        self._capacity = capacity
        self._on_error = on_error
        self._entries: deque[_Entry] = deque()
        self._changed = threading.Condition()
        self._inputs = 0
        self._busy = False
        self._stopping = False
        self._dropped = 0
        self._failed = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def state(self) -> WorkerState:
        """What the worker is doing now."""
        with self._changed:
            return WorkerState(len(self._entries), self._busy, self._dropped, self._failed)

    def set_capacity(self, capacity: int) -> None:
        """Change how many inputs may wait; takes effect with the next :meth:`offer`."""
        with self._changed:
            self._capacity = capacity

    def offer(self, job: Callable[[], Any]) -> bool:
        """Queue an input; say False if the oldest waiting input was dropped for it."""
        with self._changed:
            if self._stopping:
                return False
            full = self._inputs >= self._capacity
            if full:
                oldest = next(entry for entry in self._entries if entry.future is None)
                self._entries.remove(oldest)
                self._dropped += 1
            else:
                self._inputs += 1
            self._entries.append(_Entry(job, None))
            self._changed.notify_all()
            return not full

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Queue a request; raises :class:`BusyError` if too many wait or the worker is stopped."""
        future: Future[T] = Future()
        with self._changed:
            waiting = len(self._entries) - self._inputs
            if self._stopping or waiting >= MAX_REQUESTS:
                raise BusyError(f"expected fewer than {MAX_REQUESTS} waiting requests, "
                                f"got {'a stopped worker' if self._stopping else waiting}")
            self._entries.append(_Entry(job, future))
            self._changed.notify_all()
        return future

    def discard_inputs(self) -> int:
        """Forget the inputs that wait and say how many there were; they count as dropped."""
        with self._changed:
            count = self._inputs
            self._entries = deque(entry for entry in self._entries if entry.future is not None)
            self._inputs = 0
            self._dropped += count
            return count

    def settled(self) -> None:
        """Wait until all that waits now is done; raises CancelledError if it is stopped."""
        self.submit(lambda: None).result()

    def stop(self) -> None:
        """End after the running job; waiting inputs are forgotten, waiting requests canceled."""
        with self._changed:
            self._stopping = True
            for entry in self._entries:
                if entry.future is not None:
                    entry.future.cancel()
            self._entries.clear()
            self._inputs = 0
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        _give_way()
        while (entry := self._next()) is not None:
            if entry.future is None or entry.future.set_running_or_notify_cancel():
                self._execute(entry)

    def _next(self) -> _Entry | None:
        with self._changed:
            self._busy = False
            while not self._entries and not self._stopping:
                self._changed.wait()
            if self._stopping:
                return None
            self._busy = True
            entry = self._entries.popleft()
            self._inputs -= entry.future is None
            return entry

    def _execute(self, entry: _Entry) -> None:
        try:
            result = entry.job()
        except Exception as error:
            with self._changed:
                self._failed += 1
            if entry.future is not None:
                entry.future.set_exception(error)
            else:
                self._report(error)
        else:
            if entry.future is not None:
                entry.future.set_result(result)

    def _report(self, error: Exception) -> None:
        try:
            self._on_error(error)
        except Exception:  # a broken log must not end the worker
            with self._changed:
                self._failed += 1


def _give_way() -> None:
    """Lower the priority of this thread, where the system has one for each thread."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        present = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, present + NICENESS)
