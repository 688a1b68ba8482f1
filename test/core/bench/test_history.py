"""The file of runs: one line more each time, never one less."""

from __future__ import annotations

import json
import os

import pytest

from om3d_core.bench.history import append_run, read_history
from om3d_core.bench.rows import measured
from om3d_core.errors import InputError

MACHINE = {"cpu": "a processor", "cores": 2}


def append(path, value=1.0, date="2026-01-02T03:04:05+00:00"):
    append_run(path, [measured("P3", "it", value)], date, MACHINE, "room")


def test_each_run_is_a_line_after_the_others(tmp_path):
    path = tmp_path / "history.jsonl"
    assert read_history(path) == []
    append(path, 1.0)
    first = path.read_bytes()
    append(path, 2.0)
    assert path.read_bytes().startswith(first)
    runs = read_history(path)
    assert [run["rows"][0]["value"] for run in runs] == [1.0, 2.0]
    assert runs[0]["machine"] == MACHINE and runs[0]["date"] == "2026-01-02T03:04:05+00:00"
    assert runs[0]["scene"] == "room"
    assert [json.loads(line) for line in path.read_text().splitlines()] == runs


def test_a_line_without_an_end_is_not_run_into(tmp_path):
    path = tmp_path / "history.jsonl"
    append(path)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    append(path)
    assert len(read_history(path)) == 2


def test_the_rights_of_the_file_stay(tmp_path):
    path = tmp_path / "history.jsonl"
    append(path)
    os.chmod(path, 0o600)
    append(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "damage", [b'{"date": "20', b"[1, 2]\n", b'{"rows": []}\n', b"\xff\n"]
)
def test_a_damaged_history_is_told_and_left_as_it_is(tmp_path, damage):
    path = tmp_path / "history.jsonl"
    append(path)
    content = path.read_bytes() + damage
    path.write_bytes(content)
    with pytest.raises(InputError, match="history.jsonl") as caught:
        append(path)
    assert path.read_bytes() == content
    if damage != b"\xff\n":
        assert "line 2: expected a run" in str(caught.value)
