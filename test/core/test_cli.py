"""The command line, run as a user runs it."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.worlds import tabletop, write_folder

from om3d_core import cli
from om3d_core.commands.console import interruptible
from om3d_core.commands.run import read_frames
from om3d_core.data.scene_store import load_scene
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.progress import silent
from om3d_core.sources.folder import FolderSource

FAST = ("--fusion.voxel_m", "0.02", "--crops.levels", "1", "--views.top_k", "2")


def om3d(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "om3d_core.cli", *map(str, arguments)],
        capture_output=True, text=True, timeout=200, **options,
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("scene") / "room", tabletop(10, 320, 240))


@pytest.fixture(scope="module")
def built(scene, tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps") / "map"
    result = om3d("run", scene, "--out", folder, "--json", *FAST)
    assert result.returncode == 0, result.stderr
    return folder, json.loads(result.stdout)


def test_run_builds_a_map_with_the_boxes_in_it(built):
    folder, summary = built
    assert summary["frames"] == summary["keyframes"] == 10 and summary["skipped"] == {}
    assert summary["instances"] >= 3 and summary["structure"] >= 1
    found = load_scene(folder)
    objects = [found.boxes[i] for i in np.flatnonzero(~found.masks.structure)]
    for center in [(-0.3, 0.0, 0.78), (0.05, 0.15, 0.82), (0.35, -0.1, 0.76)]:
        near = [box for box in objects if np.linalg.norm(box.center - center) < 0.06]
        assert near and min(box.size.max() for box in near) < 0.35


def test_refreshes_on_the_way_are_written_down_and_end_in_the_same_map(built, scene, tmp_path):
    stats, pictures = tmp_path / "stats.jsonl", tmp_path / "pictures"
    result = om3d("run", scene, "-o", tmp_path / "map", "--refresh_every", "4", "--stats", stats,
                  "--pictures", pictures, *FAST)
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in stats.read_text().splitlines()]
    assert [row["frames"] for row in rows] == [4, 8, 10]
    assert rows[0]["ids_before"] == 0 and rows[-1]["ids_before"] >= rows[-1]["ids_kept"] > 0
    for row in rows:
        assert row["crops"] > 0 and set(row["seconds"]) >= {"fuse", "masks", "encode"}
        assert sum(row["seconds"].values()) <= row["total_s"] + 0.1 and row["rss_mb"] > 100
    drawn = sorted(pictures.iterdir())
    assert [path.name for path in drawn] == ["000004.png", "000008.png", "000010.png"]
    assert len({path.read_bytes() for path in drawn}) == 3
    once, often = load_scene(built[0]), load_scene(tmp_path / "map")
    assert rows[-1]["instances"] == len(once) == len(often)
    assert np.array_equal(once.cloud.points, often.cloud.points)
    assert np.array_equal(once.features[0].vectors, often.features[0].vectors)


def test_a_run_goes_on_from_a_saved_map(built, scene, tmp_path):
    half, rest = tmp_path / "half", tmp_path / "rest"
    write_folder(half, tabletop(10, 320, 240)[:4])
    assert om3d("run", half, "-o", tmp_path / "first", *FAST).returncode == 0
    result = om3d("run", scene, "--onto", tmp_path / "first", "-o", rest, *FAST)
    assert result.returncode == 0, result.stderr
    once, gone_on = load_scene(built[0]), load_scene(rest)
    assert np.array_equal(once.cloud.points, gone_on.cloud.points)
    assert np.array_equal(once.features[0].vectors, gone_on.features[0].vectors)
    assert gone_on.revision == 2 and gone_on.next_id >= once.next_id


def test_a_map_is_encoded_anew_and_says_so_where_it_cannot_be(built, scene, tmp_path):
    out = tmp_path / "again"
    result = om3d("embed", built[0], "-o", out, "--crops.levels", "1")
    assert result.returncode == 0 and "lite-text@1" in result.stdout, result.stderr
    once, again = load_scene(built[0]), load_scene(out)
    assert np.array_equal(once.features[0].vectors, again.features[0].vectors)
    bare = tmp_path / "bare"
    assert om3d("run", scene, "-o", bare, "--save.keyframes", "false", *FAST).returncode == 0
    before = (bare / "map.json").read_bytes()
    result = om3d("embed", bare)
    assert result.returncode == 2 and "save.keyframes" in result.stderr
    assert (bare / "map.json").read_bytes() == before


def test_query_answers_as_json_as_a_table_and_as_a_picture(built, scene, tmp_path):
    folder, _ = built
    picture = tmp_path / "answer.png"
    result = om3d("query", folder, "a red box", "--json", "--top_k", "2", "--picture", picture)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert [m["rank"] for m in answer["matches"]] == [1, 2]
    assert {"id", "similarity", "score", "probability", "present", "box"} <= set(
        answer["matches"][0])
    assert cv2.imread(str(picture)).shape[2] == 3
    table = om3d("query", folder, "--image", scene / "color/0.png", "--top_k", "2")
    assert table.returncode == 0 and "similarity" in table.stdout
    assert "0.png: " in table.stdout and len(table.stdout.strip().splitlines()) == 6


def test_a_question_with_escape_sequences_and_markup_is_shown_as_it_reads(built):
    folder, _ = built
    result = om3d("query", folder, "\x1b[31m\x9b2J\x07a [bold]red box")
    assert result.returncode == 0 and "a [bold]red box: " in result.stdout
    assert not any(mark in result.stdout for mark in "\x1b\x9b\x07")
    error = om3d("query", f"{folder}\x1b[31m", "a mug").stderr
    assert "[31m: expected a map" in error and "\x1b" not in error


def test_a_map_moves_with_its_folder(built, tmp_path):
    folder, _ = built
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    subprocess.run(["cp", "-r", str(folder) + "/.", str(moved)], check=True)
    first, second = (om3d("query", f, "a box", "--json").stdout for f in (folder, moved))
    assert json.loads(first) == json.loads(second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("frobnicate",), "unknown command 'frobnicate'"),
        (("run", "/nonexistent", "-o", "{out}"), "expected a rosbag2 folder"),
        (("run", "{scene}", "-o", "{scene}"), "expected a map or an empty folder"),
        (("run", "{scene}", "-o", "{out}", "--views.top_k", "0"), "top_k: expected 1"),
        (("query", "{scene}", "mug"), "found no map.json"),
        (("query", "{map}", ""), "expected"),
        (("query", "{map}", "--image", "{scene}/pose/0.txt"), "expected a picture"),
        (("query", "{map}", "mug", "--top_k", "0"), "top_k"),
        (("query", "{map}", "mug", "--picture", "{out}/a.png"), "expected a folder that exists"),
        (("run", "{scene}", "-o", "{map}/map.json/a"), "expected a folder for the map"),
        (("run", "{scene}"), "the following arguments are required: -o"),
        (("eval-masks", "{map}", "{map}"), "found no scene.json"),
        (("eval-queries", "{map}", "{out}"), "out: expected a file of queries: No such file"),
    ],
)
def test_errors_are_one_line_without_a_traceback(built, scene, tmp_path, arguments, message):
    names = {"scene": scene, "map": built[0], "out": tmp_path / "out"}
    result = om3d(*(a.format(**names) for a in arguments))
    assert result.returncode == 2
    assert message in result.stderr and "Traceback" not in result.stderr
    assert "--views" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_queries_are_judged_by_the_instances_of_the_ground_truth(built, tmp_path):
    """A truth whose one thing is what the map answers to the question, and another at its side."""
    folder, _ = built
    found = load_scene(folder)
    first = json.loads(om3d("query", folder, "a box", "--json").stdout)["matches"][0]["id"]
    row = int(np.flatnonzero(found.ids == first)[0])
    instance = np.zeros(len(found.cloud), int)
    instance[found.masks[row]] = 7
    instance[::50] = 8
    truth, queries = tmp_path / "truth", tmp_path / "queries.json"
    truth.mkdir()
    np.savez(truth / "ground_truth.npz", points=found.cloud.points, instance=instance)
    things = [{"id": i, "class": "thing", "structure": False} for i in (7, 8)]
    (truth / "scene.json").write_text(json.dumps({"instances": things}))
    at = {"positions": [[9, 9, 9]], "radius": 0.1, "max_extent": 0.1}
    queries.write_text(json.dumps({"queries": [
        {"text": "a box", "instances": [7], **at}, {"text": "a box", "instances": [8]},
    ]}))
    result = om3d("eval-queries", folder, queries, "--json", "--ground-truth", truth)
    assert result.returncode == 0, result.stderr
    quality = json.loads(result.stdout)
    assert [q["right"] for q in quality["queries"]] == [True, False]
    assert quality["attainable"] == 0.5
    (truth / "queries.json").write_text(queries.read_text())
    several = (folder, truth / "queries.json") * 2
    result = om3d("eval-queries", *several, "--parts", "--json")
    told = json.loads(result.stdout)
    assert set(told) > {"none of these", "detections only", "all but language", "all"}
    assert all(len(of_maps) == 2 and of_maps[0] == of_maps[1] for of_maps in told.values())
    assert told["all"][0] == quality
    result = om3d("eval-queries", *several)
    assert result.stdout.count("0.50 / 0.50 / 0.50") == 3, result.stdout
    without = om3d("eval-queries", folder, queries)
    assert without.returncode == 2 and "--ground-truth" in without.stderr


def test_interrupting_while_frames_are_read_maps_what_was_read(scene):
    mapper = Mapper(MapSettings(), BoxProposer(), [ColorEncoder()])
    read = itertools.count(1)
    read_frames(FolderSource(scene), mapper, silent, stopped=lambda: next(read) == 4)
    assert mapper.n_keyframes == 4
    assert len(mapper.refresh()) == 4


def test_the_first_interrupt_asks_and_the_second_stops():
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("interrupted", [True, False])
def test_an_interrupt_while_modules_are_loaded_is_no_failed_import(interrupted, monkeypatch,
                                                                   capsys):
    def load(name):
        raise ImportError("initialization failed") from (
            KeyboardInterrupt() if interrupted else OSError()
        )

    monkeypatch.setattr(cli, "_command", load)
    if interrupted:
        assert cli.main(["run"]) == 130 and capsys.readouterr().err == "om3d: interrupted\n"
    else:
        with pytest.raises(ImportError):
            cli.main(["run"])


def test_help_groups_the_commands_by_what_one_wants_to_do():
    result = om3d("--help")
    assert result.returncode == 0
    groups = [part.splitlines() for part in result.stdout.split("\n\n")[1:-1]]
    listed = {title: [row.split()[0] for row in rows] for title, *rows in groups}
    assert listed == {
        "try it:": ["demo"],
        "make a map and ask it:": ["doctor", "run", "query", "embed", "export"],
        "record, and play through the nodes:": ["synth", "bag", "convert", "replay"],
        "measure:": [
            "eval-masks", "eval-queries", "eval-names", "eval-verdicts", "paper-tables", "bench",
        ],
        "get and train networks:": ["models", "train-proposals"],
    }
    assert max(map(len, result.stdout.splitlines())) < 80
    assert "--views.top_k" in om3d("run", "--help").stdout


@pytest.mark.parametrize(
    "command", ["run", "export", "train-proposals", "paper-tables", "replay", "demo"]
)
def test_every_output_is_named_alike(command):
    """As Python 3.11 and 3.12 print it, and as 3.13 does."""
    shown = om3d(command, "--help").stdout
    assert "-o OUT, --out OUT" in shown or "-o, --out OUT" in shown
    assert "--output" not in shown


def test_a_reader_that_leaves_early_is_no_error_of_ours():
    command = f"{sys.executable} -m om3d_core.cli run --help | head -1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert result.stdout.startswith("usage: om3d run") and result.stderr == ""
