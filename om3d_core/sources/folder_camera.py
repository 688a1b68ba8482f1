"""The intrinsics of the frames of a folder, at the size of their depth images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from om3d_core.data.frame import Intrinsics
from om3d_core.errors import InputError, SourceError
from om3d_core.formats.calibration import Calibration
from om3d_core.formats.camera_files import Camera
from om3d_core.formats.color_files import color_file_size
from om3d_core.formats.depth_files import depth_file_size
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import Listing

SIZE_SAMPLES = 32

Size = tuple[int, int]
"""Width and height in pixels."""


class PrincipalPointError(SourceError):
    """Intrinsics, ``given``, whose principal point is outside of the images they are for."""

    def __init__(self, message: str, given: Intrinsics):
        super().__init__(message)
        self.given = given


class FolderCamera:
    """The camera of a recording, or those of its frames.

    Raises SourceError for a camera that fits no image, and where no image can be read.
    """

    def __init__(
        self, path: Path, listing: Listing, settings: FolderSettings, images: str = "rectified"
    ):
        self._path, self._listing, self._settings = path, listing, settings
        self._rectified = images == "rectified"
        given = settings.given_camera
        self._shared = given or listing.camera
        self._of_depth = given is None and listing.camera_of == "depth"
        self._each_its_own = given is None and any(f.camera is not None for f in listing.frames)
        depths = [file.depth for file in listing.frames if file.depth is not None]
        size_of = listing.depth_size or depth_file_size
        self.depth_size = self._common("depth", depths, size_of)
        """The most frequent size of the depth images."""
        colors = [file.color for file in listing.frames if file.color is not None]
        color_size_of = listing.color_size or (
            lambda file: color_file_size(file, self.depth_size)
        )
        self.color_size = self._common("color", colors, color_size_of)
        """The same of the color images."""
        self._fitted: Calibration | None = None
        if self._shared is not None:
            try:
                self._fitted = self.calibration(None, self.color_size, self.depth_size)
            except InputError as error:
                where = listing.camera_file or path
                raise SourceError(f"{where}: {error}") from error

    @property
    def given_size(self) -> Size:
        """Width and height of the images that the shared intrinsics are for; those of color where
        frames have their own."""
        return self._meant_size(self._shared, self.color_size, self.depth_size)

    @property
    def distortion(self) -> tuple[float, ...]:
        """The distortion of the lens, as the camera tells it: the shared, else the first one."""
        if self._each_its_own:
            cameras = (file.camera for file in self._listing.frames)
            camera = next((one for one in cameras if one is not None), None)
        else:
            camera = self._shared
        return camera.distortion if camera is not None else ()

    def other_size(self, color: Size, depth: Size) -> str:
        """Why a frame of these sizes is none of this camera; empty if it may be."""
        if self._each_its_own or (color, depth) == (self.color_size, self.depth_size):
            return ""
        text = " and ".join(f"{w} x {h}" for w, h in (color, depth))
        most = " and ".join(f"{w} x {h}" for w, h in (self.color_size, self.depth_size))
        return f"color and depth of {text}, where most are of {most}"

    def calibration(self, own: Camera | None, color: Size, depth: Size) -> Calibration:
        """The calibration for a frame of these sizes: at the size of depth, or where the lens is
        to be made good, as of images that are raw, at that of color.

        own: the frame's camera, None for the shared one. Raises InputError and
        PrincipalPointError.
        """
        camera = (own if self._each_its_own else None) or self._shared
        if camera is None:
            raise InputError("expected intrinsics, got none for this frame")
        if camera is self._shared and self._fitted is not None:
            return self._fitted
        if self._settings.intrinsics_scaling == "normalized":
            return Calibration(Intrinsics.from_shares(camera.matrix, *depth))
        if self._rectified and camera.rectified_matrix is not None:
            camera = replace(camera, matrix=camera.rectified_matrix)
        given = self._at_its_size(camera, color, depth)
        if camera.distortion and not self._rectified:
            at_color = given.resized(*color) if _size(given) != color else given
            lens = Calibration.of(*color, at_color.matrix, camera.model, camera.distortion)
            if lens.distortion:
                return lens
        if _size(given) == depth:
            return Calibration(given)
        if self._settings.intrinsics_scaling == "openmask3d":
            return Calibration(given.openmask3d_resized(*depth))
        return Calibration(given.resized(*depth))

    def _at_its_size(self, camera: Camera, color: Size, depth: Size) -> Intrinsics:
        width, height = self._meant_size(camera, color, depth)
        given = Intrinsics.from_matrix(camera.matrix, width, height)
        if not (0 < given.cx < width and 0 < given.cy < height):
            raise PrincipalPointError(
                f"{self._listing.camera_file or self._path}: expected the principal point within "
                f"{width}x{height}, got ({given.cx:g}, {given.cy:g}); say which image size "
                "the matrix is for: --folder.intrinsics_width W --folder.intrinsics_height H",
                given,
            )
        return given

    def _meant_size(self, camera: Camera | None, color: Size, depth: Size) -> Size:
        own, settings = depth if self._of_depth else color, self._settings
        width, height = (camera.width, camera.height) if camera else (0, 0)
        return (settings.intrinsics_width or width or own[0],
                settings.intrinsics_height or height or own[1])  # fmt: skip

    def _common(
        self, kind: str, files: Sequence[Path], size_of: Callable[[Path], Size]
    ) -> Size:
        """The most frequent image size among evenly spaced files."""
        sizes: Counter[Size] = Counter()
        first = ""
        for path in files[:: max(1, len(files) // SIZE_SAMPLES)]:
            try:
                sizes[size_of(path)] += 1
            except InputError as error:
                first = first or f"{path.name}: {error}"
        if not sizes:
            raise SourceError(f"{self._path}: no readable image of {kind}; {first or 'none'}")
        return sizes.most_common(1)[0][0]


def _size(intrinsics: Intrinsics) -> Size:
    return intrinsics.width, intrinsics.height
