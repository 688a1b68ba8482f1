"""``om3d run A B C``: a map each, one table, going on, stopping."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers.worlds import tabletop, write_folder

from om3d_core.commands import run_many
from om3d_core.commands.run import main
from om3d_core.data.scene_store import load_scene
from om3d_core.errors import InputError, SettingsError

FAST = ("--fusion.voxel_m", "0.03", "--crops.levels", "1", "--views.top_k", "1")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Two scenes, and one that is none."""
    folder = tmp_path_factory.mktemp("scenes")
    for name in ("a", "b"):
        write_folder(folder / name, tabletop(3, 160, 120))
    (folder / "c").mkdir()
    return [str(folder / name) for name in "abc"]


def test_maps_a_table_and_going_on(scenes, tmp_path, capsys, monkeypatch):
    command = [scenes[0], scenes[2], "-o", str(tmp_path), *FAST, "--workers", "2"]
    assert main([*command, "--json"]) == 1
    printed = capsys.readouterr()
    table = json.loads(printed.out)
    assert (table["done"], table["failed"]) == (1, 1)
    assert "om3d: c failed:" in printed.err and "found an empty folder" in printed.err
    row, found = table["scenes"][0], load_scene(tmp_path / "a" / "map")
    assert row["points"] == len(found.cloud) and row["frames"] == 3
    assert row["instances"] + row["structure"] == len(found) > 0
    assert row["seconds"] > 0 and row["peak_mb"] > 50
    assert json.loads((tmp_path / "table.json").read_text()) == table

    before = (tmp_path / "a" / "map" / "map.json").read_bytes()
    assert main(command) == 1
    printed = capsys.readouterr()
    assert "1 of 2 scenes are done already" in printed.err
    assert [line.split()[:2] for line in printed.out.splitlines()[-3:-1]] == [
        ["a", "done"], ["c", "failed"],
    ]  # fmt: skip
    assert (tmp_path / "a" / "map" / "map.json").read_bytes() == before

    with monkeypatch.context() as patch:
        patch.setattr(run_many, "MODULE", "helpers.batch_command")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        assert main([*scenes[:2], *command[2:], "--views.top_k", "2"]) == 0
    assert "done already" not in capsys.readouterr().err, "other settings, other maps"
    assert (tmp_path / "a" / "log.txt").read_text() == f"{scenes[0]} begins\n"


def test_an_interrupt_ends_all_and_is_no_failure(scenes, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-m", "om3d_core.cli", "run", *scenes[:2], "-o", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 120
        while not (tmp_path / "a" / "log.txt").exists():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130 and out == ""
    assert "0 of 2 scenes are done; the same command goes on with the others" in err
    assert "failed" not in err and "Traceback" not in err
    assert not (tmp_path / "a" / "result.json").exists()


def test_what_is_for_one_scene_is_refused_for_several_and_the_reverse(scenes, tmp_path):
    for flag in ("--onto", "--stats", "--pictures"):
        with pytest.raises(SettingsError, match=f"{flag}: expected one scene with it, got 2"):
            main([*scenes[:2], "-o", str(tmp_path), flag, str(tmp_path)])
    with pytest.raises(InputError, match="different scenes"):
        main([scenes[0], scenes[0], "-o", str(tmp_path)])
    with pytest.raises(SettingsError, match="ray: expected several scenes, got one"):
        main([scenes[0], "-o", str(tmp_path), "--ray", "local"])
    with pytest.raises(SettingsError, match="retries: expected 0 .. 100"):
        main([*scenes[:2], "-o", str(tmp_path), "--retries", "-1"])
    assert list(tmp_path.iterdir()) == []
