"""A file of JSON lines, one a run: rows, machine and date."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from om3d_core.bench.rows import Row
from om3d_core.errors import InputError
from om3d_core.files import naming, read_regular, write_atomically

KEYS = {"date", "machine", "rows"}
MAX_BYTES = 1 << 26


def read_history(path: Path) -> list[dict[str, Any]]:
    """The runs in a file, none if there is no file.

    Raises :class:`InputError` that names the line which is not a run, and OSError.
    """
    if not path.exists():
        return []
    try:
        text = read_regular(path, MAX_BYTES).decode("utf-8")
    except ValueError as error:
        raise InputError(f"{path}: expected a history of at most {MAX_BYTES} bytes of text, got "
                         f"{error}") from error
    runs = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            run = json.loads(line)
        except ValueError as error:
            raise _damaged(path, number, str(error)) from error
        if not isinstance(run, dict) or not set(run) >= KEYS:
            raise _damaged(path, number, "something else")
        runs.append(run)
    return runs


def append_run(
    path: Path, rows: Sequence[Row], date: str, machine: dict[str, Any], scene: str
) -> None:
    """Add a run at the end of a history, which is made if it is not there.

    date: when it was, ISO 8601. scene: what was measured on. A file that is no history is left as
    it is; raises as :func:`read_history`.
    """
    read_history(path)
    kept = read_regular(path, MAX_BYTES) if path.exists() else b""
    if kept and not kept.endswith(b"\n"):
        kept += b"\n"
    run = {
        "date": date, "machine": machine, "scene": scene, "rows": [row.to_json() for row in rows]
    }  # fmt: skip
    with naming(path):
        mode = os.stat(path).st_mode & 0o777 if path.exists() else None
        write_atomically(path, kept + json.dumps(run).encode() + b"\n")
        if mode is not None:
            os.chmod(path, mode)


def _damaged(path: Path, number: int, got: str) -> InputError:
    return InputError(
        f"{path}: line {number}: expected a run as JSON with {', '.join(sorted(KEYS))}, got {got};"
        " the file is left as it is: name another one, or mend it"
    )
