"""The process of one scene: ``python -m om3d_core.batch.child JOB``, JOB being JSON.

JOB has ``module`` and ``arguments`` of a command; a line of JSON is printed at the end, with its
``summary`` or its ``error``. The process ends with the one that started it, and when its input is
closed.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import sys
import threading
import traceback
from typing import Any

from om3d_core.bench.machine import peak_bytes
from om3d_core.errors import Om3dError, reason_of

MB = 1e6
ABANDONED = 3


def main(task: dict[str, Any]) -> None:
    """Run the command and print what came of it."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    result: dict[str, Any] = {"summary": {}, "error": ""}
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            status = importlib.import_module(task["module"]).main(task["arguments"])
        result["summary"] = json.loads(printed.getvalue().strip().rpartition("\n")[2])
        result["error"] = f"exit status {status}" if status else ""
    except (Om3dError, OSError) as error:
        result["error"] = str(error)
    except Exception as error:
        traceback.print_exc()
        result["error"] = f"{type(error).__name__}: {reason_of(error)}"
    result["cpu_s"] = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    result["peak_mb"] = peak_bytes() / MB
    print(json.dumps(result), flush=True)


def _follow_parent() -> None:
    """Leave at once when the other end of the input is closed."""
    while os.read(0, 1):
        pass
    os._exit(ABANDONED)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
