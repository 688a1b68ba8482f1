"""docs/limits.md says what the code does."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROW = re.compile(r"\| .+ \| (?P<limit>[\d,]+)(?P<unit>| [MG]iB) \| `(?P<name>[\w.]+)` \|")
UNITS = {"": 1, " MiB": 1 << 20, " GiB": 1 << 30}
TEXT = (Path(__file__).parents[2] / "docs/limits.md").read_text().split("\n## ")[0]
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ")][1:]


def test_every_row_names_a_constant() -> None:
    assert len(ROWS) > 30 and all(ROW.fullmatch(row) for row in ROWS[1:]), ROWS


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row.split("`")[1])
def test_a_limit_is_that_of_the_code(row: str) -> None:
    found = ROW.fullmatch(row)
    assert found is not None
    module, _, constant = found["name"].rpartition(".")
    value = getattr(importlib.import_module(module), constant)
    assert int(found["limit"].replace(",", "")) * UNITS[found["unit"]] == value
