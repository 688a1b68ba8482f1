"""Save and load a map as a folder: JSON and safetensors; no pickle.

A map is a Scene and, if they were saved with it, the keyframes that it was made of. ``map.json``
names the content folder that holds the files, with size and SHA-256 sum of each. A save
locks the folder, writes a new content folder beside the old one and then replaces ``map.json`` in
one rename: one that is killed at any moment leaves the previous map whole, and the next one
removes what it left. A load that meets a save reads again.
"""

from __future__ import annotations

import os
import re
import stat
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from om3d_core.data.keyframe import Keyframe
from om3d_core.data.map_arrays import ARRAYS, bytes_of, read_arrays, scene_of
from om3d_core.data.map_files import FileSum
from om3d_core.data.map_keyframes import KEYFRAMES, KeyframesFile, read_keyframes
from om3d_core.data.map_lock import LOCK_TIMEOUT_S, map_lock
from om3d_core.data.map_manifest import (
    CONTENT_NAME,
    MANIFEST,
    MAX_CONTENT_BYTES,
    MAX_MANIFEST_BYTES,
    VERSION,
    Manifest,
    is_of_another_kind,
    read_manifest,
)
from om3d_core.data.map_thumbnails import THUMBNAIL_NAME, THUMBNAILS, thumbnails_of
from om3d_core.data.map_words import words_to_columns
from om3d_core.data.scene import Scene
from om3d_core.errors import InputError, MapFormatError, expect
from om3d_core.files import (
    KINDS,
    read_regular,
    sync_folder,
    write_atomically,
    write_durably,
)

TEMPORARY_NAME = re.compile(rf"\.{re.escape(MANIFEST)}\.[a-z0-9_]{{8}}")
READS = 5
T = TypeVar("T")
SavedMap = tuple[Scene, tuple[Keyframe, ...]]
MAX_DEPTH = 100


def save_scene(
    scene: Scene,
    folder: Path,
    keyframes: Sequence[Keyframe] = (),
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> None:
    """Write ``scene`` and its ``keyframes`` into ``folder``, replacing a map that is there.

    Keyframes are written one by one, without a copy of them all. Other maps may lie below the
    folder: only what saves of this map wrote is touched. Raises :class:`MapFormatError` if the
    folder holds something else or the map is too large, OSError that names the file if it cannot
    be written, :class:`MapBusyError` if another save takes longer than ``lock_timeout_s``.
    Whenever it fails there is one whole map: that which was there, or the new one if no more than
    the last flush to disk failed.
    """
    folder = Path(folder)
    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with map_lock(folder, lock_timeout_s) as locked:
        replaced = _named(folder)
        if locked:
            _sweep(folder, None)
        content = folder / f"content-{uuid.uuid4().hex[:12]}"
        try:
            manifest = _write_content(scene, keyframes, content)
        except BaseException:
            _remove_content(content)
            raise
        try:
            write_atomically(folder / MANIFEST, manifest)
        finally:
            _sweep(folder, None if locked else {content.name, str(replaced)})


def load_scene(folder: Path, lock_timeout_s: float = LOCK_TIMEOUT_S) -> Scene:
    """Read the map in ``folder``; everything is checked before it is returned.

    If the map is replaced meanwhile, the new one is read, which saves then wait for. Raises
    :class:`MapFormatError` naming file and field if the map is missing, damaged, or of another
    version, and :class:`MapBusyError` if a save holds it longer than ``lock_timeout_s``.
    """
    return _load(folder, lock_timeout_s, _read_scene)


def load_map(folder: Path, lock_timeout_s: float = LOCK_TIMEOUT_S) -> SavedMap:
    """Read the Scene in ``folder`` and its keyframes, by ascending stamp, of which there may be
    none.

    Both are of one save. Raises as :func:`load_scene`, which does not read the keyframes.
    """
    return _load(folder, lock_timeout_s, _read_map)


def _load(folder: Path, lock_timeout_s: float, read: Callable[[Path, bytes], T]) -> T:
    folder = Path(folder)
    manifest = read_manifest(folder)
    for _ in range(READS):
        try:
            return read(folder, manifest)
        except MapFormatError:
            if read_manifest(folder) == manifest:
                raise
        try:
            with map_lock(folder, lock_timeout_s, shared=True) as locked:
                manifest = read_manifest(folder)
                if locked:
                    return read(folder, manifest)
        except OSError as error:
            raise MapFormatError(f"{folder}: cannot be locked: {error}") from error
    return read(folder, manifest)


def check_writable(folder: Path) -> None:
    """Raise :class:`MapFormatError` if ``folder`` cannot hold a map, or holds something else.

    Maps that lie below the folder are no hindrance.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        at = "" if there == folder else f" at {there}"
        raise MapFormatError(f"{folder}: expected a folder for the map, got a file{at}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise MapFormatError(f"{folder}: expected a folder for the map, {there} is read-only")
    if not folder.is_dir():
        return
    path = folder / MANIFEST
    if not os.path.lexists(path):
        foreign = _foreign(folder)
        if foreign:
            raise MapFormatError(f"{folder}: expected a map or an empty folder, found {foreign}")
    elif is_of_another_kind(read_manifest(folder)):
        raise MapFormatError(f"{path}: expected a map to replace, found a file of another kind")


def _foreign(folder: Path, depth: int = MAX_DEPTH) -> str | None:
    """The first thing in a folder that is no map, and neither belongs to one nor holds any."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if depth == 0 or path.is_symlink() or not path.is_dir():
            return path.name
        ours = CONTENT_NAME.fullmatch(path.name) or os.path.lexists(path / MANIFEST)
        below = None if ours else _foreign(path, depth - 1)
        if below:
            return f"{path.name}/{below}"
    return None


def _write_content(scene: Scene, keyframes: Sequence[Keyframe], content: Path) -> bytes:
    """Write the content folder to disk; return what ``map.json`` is to hold."""
    blob, k = bytes_of(scene), scene.views.stamps.shape[1]
    try:
        kept = KeyframesFile(keyframes)
        total = len(blob) + (kept.n_bytes if keyframes else 0)
        expect(total <= MAX_CONTENT_BYTES, f"at most {MAX_CONTENT_BYTES} bytes",
               f"{total}, {total - len(blob)} of them keyframes")
        files = {ARRAYS: FileSum.of(blob)} | ({KEYFRAMES: kept.sum()} if keyframes else {})
        manifest = Manifest(
            VERSION, content.name, files, int(scene.revision), int(scene.next_id),
            tuple(scene.up.tolist()), len(scene.cloud), scene.labels,
            tuple(tuple(map(len, images)) for images in scene.thumbnails),
            tuple(table.space for table in scene.features), scene.map_id,
            dict(scene.camera_frames), len(keyframes), kept.cameras, scene.cloud_given,
            scene.made_by, scene.made_from, scene.frame,
            tuple(scene.label_probabilities.tolist()),
            *words_to_columns(scene.words, k), *words_to_columns(scene.detections, k),
        ).to_json()
        Manifest.from_json(manifest)
    except InputError as error:
        raise MapFormatError(f"{content.parent}: the map cannot be saved: {error}") from error
    content.mkdir()
    write_durably(content / ARRAYS, blob)
    if keyframes:
        write_durably(content / KEYFRAMES, kept.pieces())
    sync_folder(content)
    sync_folder(content.parent)
    return manifest


def _read_scene(folder: Path, content: bytes) -> Scene:
    """The scene that a ``map.json`` of this content describes."""
    return _read(folder, content, False)[0]


def _read_map(folder: Path, content: bytes) -> SavedMap:
    """The scene and the keyframes that a ``map.json`` of this content describes."""
    return _read(folder, content, True)


def _read(folder: Path, content: bytes, with_keyframes: bool) -> SavedMap:
    path = folder / MANIFEST
    try:
        manifest = Manifest.from_json(content)
        path = content_folder = folder / manifest.content
        _expect_folder(content_folder)
        path = content_folder / ARRAYS
        arrays = read_arrays(path, manifest)
        if manifest.version == 1:
            _expect_folder(content_folder / THUMBNAILS)
        scene = scene_of(manifest, arrays, thumbnails_of(manifest, arrays, content_folder))
        path = content_folder / KEYFRAMES
        return scene, read_keyframes(path, manifest) if with_keyframes else ()
    except InputError as error:
        raise MapFormatError(f"{path}: the map is damaged: {error}") from error
    except OSError as error:
        at = error.filename or path
        raise MapFormatError(f"{at}: cannot be read: {error.strerror}") from error


def _expect_folder(path: Path) -> None:
    mode = path.lstat().st_mode
    expect(stat.S_ISDIR(mode), "a folder", KINDS.get(stat.S_IFMT(mode), "a file"))


def _sweep(folder: Path, only: set[str] | None) -> None:
    """Remove what ``map.json`` does not name of what saves left, or of that with these names.

    Nothing is removed while ``map.json`` cannot be read.
    """
    named = _named(folder)
    if named is None:
        return
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if CONTENT_NAME.fullmatch(path.name) and path.name != named:
                if only is None or path.name in only:
                    _remove_content(path)
            elif only is None and TEMPORARY_NAME.fullmatch(path.name):
                _unlink(path)


def _named(folder: Path) -> str | None:
    """The name of the map's content folder, empty without a map, None if it is not known."""
    try:
        content = read_regular(folder / MANIFEST, MAX_MANIFEST_BYTES, follow_links=False)
        return Manifest.from_json(content).content
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):
        return None


def _remove_content(content: Path) -> None:
    """Remove what a save wrote there; whatever else lies there stays, and the folder with it."""
    if content.is_symlink() or not content.is_dir():
        return
    for name in (ARRAYS, KEYFRAMES):
        _unlink(content / name)
    pictures = content / THUMBNAILS
    if not pictures.is_symlink() and pictures.is_dir():
        for path in list(pictures.iterdir()):
            if THUMBNAIL_NAME.fullmatch(path.name):
                _unlink(path)
        with suppress(OSError):
            pictures.rmdir()
    with suppress(OSError):
        content.rmdir()


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
