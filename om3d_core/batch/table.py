"""The table of a batch, a row a scene: for people, spreadsheets, pages and programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from om3d_core.batch.jobs import DONE, Outcome
from om3d_core.data.text import one_line
from om3d_core.files import write_atomically

Row = dict[str, Any]
MEASURED = ("attempts", "seconds", "cpu_s", "peak_mb")


def rows_of(outcomes: Sequence[Outcome], columns: Sequence[str]) -> list[Row]:
    """A row an outcome: scene, state, the ``columns`` of its summary, what it took, the error.

    A value that a scene does not have is None.
    """
    return [
        {
            "scene": outcome.name, "state": outcome.state,
            **{name: outcome.summary.get(name) for name in columns},
            **{name: getattr(outcome, name) for name in MEASURED}, "error": outcome.error,
        }
        for outcome in outcomes
    ]  # fmt: skip


def write_tables(folder: Path, rows: Sequence[Row]) -> None:
    """Write ``table.json``, ``table.csv`` and ``table.md``, each whole. Raises OSError."""
    contents = {"json": as_json(rows), "csv": as_csv(rows), "md": as_markdown(rows)}
    for suffix, content in contents.items():
        write_atomically(folder / f"table.{suffix}", content.encode())


def as_json(rows: Sequence[Row]) -> str:
    """``scenes``, the rows, and how many are done and failed."""
    done = sum(row["state"] == DONE for row in rows)
    counts = {"done": done, "failed": len(rows) - done}
    return json.dumps({**counts, "scenes": list(rows)}, indent=1)


def as_csv(rows: Sequence[Row]) -> str:
    """RFC 4180, the names of the columns first."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(rows[0] if rows else ())
    writer.writerows([text_of(value) for value in row.values()] for row in rows)
    return text.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """A table of GitHub's Markdown."""
    lines: list[Mapping[str, Any]] = [dict.fromkeys(rows[0], "---"), *rows] if rows else []
    cells = [[text_of(value).replace("|", "\\|") for value in line.values()] for line in lines]
    head = [list(rows[0])] if rows else []
    return "".join(f"| {' | '.join(line)} |\n" for line in [*head, *cells])


def text_of(value: object) -> str:
    """A value for a cell, on one line; empty for None and for nothing."""
    if value is None or value == {}:
        return ""
    if isinstance(value, dict):
        return one_line(", ".join(f"{number} {name}" for name, number in value.items()))
    return f"{value:.1f}" if isinstance(value, float) else one_line(str(value))
