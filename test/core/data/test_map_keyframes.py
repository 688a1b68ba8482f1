"""Keyframes of a saved map come back bit for bit, or not at all; the scene without them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from helpers import bombs
from helpers.keyframes import (
    assert_same_frame,
    assert_same_keyframes,
    make_keyframe,
    make_keyframes,
)
from helpers.map_files import (
    bounded,
    forge_keyframes,
    forge_keyframes_bytes,
    keyframes_path,
    mutations,
    sign,
    to_version_1,
    to_version_2,
    to_version_3,
    to_version_4,
)
from helpers.scenes import as_read_of, assert_equal, make_scene
from safetensors.numpy import load

from om3d_core.data import map_keyframes, scene_store
from om3d_core.data.scene_store import load_map, load_scene, save_scene
from om3d_core.errors import InputError, MapFormatError


@pytest.fixture
def folder(tmp_path):
    save_scene(make_scene(), tmp_path, make_keyframes())
    return tmp_path


def assert_holds(folder, scene, keyframes):
    found, found_keyframes = load_map(folder)
    assert_equal(found, scene)
    assert_same_keyframes(found_keyframes, keyframes)
    assert_equal(load_scene(folder), scene)


def test_load_gives_what_was_saved(tmp_path):
    lossless = make_keyframe(5, -7, 0)
    kept = (*make_keyframes(), lossless)
    save_scene(make_scene(), tmp_path, kept[::-1])
    assert_holds(tmp_path, make_scene(), kept)
    assert_same_frame(load_map(tmp_path)[1][-1].frame(), lossless.frame())
    assert set(load(keyframes_path(tmp_path).read_bytes())) > {"poses", "stamps", "images"}


def test_a_map_without_keyframes_has_no_file_of_them(folder):
    save_scene(make_scene(1), folder)
    assert_holds(folder, make_scene(1), ())
    assert not list(folder.rglob("keyframes*"))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_map_of_an_older_version_has_none(tmp_path, version):
    scene = make_scene()
    save_scene(scene, tmp_path)
    if version == 1:
        to_version_1(tmp_path, scene)
    else:
        {2: to_version_2, 3: to_version_3}[version](tmp_path)
    assert_holds(tmp_path, as_read_of(version, scene), ())
    save_scene(scene, tmp_path, make_keyframes())
    assert_holds(tmp_path, scene, make_keyframes())


def test_a_map_of_version_4_is_whole_but_for_its_frame(tmp_path):
    scene = make_scene(1)
    save_scene(scene, tmp_path, make_keyframes())
    to_version_4(tmp_path)
    assert scene.frame and as_read_of(4, scene).frame == ""
    assert_holds(tmp_path, as_read_of(4, scene), make_keyframes())


def test_keyframes_that_cannot_be_saved_leave_the_old_map(folder, monkeypatch):
    before = sorted(path.name for path in folder.rglob("*"))
    with pytest.raises(MapFormatError, match="keyframes of different stamps"):
        save_scene(make_scene(1), folder, (make_keyframe(), make_keyframe()))
    monkeypatch.setattr(map_keyframes, "MAX_KEYFRAMES", 2)
    with pytest.raises(MapFormatError, match="at most 2 keyframes, got 3"):
        save_scene(make_scene(1), folder, make_keyframes())
    monkeypatch.setattr(scene_store, "MAX_CONTENT_BYTES", 20_000)
    with pytest.raises(MapFormatError, match=r"at most 20000 bytes, got \d+, \d+ of them keyf"):
        save_scene(make_scene(1), folder, make_keyframes()[:2])
    monkeypatch.undo()
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert_holds(folder, make_scene(), make_keyframes())


def test_a_save_that_fails_while_keyframes_are_written_leaves_the_old_map(folder, monkeypatch):
    pieces = map_keyframes.KeyframesFile.pieces
    calls = []

    def broken(self):
        calls.append(1)
        for i, piece in enumerate(pieces(self)):
            if len(calls) == 2 and i == 4:
                raise OSError(28, "No space left on device")
            yield piece

    monkeypatch.setattr(map_keyframes.KeyframesFile, "pieces", broken)
    with pytest.raises(OSError, match=r"No space left on device: .*keyframes\.safetensors"):
        save_scene(make_scene(1), folder, make_keyframes())
    assert_holds(folder, make_scene(), make_keyframes())
    assert len(list(folder.glob("content-*"))) == 1


def test_what_killed_saves_left_of_keyframes_is_removed(folder):
    left = folder / "content-0123456789ab"
    left.mkdir()
    (left / "keyframes.safetensors").write_bytes(b"half")
    save_scene(make_scene(1), folder, make_keyframes(2))
    assert not left.exists()
    assert_holds(folder, make_scene(1), make_keyframes(2))


def test_a_scene_is_read_without_its_keyframes(folder):
    keyframes_path(folder).unlink()
    assert_equal(load_scene(folder), make_scene())
    with pytest.raises(MapFormatError, match=r"keyframes\.safetensors: cannot be read: No such"):
        load_map(folder)


def test_keyframes_that_the_manifest_does_not_list_are_missed(folder):
    path = folder / "map.json"
    values = json.loads(path.read_text())
    del values["files"]["keyframes.safetensors"]
    path.write_text(json.dumps(sign(values)))
    with pytest.raises(MapFormatError, match=r"expected keyframes\.safetensors among the files"):
        load_map(folder)


def images_of(keyframes):
    return np.frombuffer(b"".join(k.color + k.depth for k in keyframes), np.uint8)


def with_image(which, image):
    """Put another image in the place of one of the second keyframe."""

    def change(arrays, _):
        keyframes = list(make_keyframes())
        keyframes[1] = type("Images", (), {
            "color": keyframes[1].color, "depth": keyframes[1].depth, which: image})
        arrays["images"] = images_of(keyframes)
        arrays["image_bytes"][1, ("color", "depth").index(which)] = len(image)

    return change


def png(*shape, dtype):
    return cv2.imencode(".png", np.zeros(shape, dtype))[1].tobytes()


CHANGES = {
    "stamps in ascending order": lambda a, m: a["stamps"].put(1, a["stamps"][0]),
    "a stamp in 0": lambda a, m: a["stamps"].put(0, -1),
    "keyframe 2 of the file: .*a stamp in": lambda a, m: a["stamps"].put(2, 2**62),
    "keyframe of 2000000000 ns: .*orthonormal": lambda a, m: a["poses"].put(16, 3.0),
    "finite transform": lambda a, m: a["poses"].put(0, np.nan),
    "within 10 km": lambda a, m: a["poses"].put(3, 1e6),
    "finite intrinsics": lambda a, m: a["intrinsics"].put(0, np.inf),
    "positive focal": lambda a, m: a["intrinsics"].put(1, -1.0),
    "a level within": lambda a, m: a["levels"].put(0, -(2**31)),
    "cameras of 2": lambda a, m: a["cameras"].put(0, 2),
    "cameras of 1": lambda a, m: m.update(keyframe_cameras=["camera_0"]),
    "sizes of 1": lambda a, m: a["sizes"].put(0, 0),
    "sizes of 1..33554432": lambda a, m: a["sizes"].fill(8192),
    "color of 41 x 30 pixels, got 40 x 30": lambda a, m: a["sizes"].put(0, 41),
    "image_bytes of at most": lambda a, m: a["image_bytes"].put(0, 0),
    "image_bytes of at most 4 a pixel": lambda a, m: a["image_bytes"].put(0, 2**40),
    r"image_bytes of \d+ together": lambda a, m: a["image_bytes"].put(
        0, a["image_bytes"][0, 0] + 1),
    "of a JPEG or PNG": lambda a, m: a["image_bytes"].put([0, 1], a["image_bytes"][0, ::-1]),
    "color: expected data of a JPEG": with_image("color", b"MZ" + bytes(100)),
    "depth of 40 x 30 pixels, got 30 x 40": with_image("depth", png(40, 30, dtype=np.uint16)),
    "gray PNG image of 16 bits": with_image("depth", png(30, 40, dtype=np.uint8)),
    "poses of dtype F64": lambda a, m: a.update(poses=a["poses"].astype(np.float32)),
    "stamps of dtype I64": lambda a, m: a.update(stamps=a["stamps"][:-1]),
    "the arrays": lambda a, m: a.update(more=a["stamps"]),
    "images with 1 axes": lambda a, m: a.update(images=a["images"].reshape(1, -1)),
    "poses of dtype F64 and shape .2, 4, 4": lambda a, m: m.update(n_keyframes=2),
    "n_keyframes, an integer": lambda a, m: m.update(n_keyframes=-1),
    "n_keyframes in 0": lambda a, m: m.update(n_keyframes=10**6),
    "keyframe_cameras, strings": lambda a, m: m.update(keyframe_cameras=[1]),
}


@pytest.mark.parametrize("field", CHANGES)
def test_keyframes_out_of_their_range_are_refused_by_name(folder, field):
    def change(arrays, values):
        arrays |= {name: array.copy() for name, array in arrays.items()}
        CHANGES[field](arrays, values)

    forge_keyframes(folder, change)
    expected = rf"(map\.json|keyframes\.safetensors): .*{field}"
    with pytest.raises(MapFormatError, match=expected), bounded(megabytes=100):
        load_map(folder)


@pytest.mark.parametrize("kind", ["a lying header", "a bomb"])
def test_images_made_to_harm_take_no_memory(folder, tmp_path, kind):
    bomb = bombs.png(tmp_path / ".bomb", 8192, 4096, 16, 0).read_bytes()
    bomb = bomb[:1000] if kind == "a lying header" else bomb
    forge_keyframes(folder, lambda a, m: (
        a.update(sizes=np.where(kind == "a bomb", [8192, 4096], a["sizes"]).astype(np.int32)),
        with_image("depth", bomb)(a, m)))
    expected = r"keyframes\.safetensors: .*(8192 x 4096|image_bytes of at most 4 a pixel)"
    with pytest.raises(MapFormatError, match=expected), bounded(megabytes=50):
        load_map(folder)


@pytest.mark.parametrize(
    "how", ["truncated", "longer", "flipped bit", "header of 2^60 bytes", "a hole of 3 GB",
            "images before others", "empty"],
)
def test_a_damaged_file_of_keyframes_is_refused_with_a_reason(folder, how):
    path = keyframes_path(folder)
    blob = path.read_bytes()
    if how == "truncated":
        path.write_bytes(blob[:-10])
    elif how == "longer":
        path.write_bytes(blob + b"more")
    elif how == "flipped bit":
        path.write_bytes(blob[:-5] + bytes([blob[-5] ^ 1]) + blob[-4:])
    elif how == "header of 2^60 bytes":
        forge_keyframes_bytes(folder, (2**60).to_bytes(8, "little") + blob[8:])
    elif how == "a hole of 3 GB":
        os.truncate(path, 3 * 10**9)
    elif how == "images before others":
        size = int.from_bytes(blob[:8], "little")
        n, rest = len(images_of(make_keyframes())), len(blob) - 8 - size
        columns = rest - n
        head = blob[8 : 8 + size]
        for name in (b"poses", b"intrinsics", b"stamps", b"image_bytes", b"sizes", b"levels",
                     b"cameras", b"images"):
            shift = -columns if name == b"images" else n
            at = head.index(b'"' + name + b'"')
            start = head.index(b"data_offsets", at) + len(b'data_offsets": [')
            end = head.index(b"]", start)
            span = [int(v) + shift for v in head[start:end].split(b",")]
            head = head[:start] + str(span)[1:-1].encode() + head[end:]
        forge_keyframes_bytes(folder, len(head).to_bytes(8, "little") + head
                              + blob[-n:] + blob[8 + size : -n])
    else:
        forge_keyframes_bytes(folder, b"")
    with pytest.raises(MapFormatError, match=r"keyframes\.safetensors"), bounded():
        load_map(folder)
    assert_equal(load_scene(folder), make_scene())


def test_changed_bytes_give_an_error_or_the_same_keyframes(folder):
    path, refused = keyframes_path(folder), 0
    for changed in mutations(path.read_bytes(), np.random.default_rng(0), 500):
        path.write_bytes(changed)
        try:
            assert_same_keyframes(load_map(folder)[1], make_keyframes())
        except MapFormatError as error:
            refused += 1
            assert str(path) in str(error) and len(str(error)) < 2000
    assert refused > 450


def test_changed_keyframes_with_fitting_sums_give_an_error_or_sound_ones(folder):
    blob, rng = keyframes_path(folder).read_bytes(), np.random.default_rng(1)
    header = 8 + int.from_bytes(blob[:8], "little")
    heads = (changed + blob[header:] for changed in mutations(blob[:header], rng, 300))
    bodies = (blob[:header] + changed for changed in mutations(blob[header:], rng, 300))
    columns = (
        blob[:at] + rng.choice([rng.bytes(8), b"\xff" * 8, b"\0\0\x80\x7f" * 2]) + blob[at + 8 :]
        for at in rng.integers(header, header + 900, 300).tolist()
    )
    refused = 0
    for changed in (*heads, *bodies, *columns):
        forge_keyframes_bytes(folder, changed)
        try:
            keyframes = load_map(folder)[1]
        except MapFormatError as error:
            refused += 1
            assert str(folder) in str(error) and len(str(error)) < 2000
            continue
        for keyframe in keyframes:
            try:
                assert keyframe.frame().stamp_ns == keyframe.stamp_ns
            except InputError as error:
                assert str(keyframe.stamp_ns) in str(error)
    assert refused > 400


SAVE_BIG = """
import resource, sys
from pathlib import Path
from dataclasses import replace
from helpers.keyframes import make_keyframe
from helpers.scenes import make_scene
from om3d_core.data.scene_store import load_map, save_scene
one = make_keyframe(0, 0, 0, width=800, height=600)
many = [replace(one, stamp_ns=i, color=one.color + bytes([0])) for i in range(120)]
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
save_scene(make_scene(), Path(sys.argv[1]), many[:2])
load_map(Path(sys.argv[1]))
before = peak()
save_scene(make_scene(), Path(sys.argv[1]), many)
print(sum(len(k.color) for k in many) // 1000, peak() - before)
"""


def test_saving_takes_no_memory_for_a_second_copy(tmp_path, repository):
    paths = os.pathsep.join([str(repository), str(repository / "test")])
    done = subprocess.run(
        [sys.executable, "-c", SAVE_BIG, str(tmp_path / "map")], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": paths}, check=True, timeout=120,
    )
    held, more = map(int, done.stdout.split())
    assert held > 100_000 and more < 20_000
