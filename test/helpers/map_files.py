"""Saved maps as other versions wrote them, and with contents that no save writes."""

from __future__ import annotations

import hashlib
import json
import resource
import time
from contextlib import contextmanager

import numpy as np
from safetensors.numpy import load, save

SINCE_VERSION_3 = ["map_id", "camera_frames"]
SINCE_VERSION_4 = [
    "n_keyframes", "keyframe_cameras", "cloud_given", "made_by", "made_from"
]
SINCE_VERSION_5 = ["frame"]
SINCE_VERSION_6 = [
    "label_probabilities", "words", "word_confidences", "word_places", "detections",
    "detection_confidences", "detection_places",
]


def arrays_path(folder):
    return next(folder.glob("content-*")) / "arrays.safetensors"


def keyframes_path(folder):
    return next(folder.glob("content-*")) / "keyframes.safetensors"


def sign(values):
    """The fields of a map.json with the sum of them."""
    values = {name: value for name, value in values.items() if name != "sha256"}
    text = json.dumps(values, sort_keys=True)
    return values | {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def file_sum(blob):
    return {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()}


def forge(folder, change):
    """Let ``change`` edit the arrays and the fields of map.json; all sums are made to fit."""
    path, manifest = arrays_path(folder), folder / "map.json"
    arrays, values = load(path.read_bytes()), json.loads(manifest.read_text())
    change(arrays, values)
    forge_bytes(folder, save(arrays), values)


def forge_bytes(folder, blob, values=None):
    """Put another file of arrays into a map; all sums are made to fit."""
    path, manifest = arrays_path(folder), folder / "map.json"
    values = values or json.loads(manifest.read_text())
    path.write_bytes(blob)
    if "files" in values:
        values["files"]["arrays.safetensors"] = file_sum(blob)
    manifest.write_text(json.dumps(sign(values) if values.get("version") != 1 else values))


def forge_keyframes(folder, change):
    """Let ``change`` edit the columns and images of the keyframes and the fields of map.json."""
    path, manifest = keyframes_path(folder), folder / "map.json"
    arrays, values = load(path.read_bytes()), json.loads(manifest.read_text())
    change(arrays, values)
    forge_keyframes_bytes(folder, save(arrays), values)


def forge_keyframes_bytes(folder, blob, values=None):
    """Put another file of keyframes into a map; all sums are made to fit."""
    path, manifest = keyframes_path(folder), folder / "map.json"
    values = values or json.loads(manifest.read_text())
    path.write_bytes(blob)
    values["files"]["keyframes.safetensors"] = file_sum(blob)
    manifest.write_text(json.dumps(sign(values)))


def to_version_1(folder, scene):
    """Turn a map into what version 1 wrote: a file for each picture, no sum of map.json, spaces
    that told their encoder by their name alone."""
    path, manifest = arrays_path(folder), folder / "map.json"
    arrays, values = load(path.read_bytes()), json.loads(manifest.read_text())
    del arrays["thumbnails"], values["sha256"]
    blobs = {"arrays.safetensors": save(arrays)}
    for instance, images in zip(scene.ids, scene.thumbnails, strict=True):
        blobs |= {f"thumbnails/{instance}-{i}.jpg": jpeg for i, jpeg in enumerate(images)}
    (path.parent / "thumbnails").mkdir()
    for name, blob in blobs.items():
        (path.parent / name).write_bytes(blob)
    for name in SINCE_VERSION_3 + SINCE_VERSION_4 + SINCE_VERSION_5 + SINCE_VERSION_6:
        del values[name]
    for space in values["spaces"]:
        del space["encoder"], space["preprocessing"]
    values |= {
        "version": 1, "thumbnails": [len(images) for images in scene.thumbnails],
        "files": {name: file_sum(blob) for name, blob in blobs.items()},
    }
    manifest.write_text(json.dumps(values, indent=1))


def to_version_2(folder):
    """Turn a map into what version 2 wrote: no id of the map, no frames of cameras."""
    manifest = folder / "map.json"
    values = json.loads(manifest.read_text())
    for name in SINCE_VERSION_3 + SINCE_VERSION_4 + SINCE_VERSION_5 + SINCE_VERSION_6:
        del values[name]
    manifest.write_text(json.dumps(sign(values | {"version": 2})))


def to_version_3(folder):
    """Turn a map into what version 3 wrote: no keyframes."""
    manifest = folder / "map.json"
    values = json.loads(manifest.read_text())
    for name in SINCE_VERSION_4 + SINCE_VERSION_5 + SINCE_VERSION_6:
        del values[name]
    manifest.write_text(json.dumps(sign(values | {"version": 3})))


def to_version_4(folder):
    """Turn a map into what version 4 wrote: its frame is not told."""
    manifest = folder / "map.json"
    values = json.loads(manifest.read_text())
    for name in SINCE_VERSION_5 + SINCE_VERSION_6:
        del values[name]
    manifest.write_text(json.dumps(sign(values | {"version": 4})))


def to_version_5(folder):
    """Turn a map into what version 5 wrote: it does not tell how likely the labels are."""
    manifest = folder / "map.json"
    values = json.loads(manifest.read_text())
    for name in SINCE_VERSION_6:
        del values[name]
    manifest.write_text(json.dumps(sign(values | {"version": 5})))


@contextmanager
def bounded(seconds=1.0, megabytes=500):
    """Fail if what is done within takes longer, or more memory than was ever taken before."""
    peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    try:
        yield
    finally:
        assert time.monotonic() - start < seconds
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < megabytes * 1000


def mutations(blob, rng, n):
    """``n`` variants of a file: bits flipped, stretches cut, doubled, overwritten or inserted."""
    for _ in range(n):
        data = bytearray(blob)
        for _ in range(int(rng.integers(1, 4))):
            at, size = int(rng.integers(len(data) or 1)), int(rng.integers(1, 9))
            kind = rng.integers(6)
            if kind == 0 and data:
                data[at] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                del data[at : at + size]
            elif kind == 2:
                data[at:at] = data[at : at + size]
            elif kind == 3:
                data[at : at + size] = rng.bytes(size)
            elif kind == 4 and data:
                data[at] = int(rng.choice(np.frombuffer(b'09-+.eE"{}[],: nIN\\', np.uint8)))
            else:
                del data[int(rng.integers(len(data) + 1)) :]
        yield bytes(data)
