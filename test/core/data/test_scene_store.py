"""A saved map comes back bit for bit, or not at all."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.map_files import (
    arrays_path,
    bounded,
    forge,
    forge_bytes,
    to_version_1,
    to_version_2,
    to_version_5,
)
from helpers.scenes import as_read_of, assert_equal, make_scene

from om3d_core.data import scene_store
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.scene_store import load_scene, save_scene
from om3d_core.errors import MapFormatError

PAGE = 4096
OWN = {".lock", ".turn", "map.json"}
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_load_gives_what_was_saved(tmp_path):
    scene = make_scene()
    save_scene(scene, tmp_path / "map")
    assert_equal(load_scene(tmp_path / "map"), scene)


def test_a_map_of_version_1_is_loaded_and_replaced(tmp_path):
    save_scene(make_scene(), tmp_path)
    to_version_1(tmp_path, make_scene())
    assert json.loads((tmp_path / "map.json").read_text())["version"] == 1
    assert_equal(load_scene(tmp_path), as_read_of(1, make_scene()))
    save_scene(make_scene(1), tmp_path)
    assert_equal(load_scene(tmp_path), make_scene(1))
    assert len(names(tmp_path)) == len(OWN) + 1


def test_a_map_of_version_2_is_loaded_without_an_id_or_frames_of_cameras(tmp_path):
    save_scene(make_scene(), tmp_path)
    to_version_2(tmp_path)
    assert_equal(load_scene(tmp_path), as_read_of(2, make_scene()))


def test_the_labels_of_a_map_of_version_5_were_given(tmp_path):
    save_scene(make_scene(), tmp_path)
    to_version_5(tmp_path)
    loaded = load_scene(tmp_path)
    assert_equal(loaded, as_read_of(5, make_scene()))
    assert loaded.label_probabilities.tolist() == [float(bool(label)) for label in loaded.labels]


VERSION_1 = {
    "lite-text@1": ("", "lite", ""),
    "lite-visual@1": ("", "lite", ""),
    "clip/openai/clip@01234567+whole-crop": ("openai/clip@0123456789", "clip", "whole-crop"),
    "siglip/so400m@01234567": ("/models/so400m", "siglip", "original"),
}


@pytest.mark.parametrize("name", VERSION_1)
def test_a_map_of_version_1_told_its_encoder_by_the_name_of_its_space(tmp_path, name):
    source, encoder, preprocessing = VERSION_1[name]
    save_scene(make_scene(), tmp_path)
    to_version_1(tmp_path, make_scene())
    values = json.loads((tmp_path / "map.json").read_text())
    old = {"name": name, "dim": 8, "text": True, "image": False, "source": source}
    (tmp_path / "map.json").write_text(json.dumps(values | {"spaces": [old]}))
    space = load_scene(tmp_path).features[0].space
    assert space == FeatureSpace(name, 8, True, False, source, encoder, preprocessing)
    save_scene(load_scene(tmp_path), tmp_path)
    assert load_scene(tmp_path).features[0].space == space


def test_saving_again_replaces_and_leaves_one_content_folder(tmp_path):
    for seed in range(3):
        save_scene(make_scene(seed), tmp_path)
    assert_equal(load_scene(tmp_path), make_scene(2))
    assert len(list(tmp_path.glob("content-*"))) == 1 and len(names(tmp_path)) == len(OWN) + 1


@pytest.mark.parametrize("name", ["thesis.tex", "content-notes.txt", "papers/thesis.tex"])
def test_a_folder_with_other_things_is_refused(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("years of work")
    before = names(tmp_path)
    with pytest.raises(MapFormatError, match=f"found {name}".replace(".", r"\.")):
        save_scene(make_scene(), tmp_path)
    assert names(tmp_path) == before


def test_folders_without_end_are_refused(tmp_path):
    deep = tmp_path
    for _ in range(1500):
        deep /= "a"
        deep.mkdir()
    with pytest.raises(MapFormatError, match="found a/a/a"):
        save_scene(make_scene(), tmp_path)
    for path in (deep, *deep.parents[:1499]):
        path.rmdir()


def test_a_scene_that_could_not_be_loaded_is_not_saved(tmp_path):
    save_scene(make_scene(), tmp_path)
    before = names(tmp_path)
    with pytest.raises(MapFormatError, match="the map cannot be saved: expected labels"):
        odd = {"labels": ("\ud800", "", "", ""), "label_probabilities": np.zeros(0, np.float32)}
        save_scene(replace(make_scene(1), **odd), tmp_path)
    assert names(tmp_path) == before
    assert_equal(load_scene(tmp_path), make_scene())


def test_a_map_json_of_another_program_is_refused(tmp_path):
    (tmp_path / "map.json").write_text('{"tiles": [1, 2]}')
    with pytest.raises(MapFormatError, match=r"map\.json: expected a map to replace"):
        save_scene(make_scene(), tmp_path)
    assert json.loads((tmp_path / "map.json").read_text()) == {"tiles": [1, 2]}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("below", ["kitchen", "content-b", "content-0123456789ab"])
def test_maps_lie_below_maps_whichever_is_saved_first(tmp_path, order, below):
    folders = [tmp_path / "home", tmp_path / "home" / below, tmp_path / "home" / "floor" / "bath"]
    for _ in range(2):
        for i in order:
            save_scene(make_scene(i), folders[i])
    for i, folder in enumerate(folders):
        assert_equal(load_scene(folder), make_scene(i))


def test_what_killed_saves_left_is_removed_and_nothing_else(tmp_path):
    save_scene(make_scene(), tmp_path)
    for i in range(70):
        left = tmp_path / f"content-{i:012x}"
        (left / "thumbnails").mkdir(parents=True)
        (left / "arrays.safetensors").write_bytes(b"half")
        (left / "thumbnails" / "5-0.jpg").write_bytes(b"half")
    (tmp_path / ".map.json.abcd1_23").write_bytes(b"half")
    noted = tmp_path / "content-000000000003" / "notes.txt"
    noted.write_text("mine")
    (tmp_path / "content-0000000000ff").symlink_to(tmp_path / "content-000000000003")
    save_scene(make_scene(1), tmp_path)
    assert noted.read_text() == "mine"
    assert len(names(tmp_path)) == len(OWN) + 3
    assert_equal(load_scene(tmp_path), make_scene(1))


def test_a_copy_by_hard_links_stays_as_it_was(tmp_path):
    save_scene(make_scene(), tmp_path / "map")
    subprocess.run(["cp", "-al", tmp_path / "map", tmp_path / "copy"], check=True)
    save_scene(make_scene(1), tmp_path / "map")
    assert_equal(load_scene(tmp_path / "copy"), make_scene())


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_a_save_that_fails_right_after_the_swap_leaves_the_new_map(tmp_path, monkeypatch, error):
    write = scene_store.write_atomically

    def write_and_fail(*args):
        write(*args)
        raise error

    save_scene(make_scene(), tmp_path)
    monkeypatch.setattr(scene_store, "write_atomically", write_and_fail)
    with pytest.raises(type(error)):
        save_scene(make_scene(1), tmp_path)
    assert_equal(load_scene(tmp_path), make_scene(1))


CHANGES = {
    "features_0_lengths": lambda a, m: a.update(
        features_0_lengths=a["features_0_lengths"].astype(np.float16)),
    "lengths of features": lambda a, m: a["features_0_lengths"].put(0, np.inf),
    "finite vectors": lambda a, m: a["features_0"].put(0, np.inf),
    "vectors of length 1": lambda a, m: a["features_0"].put(0, 3.0),
    "finite points": lambda a, m: a["points"].put(0, np.nan),
    "finite normals": lambda a, m: a["normals"].put(0, -np.inf),
    "points of dtype F32": lambda a, m: a.update(points=a["points"].astype(np.float64)),
    "colors of dtype U8": lambda a, m: a.update(colors=a["colors"][:-1]),
    "scores in 0..1": lambda a, m: a["mask_scores"].put(0, np.nan),
    "point indices": lambda a, m: a["mask_indices"].put(0, -1),
    "indptr": lambda a, m: a["mask_indptr"].put(1, 10**12),
    "a point in every mask": lambda a, m: a.update(
        mask_indptr=np.array([0, 0, *a["mask_indptr"][2:] - 40]),
        mask_indices=a["mask_indices"][40:]),
    "mask_structure of 0 and 1": lambda a, m: a["mask_structure"].view(np.uint8).put(0, 7),
    "ids of dtype I64": lambda a, m: a.update(ids=a["ids"].astype(np.int32)),
    "ids in 1": lambda a, m: (a["ids"].put(3, 2**40), m.update(next_id=2**41)),
    "unique ids": lambda a, m: a["ids"].put(0, a["ids"][1]),
    "next_id above all ids": lambda a, m: m.update(next_id=3),
    "view_stamps of dtype I64": lambda a, m: a.update(
        view_stamps=a["view_stamps"].astype(np.float32)),
    "stamps in -1": lambda a, m: a["view_stamps"].put(0, 2**62),
    "pixels of at least 0": lambda a, m: a["view_pixels"].put(0, -1),
    "view_boxes of": lambda a, m: a.update(view_boxes=a["view_boxes"][:, :-1]),
    "arrays": lambda a, m: a.update(more=a["ids"]),
    "thumbnails of dtype U8": lambda a, m: a.update(thumbnails=a["thumbnails"][:-1]),
    "at most 3 thumbnails": lambda a, m: m.update(
        thumbnails=[[0] * 4 + m["thumbnails"][0], *m["thumbnails"][1:]]),
    "labels": lambda a, m: m.update(labels=[1, 2, 3, 4]),
    "label_probabilities, decimal": lambda a, m: m.update(label_probabilities=["1"] * 4),
    "label_probabilities of shape": lambda a, m: m.update(label_probabilities=[0.5]),
    "label_probabilities in 0..1": lambda a, m: m.update(label_probabilities=[2.0, 0.0, 0.0, 0.0]),
    "as many words": lambda a, m: m.update(words=["Milk"]),
    "word_places that ascend": lambda a, m: m["word_places"].__setitem__(-1, 12),
    "a word of 1 to 80": lambda a, m: m["words"].__setitem__(0, "a\nb"),
    "the confidence of a word": lambda a, m: m["word_confidences"].__setitem__(0, 1.5),
    "at most 32 words": lambda a, m: m.update(
        words=["Milk"] * 33, word_confidences=[0.5] * 33, word_places=[0] * 33),
    "as many detections": lambda a, m: m.update(detections=["chair"] * 99),
    "detection_places that ascend": lambda a, m: m["detection_places"].__setitem__(-1, 12),
    "labels of Unicode": lambda a, m: m.update(labels=["\ud800", "", "", ""]),
    "thumbnails of 3": lambda a, m: m.update(labels=["a", "b", "c"]),
    "revision": lambda a, m: m.update(revision=1.5),
    "finite numbers": lambda a, m: m.update(revision=float("inf")),
    "revision, an integer in": lambda a, m: m.update(revision=2**70),
    "next_id": lambda a, m: m.update(next_id=True),
    "up, three": lambda a, m: m.update(up=[0, 0, "1"]),
    "a unit up vector": lambda a, m: m.update(up=[0.0, 0.0, 2.0]),
    "dim of a space": lambda a, m: m["spaces"][0].update(dim="8"),
    "text, a JSON value": lambda a, m: m["spaces"][0].update(text="no"),
    "a space name": lambda a, m: m["spaces"][0].update(name="toy"),
    "n_points": lambda a, m: m.update(n_points=-1),
    "the fields": lambda a, m: m.update(color="red"),
    "one of the versions": lambda a, m: m.update(version=99),
    "map_id, a JSON value": lambda a, m: m.update(map_id=5),
    "map_id, 32 hexadecimal": lambda a, m: m.update(map_id="kitchen"),
    "lists of stamps": lambda a, m: m.update(camera_frames={"camera": [2**62]}),
    "camera_frames of Unicode": lambda a, m: m.update(camera_frames={"\ud800": [1]}),
    "content, the name": lambda a, m: m.update(content="content-/../../etc"),
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_map_with_a_field_out_of_its_range_is_refused_by_name(tmp_path, field):
    save_scene(make_scene(), tmp_path)
    forge(tmp_path, CHANGES[field])
    with pytest.raises(MapFormatError, match=rf"(map\.json|safetensors): .*{field}"), bounded():
        load_scene(tmp_path)


def damage(folder, how):
    manifest, arrays = folder / "map.json", arrays_path(folder)
    data = json.loads(manifest.read_text())
    if how == "truncated arrays":
        arrays.write_bytes(arrays.read_bytes()[:-10])
    elif how == "longer arrays":
        arrays.write_bytes(arrays.read_bytes() + b"more")
    elif how == "flipped bit":
        blob = bytearray(arrays.read_bytes())
        blob[-5] ^= 1
        arrays.write_bytes(blob)
    elif how == "truncated manifest":
        manifest.write_bytes(manifest.read_bytes()[:100])
    elif how == "another revision":
        manifest.write_text(json.dumps(data | {"revision": 2}))
    elif how == "missing key":
        del data["labels"]
        manifest.write_text(json.dumps(data))
    elif how == "a key twice":
        manifest.write_text(manifest.read_text().replace("{", '{"revision": 1,', 1))
    elif how == "deep":
        manifest.write_text("[" * 1_000_000)
    elif how in {"many lists", "many objects"}:
        item = {"many lists": b"[],", "many objects": b"{},"}[how]
        manifest.write_bytes(b"[" + item * 1_333_000 + b"0]")
    elif how == "large":
        os.truncate(manifest, 10**12)
    elif how == "a header of 2^60 bytes":
        forge_bytes(folder, (2**60).to_bytes(8, "little") + arrays.read_bytes()[8:])
    elif how == "no header":
        forge_bytes(folder, b"")
    elif how == "a hole of 3 GB":
        os.truncate(arrays, 3 * 10**9)
        data["files"]["arrays.safetensors"]["bytes"] = 3 * 10**9
        manifest.write_text(json.dumps(data))
    else:
        manifest.unlink()


@pytest.mark.parametrize(
    "how",
    ["truncated arrays", "longer arrays", "flipped bit", "truncated manifest", "another revision",
     "missing key", "a key twice", "deep", "many lists", "many objects", "large",
     "a header of 2^60 bytes", "no header", "a hole of 3 GB", "missing manifest"],
)
def test_a_damaged_map_is_refused_with_a_reason(tmp_path, how):
    save_scene(make_scene(), tmp_path)
    damage(tmp_path, how)
    with pytest.raises(MapFormatError, match=str(tmp_path)), bounded():
        load_scene(tmp_path)


def test_a_map_that_claims_more_arrays_than_are_there_takes_no_memory(tmp_path):
    save_scene(make_scene(), tmp_path)
    path = arrays_path(tmp_path)
    forge(tmp_path, lambda a, m: m.update(n_points=10**8))
    with pytest.raises(MapFormatError, match="points"), bounded():
        load_scene(tmp_path)
    blob = bytearray(path.read_bytes())
    forge_bytes(tmp_path, bytes(blob).replace(b"[500,3]", b"[1e9,3]"))
    with pytest.raises(MapFormatError, match=r"safetensors: .*colors|points|normals"), bounded():
        load_scene(tmp_path)


def test_a_list_of_pictures_without_end_takes_no_memory(tmp_path):
    save_scene(make_scene(), tmp_path)
    to_version_1(tmp_path, make_scene())
    forge(tmp_path, lambda a, m: m.update(thumbnails=[10**12, 0, 0, 0]))
    with pytest.raises(MapFormatError, match="thumbnails"), bounded():
        load_scene(tmp_path)


def put(path, kind):
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a device":
        try:
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("needs root")
    elif kind == "a symbolic link":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["a FIFO", "a device", "a symbolic link", "a folder"])
@pytest.mark.parametrize("which", ["map.json", "arrays.safetensors", "5-0.jpg", "content"])
def test_only_regular_files_are_read(tmp_path, kind, which):
    save_scene(make_scene(), tmp_path)
    content = arrays_path(tmp_path).parent
    if which == "5-0.jpg":
        to_version_1(tmp_path, make_scene())
        path = content / "thumbnails" / which
    else:
        path = {"map.json": tmp_path, "arrays.safetensors": content}.get(which, content)
        path = path if which == "content" else path / which
    path.rename(tmp_path / ".away")
    put(path, kind)
    empty_folder = which == "content" and kind == "a folder"
    expected = "No such file" if empty_folder else f"(found|got) {kind}"
    with pytest.raises(MapFormatError, match=expected) as error, bounded():
        load_scene(tmp_path)
    assert path.name in str(error.value)
    with bounded():
        if which == "map.json":
            with pytest.raises(MapFormatError, match=f"map.json: cannot be read: .*found {kind}"):
                save_scene(make_scene(1), tmp_path)
        else:
            save_scene(make_scene(1), tmp_path)
            assert_equal(load_scene(tmp_path), make_scene(1))


@pytest.fixture
def disk():
    """A file system of 256 kB."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "om3d", folder]
        if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("needs the right to mount a file system")
        yield Path(folder)
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_with_the_file_and_leaves_the_old_map(disk):
    save_scene(make_scene(points=50), disk)
    before, told, filler = names(disk), set(), disk / ".filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(PAGE))
    for size in range(filler.stat().st_size, 0, -PAGE):
        os.truncate(filler, size)
        try:
            save_scene(make_scene(1, points=50), disk)
        except OSError as error:
            assert error.filename and str(error).startswith("[Errno 28] No space left on device: ")
            told.add(Path(error.filename).name)
        else:
            break
        assert names(disk) == [".filler", *before]
        assert_equal(load_scene(disk), make_scene(points=50))
    assert told == {"arrays.safetensors", "map.json"}
    assert_equal(load_scene(disk), make_scene(1, points=50))


def test_what_killed_saves_left_does_not_keep_the_disk_full(disk):
    save_scene(make_scene(points=50), disk)
    left = disk / "content-0123456789ab"
    left.mkdir()
    (left / "arrays.safetensors").write_bytes(bytes(200_000))
    save_scene(make_scene(1, points=5_000), disk)
    assert_equal(load_scene(disk), make_scene(1, points=5_000))


def test_a_limit_on_the_size_of_files_is_told_with_the_file(tmp_path):
    save_scene(make_scene(), tmp_path)
    before, limits = names(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: .*/arrays\.safetensors'"):
            save_scene(make_scene(1, points=20_000), tmp_path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (800, limits[1]))
        with pytest.raises(OSError, match=r"File too large: .*/(map\.json|arrays\.safet.*)'"):
            save_scene(make_scene(1), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path) == before
    assert_equal(load_scene(tmp_path), make_scene())


@as_root
def test_a_read_only_file_system_is_told_and_can_be_loaded_from(disk):
    save_scene(make_scene(points=50), disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(MapFormatError, match=f"{disk} is read-only"):
        save_scene(make_scene(1, points=50), disk)
    with pytest.raises(MapFormatError, match=f"{disk} is read-only"):
        save_scene(make_scene(1, points=50), disk / "new" / "map")
    assert_equal(load_scene(disk), make_scene(points=50))


AS_NOBODY = """
import os, sys, tempfile
from pathlib import Path
from helpers.scenes import as_read_of, assert_equal, make_scene
from om3d_core.data.scene_store import load_scene, save_scene
with tempfile.TemporaryDirectory() as warm:
    save_scene(make_scene(), Path(warm))
    load_scene(Path(warm))
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
for what, folder in zip(sys.argv[1::2], map(Path, sys.argv[2::2])):
    try:
        if what == "load":
            assert_equal(load_scene(folder), make_scene())
        else:
            save_scene(make_scene(1), folder)
    except Exception as error:
        print(type(error).__name__, error)
    else:
        print("done")
"""


@pytest.fixture
def open_folder():
    """A folder that other users can reach, with a map of root in it."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        save_scene(make_scene(), Path(folder) / "map")
        yield Path(folder)


def nobody(repository, *requests):
    """What comes of loads and saves by another user, a line each."""
    paths = [str(repository), str(repository / "test")]
    return subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *map(str, requests)], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, check=True, timeout=60,
    ).stdout.splitlines()


@as_root
def test_another_user_reads_a_map_but_does_not_replace_it(open_folder, repository):
    folder = open_folder / "map"
    new = open_folder / "new" / "map"
    loaded, replaced, made = nobody(repository, "load", folder, "save", folder, "save", new)
    assert loaded == "done"
    assert replaced.startswith("MapFormatError") and f"{folder} is read-only" in replaced
    assert made.startswith("MapFormatError") and f"{open_folder} is read-only" in made
    assert_equal(load_scene(folder), make_scene())


@as_root
def test_another_user_with_the_right_to_write_replaces_a_map(open_folder, repository):
    folder = open_folder / "map"
    folder.chmod(0o777)
    assert nobody(repository, "save", folder) == ["done"]
    assert_equal(load_scene(folder), make_scene(1))
    save_scene(make_scene(), folder)
    assert len(names(folder)) == len(OWN) + 1


@as_root
@pytest.mark.parametrize("which", ["map.json", "arrays.safetensors", "content", "map"])
def test_another_user_without_permission_is_told_where(open_folder, repository, which):
    folder = open_folder / "map"
    arrays = arrays_path(folder)
    path = {"map.json": folder / "map.json", "arrays.safetensors": arrays,
            "content": arrays.parent, "map": folder}[which]
    path.chmod(0)
    loaded, saved = nobody(repository, "load", folder, "save", folder)
    for said, where in ((loaded, path), (saved, folder)):
        assert said.startswith(("MapFormatError", "PermissionError")) and str(where) in said
    path.chmod(0o755)
    assert_equal(load_scene(folder), make_scene())
