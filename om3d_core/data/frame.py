"""A posed RGB-D image: what every source yields and the mapper consumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, expect

MAX_SIDE_PX = 8192
MAX_TRANSLATION_M = 10_000.0
ROTATION_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole intrinsics in pixels, without distortion, for one image size."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        values = np.array([self.fx, self.fy, self.cx, self.cy], dtype=np.float64)
        expect(bool(np.isfinite(values).all()), "finite intrinsics fx, fy, cx, cy", values)
        expect(self.fx > 0 and self.fy > 0, "positive focal lengths", (self.fx, self.fy))
        expect(
            0 < self.width <= MAX_SIDE_PX and 0 < self.height <= MAX_SIDE_PX,
            f"an image size within 1..{MAX_SIDE_PX}",
            (self.width, self.height),
        )

    @classmethod
    def from_matrix(cls, k: npt.ArrayLike, width: int, height: int) -> Intrinsics:
        """Build from a 3x3 or 4x4 camera matrix in pixels."""
        matrix = np.asarray(k, dtype=np.float64)
        expect(matrix.shape in {(3, 3), (4, 4)}, "a 3x3 or 4x4 camera matrix", matrix.shape)
        fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
        return cls(float(fx), float(fy), float(cx), float(cy), int(width), int(height))

    @classmethod
    def from_shares(cls, k: npt.ArrayLike, width: int, height: int) -> Intrinsics:
        """Build from a 3x3 or 4x4 camera matrix in shares of the image's sides."""
        one = cls.from_matrix(k, 1, 1)
        return cls(
            one.fx * width, one.fy * height, one.cx * width - 0.5, one.cy * height - 0.5,
            width, height,
        )  # fmt: skip

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """The 3x3 camera matrix in pixels."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    def resized(self, width: int, height: int) -> Intrinsics:
        """The intrinsics of the same view at another image size (per-axis scaling)."""
        sx, sy = width / self.width, height / self.height
        return Intrinsics(
            self.fx * sx,
            self.fy * sy,
            (self.cx + 0.5) * sx - 0.5,
            (self.cy + 0.5) * sy - 0.5,
            width,
            height,
        )

    def openmask3d_resized(self, width: int, height: int) -> Intrinsics:
        """As :meth:`resized`, with the faults of OpenMask3D (``Camera.get_adapted_intrinsic``).

        That code was written for sizes (width, height) and is given (height, width): the focal
        length and the center along x follow the height, those along y the width, and focal
        lengths scale with a truncated size. It is right only where the aspect ratio stays.
        """
        sx = (width * self.height // self.width) / self.height
        return Intrinsics(
            self.fx * sx,
            self.fy * (width / self.width),
            self.cx * ((height - 1) / (self.height - 1)),
            self.cy * ((width - 1) / (self.width - 1)),
            width,
            height,
        )


@dataclass(frozen=True, eq=False)
class Frame:
    """One posed RGB-D image; color and depth are registered and of one size.

    rgb: (H, W, 3) uint8. depth: (H, W) float32 in meters, 0 where there is none.
    map_from_camera: (4, 4) float64 rigid transform, optical axes (x right, y down, z forward), at
    most 10 km off the origin: beyond it points in float32 and voxel indices lose their meaning.
    stamp_ns: time of capture in nanoseconds; it identifies the frame within a map.
    camera_frame: name of the camera's coordinate frame, empty where it is not known.
    """

    rgb: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    intrinsics: Intrinsics
    map_from_camera: npt.NDArray[np.float64]
    stamp_ns: int
    camera_frame: str = ""

    def __post_init__(self) -> None:
        size = (self.intrinsics.height, self.intrinsics.width)
        expect(
            self.rgb.shape == (*size, 3) and self.rgb.dtype == np.uint8,
            f"rgb of shape {(*size, 3)} and dtype uint8",
            (self.rgb.shape, self.rgb.dtype),
        )
        expect(
            self.depth.shape == size and self.depth.dtype == np.float32,
            f"depth of shape {size} and dtype float32",
            (self.depth.shape, self.depth.dtype),
        )
        expect(
            bool(np.isfinite(self.depth).all()) and float(self.depth.min(initial=0.0)) >= 0.0,
            "finite, non-negative depth in meters (0 = none)",
            "NaN, infinite or negative values",
        )
        check_rigid(self.map_from_camera)
        check_near(self.map_from_camera)
        expect(self.stamp_ns >= 0, "a stamp of at least 0 ns", self.stamp_ns)


def check_near(map_from_camera: npt.NDArray[np.float64]) -> None:
    """Raise :class:`InputError` for a camera too far off the origin of the map frame."""
    shift = float(np.abs(map_from_camera[:3, 3]).max())
    expect(
        shift < MAX_TRANSLATION_M,
        f"a camera within {MAX_TRANSLATION_M / 1000:g} km of the origin of the map frame",
        f"{shift:.6g} m",
    )


def check_rigid(
    transform: npt.NDArray[np.float64], tolerance: float = ROTATION_TOLERANCE
) -> None:
    """Raise :class:`InputError` unless ``transform`` is a finite (4, 4) rigid transform.

    tolerance: how far off the identity its rotation times its transpose may be.
    """
    expect(transform.shape == (4, 4), "a (4, 4) transform", transform.shape)
    if not np.isfinite(transform).all():
        raise InputError("expected a finite transform, got NaN or infinity")
    rotation = transform[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        residual = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
        determinant = float(np.linalg.det(rotation))
    expect(
        residual < tolerance and determinant > 0,
        "a right-handed orthonormal rotation",
        f"R Rt off identity by {residual:.3g}, det {determinant:.3g}",
    )
    expect(
        bool(np.array_equal(transform[3], [0, 0, 0, 1])),
        "a last row of 0 0 0 1",
        transform[3].tolist(),
    )


def clean_depth(
    raw: npt.NDArray[np.generic], units_per_m: float, max_depth_m: float = 20.0
) -> npt.NDArray[np.float32]:
    """Convert raw depth to meters; 0, the type's maximum, NaN and out-of-range become 0.

    raw: (H, W) uint16 in ``1 / units_per_m`` meters, or floating point in the same unit.
    """
    expect(raw.ndim == 2, "a depth image of shape (H, W)", raw.shape)
    expect(
        raw.dtype == np.uint16 or np.issubdtype(raw.dtype, np.floating),
        "depth of dtype uint16 or float",
        raw.dtype,
    )
    expect(
        bool(np.isfinite(units_per_m)) and units_per_m > 0,
        "a positive depth scale in units per meter",
        units_per_m,
    )
    depth = raw.astype(np.float32) * np.float32(1.0 / units_per_m)
    bad = ~np.isfinite(depth) | (depth <= 0) | (depth > max_depth_m)
    if raw.dtype == np.uint16:
        bad |= raw == np.iinfo(np.uint16).max
    depth[bad] = 0.0
    return depth
