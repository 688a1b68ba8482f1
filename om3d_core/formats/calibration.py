"""The calibration of a camera, and images of it without the distortion of its lens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Intrinsics
from om3d_core.errors import expect
from om3d_core.formats.image_files import resize_color

NEGLIGIBLE = 1e-6
PINHOLE_MODELS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14)}
FISHEYE_MODELS = ("equidistant", "fisheye")
MODELS = (*PINHOLE_MODELS, *FISHEYE_MODELS)


@dataclass(frozen=True)
class Calibration:
    """Pinhole intrinsics of a camera, and the distortion of its lens by one of :data:`MODELS`,
    as sensor_msgs/CameraInfo has them; no ``distortion`` for images that are rectified."""

    intrinsics: Intrinsics
    model: str = ""
    distortion: tuple[float, ...] = ()

    @classmethod
    def of_info(cls, info: Any, rectified: bool) -> Calibration:
        """From a CameraInfo, live or recorded; raises as :meth:`of`.

        rectified: the images are, so that ``p`` (3, 4) tells, or ``k`` where that is not filled
        in; else ``k`` and the distortion do.
        """
        size = info.width, info.height
        if not rectified:
            return cls.of(*size, info.k, info.distortion_model, info.d)
        projection = np.asarray(info.p, np.float64).reshape(3, 4)[:, :3]
        return cls.of(*size, projection if projection[0, 0] > 0 else info.k, "", ())

    @classmethod
    def of(
        cls, width: int, height: int, k: npt.ArrayLike, distortion_model: str, d: npt.ArrayLike
    ) -> Calibration:
        """From the fields of a CameraInfo.

        Raises :class:`InputError` for a camera that is not calibrated, and for a distortion that
        is of no known model, not finite, or of another number of coefficients.
        """
        matrix = np.asarray(k, np.float64).reshape(3, 3)
        expect(matrix[0, 0] > 0 and matrix[1, 1] > 0,
               "a calibrated camera_info (k of positive focal lengths)",
               [float(matrix[0, 0]), float(matrix[1, 1])])
        intrinsics = Intrinsics.from_matrix(matrix, width, height)
        values = np.asarray(d, np.float64).reshape(-1)
        expect(bool(np.isfinite(values).all()), "finite distortion coefficients", values)
        if float(np.abs(values).max(initial=0.0)) <= NEGLIGIBLE:
            return cls(intrinsics)
        expect(distortion_model in MODELS, f"a distortion model of {', '.join(MODELS)}",
               repr(distortion_model))
        counts = PINHOLE_MODELS.get(distortion_model, (4,))
        expect(len(values) in counts, f"{' or '.join(map(str, counts))} coefficients of "
               f"{distortion_model}", len(values))
        return cls(intrinsics, distortion_model, tuple(values.tolist()))

    def rectified(
        self, rgb: npt.NDArray[np.uint8], depth: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], Intrinsics]:
        """Color (H, W, 3) and the depth (h, w) registered to it, as a pinhole camera of the size
        of the depth sees them, and its intrinsics.

        Depth is not interpolated: an edge stays an edge. Raises :class:`InputError` unless color
        has the size of the calibration.
        """
        height, width = depth.shape
        straight, small = self.rectified_depth(depth)
        return resize_color(self.rectified_color(rgb), width, height), straight, small

    def rectified_color(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Color (H, W, 3) as a pinhole camera sees it; raises as :meth:`rectified`."""
        k = self.intrinsics
        expect(rgb.shape[:2] == (k.height, k.width),
               f"color of camera_info's height and width {(k.height, k.width)}", rgb.shape[:2])
        if not self.distortion:
            return rgb
        import cv2

        return _remapped(rgb, _maps(self, k), cv2.INTER_LINEAR)

    def rectified_depth(
        self, depth: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], Intrinsics]:
        """Depth (h, w) of any size as a pinhole camera sees it, not interpolated, and its
        intrinsics."""
        height, width = depth.shape
        k = self.intrinsics
        small = k if (width, height) == (k.width, k.height) else k.resized(width, height)
        if not self.distortion:
            return depth, small
        import cv2

        return _remapped(depth, _maps(self, small), cv2.INTER_NEAREST), small


@lru_cache(maxsize=8)
def _maps(calibration: Calibration, k: Intrinsics) -> tuple[Any, Any]:
    """Where in the distorted image of intrinsics ``k`` each pixel of the rectified one lies."""
    import cv2

    d, size, none = np.array(calibration.distortion), (k.width, k.height), np.eye(3)
    if calibration.model in FISHEYE_MODELS:
        return cv2.fisheye.initUndistortRectifyMap(
            k.matrix, d, none, k.matrix, size, cv2.CV_32FC1
        )
    return cv2.initUndistortRectifyMap(k.matrix, d, none, k.matrix, size, cv2.CV_32FC1)


def _remapped(
    pixels: npt.NDArray[Any], maps: tuple[Any, Any], interpolation: int
) -> npt.NDArray[Any]:
    """The pixels, 0 where the distorted image does not reach."""
    import cv2

    return np.asarray(cv2.remap(pixels, *maps, interpolation, borderMode=cv2.BORDER_CONSTANT))
