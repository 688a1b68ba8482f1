"""A saved map comes back bit for bit, or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.scenes import assert_equal, make_scene

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.scene_store import load_scene, save_scene
from om3d_core.errors import MapFormatError


def test_load_gives_what_was_saved(tmp_path):
    scene = make_scene()
    save_scene(scene, tmp_path / "map")
    assert_equal(load_scene(tmp_path / "map"), scene)


VERSION_1 = {
    "lite-text@1": ("", "lite", ""),
    "lite-visual@1": ("", "lite", ""),
    "clip/openai/clip@01234567+whole-crop": ("openai/clip@0123456789", "clip", "whole-crop"),
    "siglip/so400m@01234567": ("/models/so400m", "siglip", "original"),
}


@pytest.mark.parametrize("name", VERSION_1)
def test_a_map_of_version_1_told_its_encoder_by_the_name_of_its_space(tmp_path, name):
    source, encoder, preprocessing = VERSION_1[name]
    scene = make_scene()
    save_scene(scene, tmp_path)
    data = json.loads((tmp_path / "map.json").read_text())
    old = {"name": name, "dim": 8, "text": True, "image": False, "source": source}
    (tmp_path / "map.json").write_text(json.dumps(data | {"version": 1, "spaces": [old]}))
    space = load_scene(tmp_path).features[0].space
    assert space == FeatureSpace(name, 8, True, False, source, encoder, preprocessing)
    save_scene(load_scene(tmp_path), tmp_path)
    assert json.loads((tmp_path / "map.json").read_text())["version"] == 2
    assert load_scene(tmp_path).features[0].space == space


def test_saving_again_replaces_and_leaves_one_content_folder(tmp_path):
    for seed in range(3):
        save_scene(make_scene(seed), tmp_path)
    assert_equal(load_scene(tmp_path), make_scene(2))
    assert len(list(tmp_path.glob("content-*"))) == 1


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(MapFormatError, match=r"found thesis\.tex"):
        save_scene(make_scene(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def damage(folder, how):
    manifest = folder / "map.json"
    arrays = next(folder.glob("content-*")) / "arrays.safetensors"
    data = json.loads(manifest.read_text())
    if how == "truncated arrays":
        arrays.write_bytes(arrays.read_bytes()[:-10])
    elif how == "flipped bit":
        blob = bytearray(arrays.read_bytes())
        blob[-5] ^= 1
        arrays.write_bytes(blob)
    elif how == "truncated manifest":
        manifest.write_bytes(manifest.read_bytes()[:100])
    elif how == "other version":
        manifest.write_text(json.dumps(data | {"version": 99}))
    elif how == "climbing content":
        manifest.write_text(json.dumps(data | {"content": "content-/../../etc"}))
    elif how == "missing key":
        del data["labels"]
        manifest.write_text(json.dumps(data))
    elif how == "wrong types":
        manifest.write_text(json.dumps(data | {"up": "north"}))
    elif how == "missing thumbnails":
        manifest.write_text(json.dumps(data | {"thumbnails": [99, 0, 0, 0]}))
    else:
        manifest.unlink()


@pytest.mark.parametrize(
    "how",
    ["truncated arrays", "flipped bit", "truncated manifest", "other version", "climbing content",
     "missing key", "wrong types", "missing thumbnails", "missing manifest"],
)
def test_a_damaged_map_is_refused_with_a_reason(tmp_path, how):
    save_scene(make_scene(), tmp_path)
    damage(tmp_path, how)
    with pytest.raises(MapFormatError):
        load_scene(tmp_path)


SAVER = """
import sys, itertools
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from helpers.scenes import make_scene
from om3d_core.data.scene_store import save_scene
scenes = [make_scene(seed, points=20000) for seed in range(2)]
print("ready", flush=True)
for i in itertools.count():
    save_scene(scenes[i % 2], Path(sys.argv[1]))
"""


def test_a_killed_save_leaves_the_old_or_the_new_map(tmp_path):
    expected = [make_scene(seed, points=20000) for seed in range(2)]
    folder = tmp_path / "map"
    save_scene(expected[0], folder)
    rng = np.random.default_rng(0)
    test_root = str(Path(__file__).resolve().parents[2])
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(folder), test_root, os.path.dirname(test_root)],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(rng.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        scene = load_scene(folder)
        assert_equal(scene, expected[scene.revision - 1])
    save_scene(expected[0], folder)
    assert len(list(folder.glob("content-*"))) == 1
