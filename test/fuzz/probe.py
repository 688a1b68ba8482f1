"""The other end of :mod:`fuzz.worker`: asks, waits, and starts another one when one is lost."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

TESTS = Path(__file__).resolve().parents[1]
PATIENCE_S = 60.0


class Result(NamedTuple):
    """What came of reading a file.

    outcome: ok, refused (a typed error that names the file), nameless (one that does not),
    untyped, hung or crashed. seconds: of CPU. bytes: peak of memory beyond what was held before.
    """

    outcome: str
    seconds: float
    bytes: int
    error: str


class Probe:
    """One worker, started when it is first needed; a context manager."""

    def __init__(self, patience_s: float = PATIENCE_S):
        self._patience_s = patience_s
        self._worker: subprocess.Popen[str] | None = None

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, reader: str, path: Path, names: Sequence[str] = ()) -> Result:
        """What ``reader`` of :mod:`fuzz.readers` makes of ``path``.

        names: one of them must be part of an error's text; none: the name of the file.
        """
        worker = self._running()
        request = {"reader": reader, "path": str(path), "names": list(names) or [path.name]}
        answers: IO[str] = worker.stdout  # type: ignore[assignment]
        try:
            worker.stdin.write(json.dumps(request) + "\n")  # type: ignore[union-attr]
            worker.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            return self._lost("crashed")
        if not select.select([answers], [], [], self._patience_s)[0]:
            return self._lost("hung")
        line = answers.readline()
        return Result(**json.loads(line)) if line else self._lost("crashed")

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait()
            self._worker = None

    def _lost(self, outcome: str) -> Result:
        self.close()
        return Result(outcome, self._patience_s if outcome == "hung" else 0.0, 0, outcome)

    def _running(self) -> subprocess.Popen[str]:
        if self._worker is None:
            places = os.pathsep.join([str(TESTS.parent), str(TESTS), *sys.path])
            self._worker = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "fuzz.worker"], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1"},
            )
        return self._worker
