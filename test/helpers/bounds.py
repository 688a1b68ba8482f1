"""What reading a file made to harm may take, and that it is refused."""

from __future__ import annotations

import re
from pathlib import Path

from fuzz.judge import MAX_BYTES, MAX_SECONDS, judge
from fuzz.probe import Probe


def assert_refused(probe: Probe, reader: str, path: Path, message: str) -> None:
    """The file is refused within 1 s of CPU and 500 MB, by an error that names it and why."""
    result = probe.ask(reader, path)
    if judge(result) in ("slow", "large"):
        result = probe.ask(reader, path)  # The first of a kind also imports what reads it.
    assert result.outcome == "refused", result
    assert re.search(message, result.error), result.error
    assert result.seconds < MAX_SECONDS and result.bytes < MAX_BYTES, result


def assert_read(probe: Probe, reader: str, path: Path) -> None:
    """The file is read within 500 MB."""
    result = probe.ask(reader, path)
    assert result.outcome == "ok" and result.bytes < MAX_BYTES, result
