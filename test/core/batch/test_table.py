"""The table: each of its forms is read back."""

from __future__ import annotations

import csv
import json

from om3d_core.batch.jobs import Outcome
from om3d_core.batch.table import as_csv, as_json, as_markdown, rows_of, write_tables

OUTCOMES = [
    Outcome("a", "done", 1, 1.25, 2.0, 99.96, {"points": 7, "skipped": {"late": 2, "dark": 1}}),
    Outcome("b|c", "failed", 2, error='expected "x",\n\x1b[31mgot y'),
]


def test_every_form_holds_the_same(tmp_path):
    rows = rows_of(OUTCOMES, ("points", "skipped"))
    write_tables(tmp_path, rows)
    content = json.loads((tmp_path / "table.json").read_text())
    assert (content["done"], content["failed"]) == (1, 1) and content["scenes"] == rows
    assert content["scenes"][1]["points"] is None
    first, second = csv.DictReader((tmp_path / "table.csv").read_text().splitlines())
    assert first["skipped"] == "2 late, 1 dark" and first["peak_mb"] == "100.0"
    assert second["error"] == 'expected "x", [31mgot y' and second["points"] == ""
    head, ruler, *lines = (tmp_path / "table.md").read_text().splitlines()
    assert head.startswith("| scene | state | points |") and set(ruler) <= set("| -")
    assert lines[1].startswith(r"| b\|c | failed |  |") and len(lines) == 2


def test_a_table_of_nothing():
    assert as_markdown([]) == "" and as_csv([]).strip() == "" and "scenes" in as_json([])
