"""Saved maps with changed bytes: a typed error, or the map that was saved."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.keyframes import make_keyframes
from helpers.map_files import arrays_path, forge_bytes, mutations, sign, to_version_1
from helpers.scenes import assert_equal, make_scene

from om3d_core.data.scene_store import load_map, save_scene
from om3d_core.errors import MapFormatError

ODD = [None, True, False, -1, 0, 1, 1.5, -0.0, 2**31, 2**63, 2**70, 1e308, float("inf"),
       float("nan"), "", "x", "\ud800", "\0", "../..", "[]", [], [[]], {}, {"bytes": 1}]


@pytest.fixture
def scene():
    return make_scene(points=60)


@pytest.fixture
def folder(tmp_path, scene):
    save_scene(scene, tmp_path, make_keyframes(1))
    return tmp_path


def is_sound(scene):
    """What is accepted must serve everything that comes after."""
    assert all(np.isfinite(box.corners).all() for box in scene.boxes)
    assert np.isfinite(scene.centroids).all() and scene.masks.to_csr().shape[0] == len(scene)
    return True


def load_or_none(folder):
    try:
        return load_map(folder)[0]
    except MapFormatError as error:
        assert str(folder) in str(error) and len(str(error)) < 2000
        return None


@pytest.mark.parametrize("which", ["map.json", "arrays.safetensors"])
def test_changed_bytes_give_an_error_or_the_same_map(folder, scene, which):
    path = folder / "map.json" if which == "map.json" else arrays_path(folder)
    blob, refused = path.read_bytes(), 0
    for changed in mutations(blob, np.random.default_rng(0), 1000):
        path.write_bytes(changed)
        loaded = load_or_none(folder)
        refused += loaded is None
        if loaded is not None:
            assert_equal(loaded, scene)
    assert refused > 850


def test_every_byte_of_map_json_counts(folder, scene):
    path = folder / "map.json"
    blob = path.read_bytes()
    for i in range(len(blob)):
        path.write_bytes(blob[:i] + bytes([blob[i] ^ 1]) + blob[i + 1 :])
        loaded = load_or_none(folder)
        if loaded is not None:
            assert_equal(loaded, scene)


@pytest.mark.parametrize("version", [1, 2])
def test_changed_arrays_with_fitting_sums_give_an_error_or_a_sound_map(folder, scene, version):
    if version == 1:
        to_version_1(folder, scene)
    blob, rng = arrays_path(folder).read_bytes(), np.random.default_rng(version)
    header = 8 + int.from_bytes(blob[:8], "little")
    refused = 0
    for changed in mutations(blob[:header], rng, 400):
        forge_bytes(folder, changed + blob[header:])
        loaded = load_or_none(folder)
        refused += loaded is None
        assert loaded is None or is_sound(loaded)
    assert refused > 300
    for _ in range(400):
        data = bytearray(blob)
        at = int(rng.integers(header, len(data) - 8))
        data[at : at + 8] = rng.choice([rng.bytes(8), b"\xff" * 8, b"\0\0\x80\x7f" * 2])
        forge_bytes(folder, bytes(data))
        loaded = load_or_none(folder)
        assert loaded is None or is_sound(loaded)


def leaves(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else (
        enumerate(value) if isinstance(value, list) else ())
    for key, inner in items:
        yield from leaves(inner, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("version", [1, 2])
def test_odd_values_in_map_json_with_a_fitting_sum(folder, scene, version):
    if version == 1:
        to_version_1(folder, scene)
    path = folder / "map.json"
    values = json.loads(path.read_text())
    n = 0
    for at in leaves(values):
        for odd in ODD:
            changed = replaced(values, at, odd)
            signed = sign(changed) if version == 2 and isinstance(changed, dict) else changed
            path.write_text(json.dumps(signed))
            loaded = load_or_none(folder)
            assert loaded is None or is_sound(loaded)
            n += 1
    assert n > 1000
