"""A process that reads what it is told to and says what came of it, a line of JSON each.

Its own process, so that a crash, a hang or a great appetite for memory ends nothing else.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

MAX_GROWTH_BYTES = 8 << 30
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def main() -> None:
    """Answer requests until there are no more."""
    from fuzz.readers import READERS
    from om3d_core.errors import Om3dError

    held = _memory("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (held + MAX_GROWTH_BYTES,) * 2)
    answers = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        path = Path(request["path"])
        before = _reset_peak()
        start = time.process_time()
        result: dict[str, Any] = {"outcome": "ok", "error": ""}
        try:
            READERS[request["reader"]](path)
        except Om3dError as error:
            named = any(name in str(error) for name in request["names"])
            result["outcome"] = "refused" if named else "nameless"
            result["error"] = f"{type(error).__name__}: {error}"
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            result["outcome"] = "untyped"
            result["error"] = f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"
        result["seconds"] = time.process_time() - start
        result["bytes"] = max(_memory("VmHWM") - before, 0)
        answers.write(json.dumps(result) + "\n")
        answers.flush()


def _reset_peak() -> int:
    """Start measuring the peak anew; what is held now, in bytes."""
    CLEAR.write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
