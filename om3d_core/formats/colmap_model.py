"""COLMAP's sparse models, text and binary, and its depth maps."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import check_sides
from om3d_core.data.poses import Transform, transform_from
from om3d_core.errors import InputError, expect, reason_of
from om3d_core.files import read_regular
from om3d_core.formats.camera_files import Camera
from om3d_core.formats.image_files import read_encoded

MAX_MODEL_BYTES = 1 << 30
MODELS = (
    ("SIMPLE_PINHOLE", 3), ("PINHOLE", 4), ("SIMPLE_RADIAL", 4), ("RADIAL", 5), ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8), ("FULL_OPENCV", 12),
)  # fmt: skip
"""Names and numbers of parameters of the models that are read, by COLMAP's ids from 0."""
PARAMETERS = dict(MODELS)
HALF_PX = 0.5
"""COLMAP's pixels are centered at halves, those of a Camera at whole numbers."""
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class ModelImage:
    """An image of a model; camera_from_map (4, 4), optical axes."""

    name: str
    camera_id: int
    camera_from_map: Transform


def read_model(folder: Path) -> tuple[dict[int, Camera], list[ModelImage]]:
    """The cameras by id and the images of a model, by name. Raises InputError that names the
    file."""
    cameras, images = folder / "cameras", folder / "images"
    if cameras.with_suffix(".bin").is_file():
        return (
            dict(_read(cameras.with_suffix(".bin"), _binary_cameras)),
            sorted(_read(images.with_suffix(".bin"), _binary_images), key=lambda i: i.name),
        )
    return (
        dict(_read(cameras.with_suffix(".txt"), _text_cameras)),
        sorted(_read(images.with_suffix(".txt"), _text_images), key=lambda i: i.name),
    )


def read_depth_map(path: Path) -> npt.NDArray[np.float32]:
    """(H, W) depth of a .bin of COLMAP's stereo: ``W&H&1&``, then float32 by rows."""
    data = read_encoded(path)
    width, height, start = _depth_header(path, data)
    content = data[start:]
    expect(len(content) == 4 * width * height, f"{path.name}: {width} x {height} float32",
           f"{len(content)} bytes")
    return np.frombuffer(content, "<f4").reshape(height, width).astype(np.float32)


def depth_map_size(path: Path) -> tuple[int, int]:
    """Width and height of a depth map."""
    width, height, _ = _depth_header(path, read_encoded(path))
    return width, height


def _depth_header(path: Path, data: bytes) -> tuple[int, int, int]:
    words = data[:64].split(b"&", 3)
    good = len(words) == 4 and all(word.isdigit() for word in words[:3])
    expect(good, f"{path.name}: a depth map of COLMAP, W&H&1&", repr(data[:16]))
    width, height, channels = (int(word) for word in words[:3])
    expect(channels == 1, f"{path.name}: one channel", channels)
    check_sides(width, height)
    return width, height, sum(len(word) + 1 for word in words[:3])


def _read(path: Path, parse: Callable[[bytes], Iterator[T]]) -> list[T]:
    try:
        return list(parse(read_regular(path, MAX_MODEL_BYTES)))
    except (OSError, ValueError, IndexError, struct.error, OverflowError) as error:
        raise InputError(f"{path}: expected a model of COLMAP, got {reason_of(error)}") from error


def _text_lines(data: bytes) -> Iterator[list[str]]:
    for line in data.decode("utf-8", "replace").splitlines():
        if not line.startswith("#"):
            yield line.split()


def _text_cameras(data: bytes) -> Iterator[tuple[int, Camera]]:
    for words in _text_lines(data):
        if words:
            values = [float(word) for word in words[4:]]
            yield int(words[0]), _camera(words[1], int(words[2]), int(words[3]), values)


def _text_images(data: bytes) -> Iterator[ModelImage]:
    """Every other line: the one after an image, which may be empty, has its points."""
    lines = _text_lines(data)
    for words in lines:
        if not words:
            continue
        expect(len(words) > 9, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", " ".join(words))
        numbers = [float(word) for word in words[1:8]]
        yield ModelImage(" ".join(words[9:]), int(words[8]), _pose(numbers))
        next(lines, None)


def _binary_cameras(data: bytes) -> Iterator[tuple[int, Camera]]:
    (count,) = struct.unpack_from("<Q", data)
    at = 8
    for _ in range(count):
        number, model, width, height = struct.unpack_from("<iiQQ", data, at)
        expect(0 <= model < len(MODELS), f"a camera model of {_names()}", f"id {model}")
        name, n_values = MODELS[model]
        values = struct.unpack_from(f"<{n_values}d", data, at + 24)
        at += 24 + 8 * n_values
        yield number, _camera(name, width, height, list(values))


def _binary_images(data: bytes) -> Iterator[ModelImage]:
    (count,) = struct.unpack_from("<Q", data)
    at = 8
    for _ in range(count):
        _, *numbers, camera = struct.unpack_from("<i7di", data, at)
        end = data.index(b"\0", at + 64)
        name = data[at + 64 : end].decode("utf-8", "replace")
        (n_points,) = struct.unpack_from("<Q", data, end + 1)
        at = end + 9 + 24 * n_points
        expect(at <= len(data), f"{n_points} points of {name}", "the end of the file")
        yield ModelImage(name, camera, _pose(numbers))


def _pose(numbers: list[float]) -> Transform:
    """Of qw qx qy qz tx ty tz."""
    w, x, y, z = numbers[:4]
    return transform_from(numbers[4:], (x, y, z, w))


def _camera(model: str, width: int, height: int, values: list[float]) -> Camera:
    expect(model in PARAMETERS, f"a camera model of {_names()}", repr(model))
    expect(len(values) == PARAMETERS[model], f"{PARAMETERS[model]} parameters of {model}",
           len(values))
    check_sides(width, height)
    one = model in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")
    fx, fy = (values[0], values[0]) if one else values[:2]
    cx, cy, *lens = values[1:] if one else values[2:]
    terms: tuple[float, ...] = ()
    kind = ""
    if model == "OPENCV_FISHEYE":
        kind, terms = "equidistant", tuple(lens)
    elif model == "FULL_OPENCV":
        kind, terms = "rational_polynomial", tuple(lens)
    elif lens:
        kind, terms = "plumb_bob", (*lens[:2], *[0.0] * (2 - len(lens[:2])), *lens[2:], 0.0)
        terms = (*terms, *[0.0] * (5 - len(terms)))
    return Camera.of(fx, fy, cx - HALF_PX, cy - HALF_PX, width=width, height=height,
                     model=kind, distortion=terms)


def _names() -> str:
    return ", ".join(PARAMETERS)
