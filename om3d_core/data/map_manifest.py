"""``map.json``: what a saved map holds beside its arrays, and in which folder these are.

Version 8 has the detections. Version 7 has the words that were read. Version 6 tells how likely
the labels are. Version 5 tells the map's frame. Version 4 tells what keyframes the map holds, and
what its Scene was made with and of. Version 3 tells the map's id and the cameras' frames. Version
2 has a SHA-256 sum of itself. In version 1 there is none, and the pictures are files.
"""

from __future__ import annotations

import hashlib
import json
import re
import reprlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.map_files import FileSum
from om3d_core.data.map_words import Columns
from om3d_core.data.tables import MAX_STAMP_NS
from om3d_core.errors import InputError, MapFormatError, expect
from om3d_core.files import read_regular

FORMAT, VERSION, VERSIONS = "om3d-map", 8, (1, 2, 3, 4, 5, 6, 7, 8)
MANIFEST = "map.json"
MAX_MANIFEST_BYTES = 4_000_000
MAX_CONTENT_BYTES = 4_000_000_000
MAX_GROUPS = 100_000
MAX_KEYFRAMES = 100_000
MAX_COUNT = 2**53
CONTENT_NAME = re.compile(r"content-[0-9a-f]{12}")
SUM = re.compile(r"[0-9a-f]{64}")
SPACE_FIELDS = {field.name for field in fields(FeatureSpace)}
SPACE_FIELDS_OF_VERSION_1 = {"name", "dim", "text", "image", "source"}
SINCE_VERSION: dict[int, dict[str, Any]] = {
    3: {"map_id": "", "camera_frames": {}},
    4: {"n_keyframes": 0, "keyframe_cameras": [], "cloud_given": False, "made_by": "",
        "made_from": ""},
    5: {"frame": ""},
    6: {"label_probabilities": []},
    7: {"words": [], "word_confidences": [], "word_places": []},
    8: {"detections": [], "detection_confidences": [], "detection_places": []},
}
"""The fields that came with a version, and what they are in older ones."""


@dataclass(frozen=True)
class Manifest:
    """The fields of ``map.json``.

    content: name of the folder with the files. thumbnails: the bytes of each picture of each
    instance, in version 1 the number of pictures of each instance. map_id, camera_frames,
    cloud_given, made_by, made_from, frame and label_probabilities: as in :class:`Scene`; the file
    lists the stamps of each camera's frame. keyframe_cameras: the names that the keyframes'
    ``cameras`` number. words, word_confidences, word_places, and those of detections: the columns
    of :mod:`om3d_core.data.map_words`.
    """

    version: int
    content: str
    files: dict[str, FileSum]
    revision: int
    next_id: int
    up: tuple[float, ...]
    n_points: int
    labels: tuple[str, ...]
    thumbnails: tuple[Any, ...]
    spaces: tuple[FeatureSpace, ...]
    map_id: str
    camera_frames: dict[int, str]
    n_keyframes: int = 0
    keyframe_cameras: tuple[str, ...] = ()
    cloud_given: bool = False
    made_by: str = ""
    made_from: str = ""
    frame: str = ""
    label_probabilities: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    word_confidences: tuple[float, ...] = ()
    word_places: tuple[int, ...] = ()
    detections: tuple[str, ...] = ()
    detection_confidences: tuple[float, ...] = ()
    detection_places: tuple[int, ...] = ()

    def to_json(self) -> bytes:
        """The content of ``map.json``. Raises :class:`InputError` if it is too large to load."""
        values = {
            "format": FORMAT, "version": self.version, "content": self.content,
            "files": {name: vars(entry) for name, entry in self.files.items()},
            "revision": self.revision, "next_id": self.next_id, "up": list(self.up),
            "n_points": self.n_points, "labels": list(self.labels),
            "thumbnails": [list(sizes) for sizes in self.thumbnails],
            "spaces": [vars(space) for space in self.spaces],
            "map_id": self.map_id, "camera_frames": _stamps_by_name(self.camera_frames),
            "n_keyframes": self.n_keyframes, "keyframe_cameras": list(self.keyframe_cameras),
            "cloud_given": self.cloud_given, "made_by": self.made_by, "made_from": self.made_from,
            "frame": self.frame, "label_probabilities": list(self.label_probabilities),
            "words": list(self.words), "word_confidences": list(self.word_confidences),
            "word_places": list(self.word_places), "detections": list(self.detections),
            "detection_confidences": list(self.detection_confidences),
            "detection_places": list(self.detection_places),
        }
        content = json.dumps(values | {"sha256": _sum(values)}, indent=1).encode()
        expect(len(content) <= MAX_MANIFEST_BYTES, f"at most {MAX_MANIFEST_BYTES} bytes of "
               f"{MANIFEST}", len(content))
        return content

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """Read and check every field; raises :class:`InputError` that names the field."""
        values = _decoded(content)
        expect(isinstance(values, dict) and values.get("format") == FORMAT,
               f"format {FORMAT!r}", "something else")
        version = values.get("version")
        expect(type(version) is int and version in VERSIONS, f"one of the versions {VERSIONS}",
               reprlib.repr(version))
        wanted = {"format", *cls.__dataclass_fields__} | ({"sha256"} if version > 1 else set())
        added: dict[str, Any] = {}
        for since, fields_added in SINCE_VERSION.items():
            added |= fields_added if version < since else {}
        wanted -= set(added)
        expect(set(values) == wanted, f"the fields {sorted(wanted)}",
               reprlib.repr(sorted(set(values) ^ wanted)) + " too many or missing")
        if version > 1:
            told = values.pop("sha256")
            expect(told == _sum(values), "the content to match its field sha256", "another sum")
        values |= added
        content_name = _field(values, "content", str)
        expect(CONTENT_NAME.fullmatch(content_name) is not None,
               "content, the name of a content folder", reprlib.repr(content_name))
        manifest = cls(
            version, content_name, _files(_field(values, "files", dict)),
            _count(values["revision"], "revision"), _count(values["next_id"], "next_id"),
            _up(values["up"]), _count(values["n_points"], "n_points"),
            tuple(_text(value, "labels") for value in _field(values, "labels", list)),
            tuple(_pictures(value, version) for value in _field(values, "thumbnails", list)),
            tuple(_space(value, version) for value in _field(values, "spaces", list)),
            _field(values, "map_id", str),
            _camera_frames(_field(values, "camera_frames", dict)),
            _count(values["n_keyframes"], "n_keyframes"),
            tuple(_text(v, "keyframe_cameras") for v in _field(values, "keyframe_cameras", list)),
            _field(values, "cloud_given", bool), _field(values, "made_by", str),
            _field(values, "made_from", str), _text(values["frame"], "frame"),
            _numbers(values["label_probabilities"], "label_probabilities"),
            *_words(values, "word"), *_words(values, "detection"),
        )
        expect(len(manifest.thumbnails) == len(manifest.labels),
               f"thumbnails of {len(manifest.labels)} instances", len(manifest.thumbnails))
        expect(manifest.n_keyframes <= MAX_KEYFRAMES, f"n_keyframes in 0..{MAX_KEYFRAMES}",
               manifest.n_keyframes)
        return manifest


def read_manifest(folder: Path) -> bytes:
    """The content of the map's ``map.json``, not yet checked.

    Raises :class:`MapFormatError` if there is none or it cannot be read.
    """
    path = folder / MANIFEST
    try:
        return read_regular(path, MAX_MANIFEST_BYTES, follow_links=False)
    except FileNotFoundError as error:
        raise MapFormatError(f"{folder}: expected a map, found no {MANIFEST}") from error
    except OSError as error:
        raise MapFormatError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise MapFormatError(f"{path}: cannot be read: {error}") from error


def is_of_another_kind(content: bytes) -> bool:
    """Whether this is JSON of something else than a map; not so of a damaged ``map.json``."""
    if _n_groups(content) > MAX_GROUPS:
        return True
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return not isinstance(values, dict) or values.get("format") != FORMAT


def _n_groups(content: bytes) -> int:
    return content.count(b"[") + content.count(b"{")


def _decoded(content: bytes) -> Any:
    expect(_n_groups(content) <= MAX_GROUPS, f"at most {MAX_GROUPS} lists and objects", "more")
    try:
        return json.loads(content, object_pairs_hook=_unique, parse_constant=_refused)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected JSON, got {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    expect(len(values) == len(pairs), "each field once", reprlib.repr([k for k, _ in pairs]))
    return values


def _refused(name: str) -> float:
    raise InputError(f"expected finite numbers, got {name}")


def _sum(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _field(values: dict[str, Any], name: str, kind: type) -> Any:
    value = values.get(name)
    expect(type(value) is kind, f"{name}, a JSON value like {kind()!r}", reprlib.repr(value))
    return value


def _count(value: object, name: str) -> int:
    fits = type(value) is int and 0 <= value <= MAX_COUNT
    expect(fits, f"{name}, an integer in 0..{MAX_COUNT}", reprlib.repr(value))
    return value  # type: ignore[return-value]


def _files(values: dict[str, Any]) -> dict[str, FileSum]:
    result = {}
    for name, entry in values.items():
        at = f"files[{reprlib.repr(name)}]"
        fits = type(entry) is dict and set(entry) == {"bytes", "sha256"}
        expect(fits, f"{at} with bytes and sha256", reprlib.repr(entry))
        digest = entry["sha256"]
        expect(type(digest) is str and SUM.fullmatch(digest) is not None,
               f"{at}.sha256, 64 hexadecimal digits", reprlib.repr(digest))
        result[name] = FileSum(_count(entry["bytes"], f"{at}.bytes"), digest)
    total = sum(entry.bytes for entry in result.values())
    expect(total <= MAX_CONTENT_BYTES, f"files of at most {MAX_CONTENT_BYTES} bytes", total)
    return result


def _up(value: Any) -> tuple[float, ...]:
    fits = type(value) is list and len(value) == 3 and all(type(v) is float for v in value)
    expect(fits, "up, three decimal numbers", reprlib.repr(value))
    return tuple(value)


def _numbers(value: Any, name: str) -> tuple[float, ...]:
    fits = type(value) is list and all(type(v) is float for v in value)
    expect(fits, f"{name}, decimal numbers", reprlib.repr(value))
    return tuple(value)


def _text(value: Any, name: str) -> str:
    expect(type(value) is str, f"{name}, strings", reprlib.repr(value))
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"expected {name} of Unicode text, got {value!a}") from error
    return str(value)


def _words(values: dict[str, Any], name: str) -> Columns:
    texts, confidences, places = f"{name}s", f"{name}_confidences", f"{name}_places"
    return (
        tuple(_text(value, texts) for value in _field(values, texts, list)),
        _numbers(values[confidences], confidences),
        tuple(_count(value, places) for value in _field(values, places, list)),
    )


def _stamps_by_name(camera_frames: dict[int, str]) -> dict[str, list[int]]:
    names = sorted(set(camera_frames.values()))
    return {name: [s for s in sorted(camera_frames) if camera_frames[s] == name] for name in names}


def _camera_frames(values: dict[str, Any]) -> dict[int, str]:
    result: dict[int, str] = {}
    for name, stamps in values.items():
        fits = type(stamps) is list and all(
            type(stamp) is int and 0 <= stamp <= MAX_STAMP_NS for stamp in stamps
        )
        expect(fits, f"camera_frames, lists of stamps in 0..{MAX_STAMP_NS} ns",
               reprlib.repr(stamps))
        result |= dict.fromkeys(stamps, _text(name, "camera_frames"))
    return result


def _pictures(value: Any, version: int) -> Any:
    if version == 1:
        return _count(value, "thumbnails of an instance")
    expect(type(value) is list, "thumbnails, a list for each instance", reprlib.repr(value))
    return tuple(_count(size, "bytes of a thumbnail") for size in value)


def _space(value: Any, version: int) -> FeatureSpace:
    names = SPACE_FIELDS if version > 1 else SPACE_FIELDS_OF_VERSION_1
    fits = type(value) is dict and set(value) - {"source"} == names - {"source"}
    expect(fits, f"spaces with {', '.join(sorted(names))}", reprlib.repr(value))
    values = {"source": ""} | value
    for name in names - {"dim"}:
        _field(values, name, bool if name in {"text", "image"} else str)
    values |= {"dim": _count(values["dim"], "dim of a space")}
    return FeatureSpace(**values) if version > 1 else _space_of_version_1(values)


def _space_of_version_1(values: dict[str, Any]) -> FeatureSpace:
    """Version 1 told the encoder and the preprocessing by the name of the space alone."""
    name = values["name"]
    encoder = re.split(r"[-/@]", name, maxsplit=1)[0]
    whole = "whole-crop" if name.endswith("+whole-crop") else "original"
    return FeatureSpace(
        **values, encoder=encoder, preprocessing=whole if values["source"] else ""
    )
