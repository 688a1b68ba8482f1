"""``om3d bench``: what is printed, written and kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers.worlds import tabletop, write_folder

from om3d_core import cli
from om3d_core.bench.history import read_history
from om3d_core.bench.rows import SPECS, CannotMeasureError, measured
from om3d_core.commands import bench


def cannot(workbench):
    raise CannotMeasureError("no such thing here")


def interrupting(workbench):
    os.kill(os.getpid(), signal.SIGINT)
    workbench.job.step("long work", 0, 1)
    raise AssertionError("went on after Ctrl-C")


def slow(workbench):
    workbench.add_curve("cost: ms against points", "om3d", [(1.0, 1.0), (2.0, 2.0)])
    return measured("P1", "times faster", 3, note="x")


@pytest.fixture
def measures(monkeypatch):
    """Rows that take no time; others cannot be measured."""
    fast = {
        **{spec.id: cannot for spec in SPECS if not spec.needs_nodes},
        "P1": slow,
        "P3": lambda b: measured("P3", "encodings", 1),
        "P4": interrupting,
    }
    monkeypatch.setattr(bench, "CORE", fast)
    return fast


def test_rows_are_printed_as_json(measures, capsys):
    assert bench.main(["--json", "--only", "views,P3,P7"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(r["id"], r["verdict"]) for r in rows] == [
        ("P1", "fail"), ("P2", "not run"), ("P3", "pass"), ("P7", "not run")
    ]
    assert rows[1]["why"] == "no such thing here" and "ROS 2" in rows[3]["why"]


def test_rows_are_printed_as_a_table(measures, capsys):
    assert bench.main(["--only", "P1,P3"]) == 0
    out = capsys.readouterr().out
    assert "P1" in out and "fail" in out and "1 pass, 1 fail, 0 not run" in out


def test_rows_of_the_nodes_are_measured_where_there_are_some(measures, capsys):
    nodes = {"P17": lambda b: measured("P17", "largest answer", 5)}
    assert bench.main(["--json", "--only", "P16,P17"], nodes) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [r["verdict"] for r in rows] == ["not run", "pass"]


def test_an_interrupt_keeps_the_rows_measured_so_far(measures, capsys, tmp_path):
    history = tmp_path / "history.jsonl"
    status = bench.main(["--json", "--only", "P3,P4,P5", "--history", str(history)])
    assert status == 130
    rows = json.loads(capsys.readouterr().out)
    assert [r["verdict"] for r in rows] == ["pass", "not run", "not run"]
    assert read_history(history)[0]["rows"] == rows


def test_a_damaged_history_is_told_before_anything_is_measured(measures, tmp_path, capsys):
    history = tmp_path / "history.jsonl"
    history.write_text("not json\n")
    measures["P3"] = lambda b: pytest.fail("measured")
    assert cli.main(["bench", "--only", "P3", "--history", str(history)]) == 2
    assert "line 1: expected a run" in capsys.readouterr().err
    assert history.read_text() == "not json\n"


def test_a_folder_gets_the_rows_and_the_curves(measures, tmp_path):
    out = tmp_path / "a" / "b"
    bench.main(["--only", "P1", "--out", str(out)])
    content = json.loads((out / "rows.json").read_text())
    assert content["rows"][0]["details"]["note"] == "x" and content["scene"] == "synthetic room"
    assert content["curves"]["cost: ms against points"]["om3d"] == [[1.0, 1.0], [2.0, 2.0]]
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("only", ["P99", ","])
def test_rows_that_do_not_exist_are_told(only, capsys):
    assert cli.main(["bench", "--only", only]) == 2
    assert "expected ids P1 to P18 or stages" in capsys.readouterr().err


def test_one_frame_is_not_enough(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--max_frames", "1"])
    assert "at least 2 frames, got '1'" in capsys.readouterr().err


def test_ctrl_c_in_a_real_run_ends_it_with_its_rows(tmp_path):
    """Once the mapping process is there, which is ended, too."""
    scene = write_folder(tmp_path / "scene", tabletop(3, 80, 60))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "om3d_core.cli", "bench", "--json", "--only", "P9,P12",
         "--scene", str(scene)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    while not list(temporary.glob("om3d-bench-*/mapping.log")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert [(r["id"], r["why"]) for r in json.loads(out)] == [
        ("P9", "interrupted"), ("P12", "interrupted")
    ]
    assert process.returncode == 130 and not list(temporary.iterdir())
