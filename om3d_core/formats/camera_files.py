"""The camera of a recording in files: a matrix, four numbers, JSON or YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, expect, reason_of
from om3d_core.files import parse_yaml, read_json, read_regular
from om3d_core.formats.text_matrix import MAX_TEXT_BYTES, read_numbers

EXPECTED = "a camera: a 3x3, 3x4 or 4x4 matrix, fx fy cx cy, or JSON or YAML with these"
FOCAL, CENTER = (("fx", "fy"), ("fl_x", "fl_y")), ("cx", "cy")
WIDTHS, HEIGHTS = ("width", "w", "image_width"), ("height", "h", "image_height")
MATRICES = ("intrinsic_matrix", "camera_matrix", "intrinsics", "intrinsic", "K", "k")
LENSES = ("distortion_coefficients", "distortion", "dist_coeffs", "D", "d")
LENS_MODELS = {4: "plumb_bob", 5: "plumb_bob", 8: "rational_polynomial",
               12: "rational_polynomial", 14: "rational_polynomial"}
"""Of a distortion without a name, by its number of terms, as OpenCV takes them."""
SCALES = ("scale", "depth_scale", "png_depth_scale")
GROUPS = ("camera", "cam", "color")
"""Names by which Open3D, NICE-SLAM, nerfstudio, ROS and others keep what a camera is."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera, its lens and the unit of its depth, as far as a file tells them.

    matrix: (3, 3) in pixels of images of ``width`` x ``height``, 0 where it does not tell the
    size. model, distortion: as sensor_msgs/CameraInfo, empty where it tells none.
    rectified_matrix: (3, 3) of images of which the distortion is taken out, None where that is
    ``matrix``.
    depth_units_per_m: of integer depth, 0 where it is not told.
    """

    matrix: npt.NDArray[np.float64]
    width: int = 0
    height: int = 0
    model: str = ""
    distortion: tuple[float, ...] = ()
    depth_units_per_m: float = 0.0
    rectified_matrix: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        expect(self.matrix.shape == (3, 3), "a camera matrix (3, 3)", self.matrix.shape)
        expect(bool(np.isfinite(self.matrix).all()), "finite numbers", self.matrix.tolist())
        expect(self.matrix[0, 0] > 0 and self.matrix[1, 1] > 0, "positive focal lengths",
               (float(self.matrix[0, 0]), float(self.matrix[1, 1])))

    @classmethod
    def of(cls, fx: float, fy: float, cx: float, cy: float, **more: Any) -> Camera:
        """From four numbers in pixels."""
        return cls(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64), **more)


def read_camera(path: Path) -> Camera:
    """The camera of a file. Raises InputError that says what the file held."""
    if path.suffix.lower() in (".json", ".yaml", ".yml"):
        return camera_of(_structured(path))
    return Camera(matrix_of(read_numbers(path)))


def matrix_of(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The camera matrix (3, 3) of 9, 12 or 16 numbers by rows or by columns, or of four."""
    if len(numbers) == 4:
        fx, fy, cx, cy = numbers
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if len(numbers) == 12:
        return numbers.reshape(3, 4)[:, :3].copy()
    expect(len(numbers) in (9, 16), EXPECTED, f"{len(numbers)} numbers")
    side = 3 if len(numbers) == 9 else 4
    matrix = numbers.reshape(side, side)[:3, :3].copy()
    by_columns = matrix[0, 2] == 0 == matrix[1, 2] and bool(matrix[2, :2].any())
    return matrix.T.copy() if by_columns else matrix


def camera_of(content: Any) -> Camera:
    """The camera of parsed JSON or YAML. Raises InputError."""
    expect(isinstance(content, Mapping), EXPECTED, type(content).__name__)
    groups = (content[name] for name in GROUPS if isinstance(content.get(name), Mapping))
    inner: Mapping[str, Any] = next(groups, {})
    values = {**content, **inner}
    model, distortion = _lens(values)
    return Camera(
        _matrix(values), int(_number(values, WIDTHS)), int(_number(values, HEIGHTS)), model,
        distortion, _number(values, SCALES), _projection(values) if distortion else None,
    )  # fmt: skip


def _matrix(values: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    for focal in FOCAL:
        if all(name in values for name in (*focal, *CENTER)):
            four = [_number(values, (name,)) for name in (*focal, *CENTER)]
            return matrix_of(np.array(four))
    for name in MATRICES:
        if name in values:
            given = values[name]
            if isinstance(given, Mapping):
                return _matrix(given) if "data" not in given else _flat(name, given["data"])
            return _flat(name, given)
    raise InputError(f"expected {EXPECTED}, got {', '.join(sorted(map(str, values))[:8])}")


def _lens(values: Mapping[str, Any]) -> tuple[str, tuple[float, ...]]:
    """The model of the distortion and its terms; empty where all are 0 or none are given, as by
    the name of a model alone."""
    for name in LENSES:
        given = values.get(name)
        if isinstance(given, str):
            continue
        terms = _numbers(name, given.get("data") if isinstance(given, Mapping) else given)
        if np.any(terms):
            model = values.get("distortion_model") or LENS_MODELS.get(len(terms), "")
            return str(model), tuple(terms.tolist())
    return "", ()


def _projection(values: Mapping[str, Any]) -> npt.NDArray[np.float64] | None:
    """The matrix of rectified images in ROS's calibration files, where it is filled in."""
    name = "projection_matrix"
    given = values.get(name)
    numbers = _numbers(name, given.get("data") if isinstance(given, Mapping) else given)
    if not np.any(numbers):
        return None
    matrix = matrix_of(numbers)
    return matrix if matrix[0, 0] > 0 else None


def _flat(name: str, given: Any) -> npt.NDArray[np.float64]:
    return matrix_of(_numbers(name, given))


def _numbers(name: str, given: Any) -> npt.NDArray[np.float64]:
    try:
        return np.array([] if given is None else given, np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: expected numbers, got {given!r:.60}") from error


def _number(values: Mapping[str, Any], names: tuple[str, ...]) -> float:
    """The first of the numbers, 0 where none is given. Raises InputError for one below 0."""
    for name in names:
        if name in values:
            given = values[name]
            good = isinstance(given, (int, float)) and not isinstance(given, bool)
            expect(good and 0 <= given < 1e6, f"{name} of 0 .. 1e6", repr(given)[:60])
            return float(given)
    return 0.0


def _structured(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".json":
            return read_json(path, MAX_TEXT_BYTES)
        lines = read_regular(path, MAX_TEXT_BYTES).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"expected {EXPECTED}, got {reason_of(error)}") from error
    return parse_yaml("\n".join(line for line in lines if not line.startswith("%")))
