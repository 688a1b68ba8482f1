"""A command for one scene that does what it is told: ``main([NAME, WHAT, ...])``.

``killed`` and ``worker_killed`` happen once for a marker file; the latter ends the process that
started this one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from om3d_core.errors import SourceError


def main(argv):
    name, *told = argv
    what = told[0] if told else "done"
    print("some words first")
    print(f"{name} begins", file=sys.stderr)
    if what == "refused":
        raise SourceError(f"{name}: expected a scene, found none")
    if what == "broken":
        raise ZeroDivisionError("a fault of ours")
    if what == "left":
        os._exit(7)
    if what == "slow":
        Path(told[1]).write_text(str(os.getpid()))
        Path(tempfile.mkdtemp(), "spool").write_text("bytes")
        time.sleep(100)
    if what == "always_killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what in {"killed", "worker_killed"} and not Path(told[1]).exists():
        Path(told[1]).touch()
        os.kill(os.getpid() if what == "killed" else os.getppid(), signal.SIGKILL)
        time.sleep(100)
    threads = os.environ["OMP_NUM_THREADS"]
    print(json.dumps({"name": name, "threads": threads, "cwd": os.getcwd()}))
    return 4 if what == "status" else 0
