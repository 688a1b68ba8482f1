"""Jobs as processes of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

from om3d_core.batch.jobs import DONE, FAILED, LOG, Outcome, SceneJob

CHILD = "om3d_core.batch.child"
THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip


class Processes:
    """Runs ``workers`` jobs at a time, each in a process of ``threads`` threads.

    retries: how often a job is begun anew whose process was killed.
    """

    def __init__(self, workers: int, threads: int, retries: int):
        self._workers, self._threads, self._retries = workers, threads, retries
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    def run(self, jobs: Sequence[SceneJob]) -> Generator[Outcome, None, None]:
        """See :class:`om3d_core.batch.jobs.Runner`."""
        pool = ThreadPoolExecutor(self._workers)
        try:
            for future in as_completed([pool.submit(self.run_one, job) for job in jobs]):
                yield future.result()
        finally:
            self._stopped.set()
            with self._lock:
                for process in self._running:
                    process.kill()
            pool.shutdown(cancel_futures=True)

    def run_one(self, job: SceneJob) -> Outcome:
        """Run one job to its end."""
        outcome = Outcome(job.name, FAILED, 0)
        try:
            job.folder.mkdir(parents=True, exist_ok=True)
            for attempt in range(1, self._retries + 2):
                killed, outcome = self._attempt(job, attempt)
                if not killed or self._stopped.is_set():
                    break
        except OSError as error:
            return replace(outcome, error=str(error))
        return outcome

    def _attempt(self, job: SceneJob, attempt: int) -> tuple[bool, Outcome]:
        """Whether the process was killed, and what came of it.

        Its temporary files go with it, however it ends.
        """
        task = json.dumps({"module": job.module, "arguments": job.arguments})
        mode = "wb" if attempt == 1 else "ab"
        with TemporaryDirectory(prefix="om3d-scene-", ignore_cleanup_errors=True) as folder, (
            job.folder / LOG
        ).open(mode) as log:
            limits = {name: str(self._threads) for name in THREADS}
            began = time.monotonic()
            with subprocess.Popen(
                [sys.executable, "-m", CHILD, task],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, **limits, "TMPDIR": folder}, cwd=job.cwd,
                start_new_session=True,
            ) as process:  # fmt: skip
                printed = self._wait(process)
            seconds = time.monotonic() - began
        outcome = Outcome(job.name, FAILED, attempt, round(seconds, 3))
        result = _result_of(printed)
        if result is None:
            error = f"its process {_end_of(process.returncode)}, see {job.folder / LOG}"
            return process.returncode < 0, replace(outcome, error=error)
        return False, replace(
            outcome, state=FAILED if result["error"] else DONE, cpu_s=round(result["cpu_s"], 3),
            peak_mb=round(result["peak_mb"], 1), summary=result["summary"], error=result["error"],
        )  # fmt: skip

    def _wait(self, process: subprocess.Popen[bytes]) -> bytes:
        """What the process prints; its input stays open for as long as this one lives."""
        assert process.stdout is not None
        with self._lock:
            self._running.add(process)
            if self._stopped.is_set():
                process.kill()
        try:
            return process.stdout.read()
        finally:
            process.wait()
            with self._lock:
                self._running.discard(process)


def _end_of(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    number = -status
    why = ", perhaps for want of memory" if number == signal.SIGKILL else ""
    return f"was killed by {signal.Signals(number).name}{why}"


def _result_of(printed: bytes) -> dict[str, Any] | None:
    """The last line of a child's output; None where it did not come to it."""
    with suppress(ValueError):
        result = json.loads(printed.strip().rpartition(b"\n")[2])
        if isinstance(result, dict) and set(result) == {"summary", "error", "cpu_s", "peak_mb"}:
            return result
    return None
