"""The keyframes of a saved map: a safetensors file of columns, and at its end all images.

It is written and read piece by piece, so that no more is held than the keyframes themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import MAX_ENCODED_BYTES, MAX_PIXELS
from om3d_core.data.frame import Intrinsics
from om3d_core.data.keyframe import Keyframe
from om3d_core.data.map_files import FileSum, exactly, open_sized
from om3d_core.data.map_manifest import MAX_KEYFRAMES, Manifest
from om3d_core.data.map_tensors import Arrays, Layout, array_of, header_of, read_header, side
from om3d_core.errors import InputError, expect, reason_of

KEYFRAMES = "keyframes.safetensors"
IMAGES = "images"
MAX_PIXEL_FILE_BYTES = 4
"""Of a pixel of an encoded image, beside ``SLACK_BYTES``; even noise takes less."""
SLACK_BYTES = 65_536


class KeyframesFile:
    """The file for some keyframes of different stamps, as pieces to be written one by one."""

    def __init__(self, keyframes: Sequence[Keyframe]):
        """Raises :class:`InputError` if a stamp comes twice or there are too many."""
        expect(len(keyframes) <= MAX_KEYFRAMES, f"at most {MAX_KEYFRAMES} keyframes",
               len(keyframes))
        self._keyframes = sorted(keyframes, key=lambda keyframe: keyframe.stamp_ns)
        stamps = {keyframe.stamp_ns for keyframe in keyframes}
        expect(len(stamps) == len(keyframes), "keyframes of different stamps", "a stamp twice")
        self.cameras = tuple(sorted({keyframe.camera_frame for keyframe in keyframes}))
        n_images = sum(len(k.color) + len(k.depth) for k in keyframes)
        self._header = header_of(_layout_of(len(keyframes), n_images))
        self._columns = b"".join(column.tobytes() for column in self._columns_of().values())
        self.n_bytes = len(self._header) + len(self._columns) + n_images

    def pieces(self) -> Iterator[bytes]:
        """The content of the file."""
        yield self._header
        yield self._columns
        for keyframe in self._keyframes:
            yield keyframe.color
            yield keyframe.depth

    def sum(self) -> FileSum:
        """The size and the sum of the file."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return FileSum(self.n_bytes, digest.hexdigest())

    def _columns_of(self) -> Arrays:
        kept, layout = self._keyframes, _layout_of(len(self._keyframes), 0)
        at = {name: i for i, name in enumerate(self.cameras)}
        k = [keyframe.intrinsics for keyframe in kept]
        values: dict[str, Any] = {
            "poses": [keyframe.map_from_camera for keyframe in kept],
            "intrinsics": [(i.fx, i.fy, i.cx, i.cy) for i in k],
            "stamps": [keyframe.stamp_ns for keyframe in kept],
            "image_bytes": [(len(keyframe.color), len(keyframe.depth)) for keyframe in kept],
            "sizes": [(i.width, i.height) for i in k],
            "levels": [keyframe.level for keyframe in kept],
            "cameras": [at[keyframe.camera_frame] for keyframe in kept],
        }
        dtypes = {"F64": np.float64, "I64": np.int64, "I32": np.int32}
        return {
            name: np.array(values[name], dtypes[dtype]).reshape(shape)
            for name, (dtype, shape) in layout.items() if name != IMAGES
        }


def read_keyframes(path: Path, manifest: Manifest) -> tuple[Keyframe, ...]:
    """The keyframes in the file at ``path``, by ascending stamp; none if the map has none.

    Raises :class:`InputError` that names the array or the keyframe, or OSError. All sizes are
    checked before images are read, and the images' headers before anyone decodes them.
    """
    if not manifest.n_keyframes:
        return ()
    told = manifest.files.get(KEYFRAMES)
    if told is None:
        raise InputError(f"expected {KEYFRAMES} among the files of the map, got others")
    with open_sized(path, told) as file:
        header = read_header(file, told.bytes, partial(_layout, manifest))
        images = header.tensors[IMAGES]
        expect(images.start + images.n_bytes == header.n_bytes, "images after all other arrays",
               "images before others")
        columns = exactly(file, images.start)
        digest = hashlib.sha256(b"".join((*header.content, columns)))
        arrays = {
            name: array_of(name, tensor, columns)
            for name, tensor in header.tensors.items() if name != IMAGES
        }
        _check(arrays, manifest, images.n_bytes)
        keyframes = tuple(
            _read(file, digest, row, arrays, manifest) for row in range(manifest.n_keyframes)
        )
    expect(digest.hexdigest() == told.sha256, "the content to match its SHA-256 sum", "another")
    return keyframes


def _layout_of(n: int, n_images: int) -> Layout:
    """image_bytes: of color and depth. sizes: width and height. cameras: of the manifest's."""
    return {
        "poses": ("F64", (n, 4, 4)), "intrinsics": ("F64", (n, 4)), "stamps": ("I64", (n,)),
        "image_bytes": ("I64", (n, 2)), "sizes": ("I32", (n, 2)), "levels": ("I32", (n,)),
        "cameras": ("I32", (n,)), IMAGES: ("U8", (n_images,)),
    }


def _layout(manifest: Manifest, header: dict[str, Any]) -> Layout:
    return _layout_of(manifest.n_keyframes, side(header, IMAGES))


def _check(arrays: Arrays, manifest: Manifest, n_images: int) -> None:
    stamps, n_bytes, cameras = arrays["stamps"], arrays["image_bytes"], arrays["cameras"]
    expect(bool((np.diff(stamps) > 0).all()), "stamps in ascending order, each once", "others")
    width, height = arrays["sizes"].astype(np.int64).T
    fits = (width > 0) & (height > 0) & (width * height <= MAX_PIXELS)
    expect(bool(fits.all()), f"sizes of 1..{MAX_PIXELS} pixels", "others")
    most = np.minimum(MAX_PIXEL_FILE_BYTES * width * height + SLACK_BYTES, MAX_ENCODED_BYTES)
    fits = (n_bytes.min(axis=1) > 0) & (n_bytes.max(axis=1) <= most)
    expect(bool(fits.all()), f"image_bytes of at most {MAX_PIXEL_FILE_BYTES} a pixel", "others")
    total = int(n_bytes.sum())
    expect(total == n_images, f"image_bytes of {n_images} together", total)
    known = (cameras >= 0) & (cameras < len(manifest.keyframe_cameras))
    expect(bool(known.all()), f"cameras of {len(manifest.keyframe_cameras)}", "others")


def _read(
    file: BufferedReader, digest: Any, row: int, arrays: Arrays, manifest: Manifest
) -> Keyframe:
    """The next keyframe; its images are added to the ``digest``."""
    color, depth = (_image(file, digest, size) for size in arrays["image_bytes"][row].tolist())
    pose: npt.NDArray[np.float64] = np.array(arrays["poses"][row], np.float64)
    camera = manifest.keyframe_cameras[int(arrays["cameras"][row])]
    lens, size = arrays["intrinsics"][row].tolist(), arrays["sizes"][row].tolist()
    try:
        intrinsics = Intrinsics(*lens, *size)
        return Keyframe(
            color, depth, intrinsics, pose, int(arrays["stamps"][row]), camera,
            int(arrays["levels"][row]),
        )
    except InputError as error:
        raise InputError(f"keyframe {row} of the file: {reason_of(error)}") from error


def _image(file: BufferedReader, digest: Any, size: int) -> bytes:
    content = exactly(file, size)
    digest.update(content)
    return bytes(content)
