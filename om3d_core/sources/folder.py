"""Recordings in folders, of any registered layout: color, depth and poses in files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame, check_near, clean_depth
from om3d_core.data.poses import Transform
from om3d_core.errors import InputError, SourceError
from om3d_core.formats.cloud_files import read_cloud
from om3d_core.formats.color_files import read_color_file
from om3d_core.formats.depth_files import read_depth_file
from om3d_core.formats.image_files import resize_color
from om3d_core.formats.pose_text import read_pose
from om3d_core.formats.segments import SCANNET_MESH, read_mesh, segments_of
from om3d_core.sources.base import SkipCount
from om3d_core.sources.conventions import FLIPS, depth_of_ray, optical_pose
from om3d_core.sources.folder_camera import FolderCamera, Size
from om3d_core.sources.folder_settings import AUTO, FolderSettings
from om3d_core.sources.layouts.base import Conventions, FrameFiles, Listing
from om3d_core.sources.layouts.choice import find_layout, recognizes
from om3d_core.streams.settings import DepthSettings, RecordedStreamSettings

__all__ = ["FolderSettings", "FolderSource"]

WORKERS = 2
READ_AHEAD = 4


class _SkippedError(Exception):
    """Why there is no frame: the kind, for counting, and what was found where."""

    def __init__(self, kind: str, found: str):
        super().__init__(kind)
        self.kind, self.found = kind, found


class FolderSource:
    """A recording in a folder. Frames have the size of the depth images; color is resized to it.

    Poses are projected onto exact rotations. Raises SourceError where no frame could ever be
    read.
    """

    layout = "a folder of images and poses in one of the layouts below"

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there are files of a layout, or some of them."""
        return recognizes(path)

    def __init__(
        self,
        path: Path,
        settings: FolderSettings | None = None,
        streams: RecordedStreamSettings | None = None,
    ) -> None:
        self._settings = settings or FolderSettings()
        self._streams = streams = streams or RecordedStreamSettings()
        self.skipped = SkipCount()
        self.depth_is_float = False
        """Whether the depth that was read last is of floating point."""
        self._path, self.layout_name, layout = find_layout(Path(path), self._settings.layout)
        self._listing = layout(self._path, self._settings, streams)
        self._frames = self._listing.frames[:: self._settings.step]
        self._conventions = _conventions(self._listing, self._settings, streams)
        self._camera = FolderCamera(
            self._path, self._listing, self._settings, self._conventions.images
        )

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        return self.pick(range(len(self)))

    def pick(self, places: Iterable[int]) -> Iterator[Frame]:
        """Only the frames at these places among all that are listed, in ascending order."""
        self.skipped.clear()
        ahead: deque[Future[Frame | _SkippedError]] = deque()
        with ThreadPoolExecutor(WORKERS) as pool:
            try:
                for place in places:
                    ahead.append(pool.submit(self._frame, self._frames[place]))
                    if len(ahead) > READ_AHEAD:
                        yield from self._usable(ahead.popleft())
                while ahead:
                    yield from self._usable(ahead.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    @property
    def color_size(self) -> Size:
        """Width and height of the color images."""
        return self._camera.color_size

    @property
    def given_size(self) -> Size:
        """Width and height of the images that the intrinsics are for."""
        return self._camera.given_size

    @property
    def distortion(self) -> tuple[float, ...]:
        """The distortion of the lens that the camera tells, of the first frame where each has its
        own; empty for none."""
        return self._camera.distortion

    @property
    def depth_flipped(self) -> str:
        """How depth images are taken to be mirrored."""
        return self._settings.depth_flipped

    @property
    def quaternions(self) -> str:
        """The order that quaternions are taken for."""
        return self._settings.quaternions

    def with_images(self, images: str) -> FolderSource:
        """The same recording with its images taken for ``raw`` or ``rectified`` ones."""
        streams = replace(self._streams, lens=replace(self._streams.lens, images=images))
        return FolderSource(self._path, replace(self._settings, layout=self.layout_name), streams)

    @property
    def listing(self) -> Listing:
        """The files, as the layout found them."""
        return self._listing

    @property
    def meant(self) -> Conventions:
        """What the numbers of the files are taken for, by the settings and the layout."""
        return self._conventions

    def positions(self, places: Iterable[int]) -> npt.NDArray[np.float64]:
        """(N, 3) where the cameras of the frames at these places are in the map, however far off;
        without those whose poses cannot be read."""
        found = []
        for place in places:
            with suppress(InputError):
                found.append(self._optical(self._frames[place].pose)[:3, 3])
        return np.array(found).reshape(-1, 3)

    def cloud(self) -> Cloud | None:
        """The scene's reconstruction, or None where there is none. Raises SourceError.

        Segments of ScanNet or ScanNet++ that lie beside the .ply come with it.
        """
        name = self._settings.cloud_file
        if name == "none":
            return None
        if name:
            folder = self._path if self._path.is_dir() else self._path.parent
            path = (folder / name).resolve()
            if not path.is_relative_to(folder.resolve()):
                raise SourceError(f"cloud_file {name!r}: expected a file inside {folder}")
            return self._read_cloud(path)
        if self._listing.cloud is not None:
            return self._read_cloud(self._listing.cloud)
        if not self._path.is_dir():
            return None
        found = sorted(self._path.glob("*.ply")) or sorted(self._path.glob("*.pcd"))
        chosen = [path for path in found if path.stem == "scene"]
        chosen = chosen or [path for path in found if path.name.endswith(SCANNET_MESH)] or found
        if len(chosen) > 1:
            names = ", ".join(path.name for path in chosen)
            raise SourceError(f"{self._path}: set cloud_file to one of {names}")
        return self._read_cloud(chosen[0]) if chosen else None

    def _usable(self, result: Future[Frame | _SkippedError]) -> Iterator[Frame]:
        frame = result.result()
        if isinstance(frame, _SkippedError):
            self.skipped.add(frame.kind, frame.found)
        else:
            yield frame

    def _frame(self, files: FrameFiles) -> Frame | _SkippedError:
        try:
            return self._read(files)
        except _SkippedError as error:
            return error

    def _read(self, files: FrameFiles) -> Frame:
        if files.fault:
            raise _SkippedError("camera invalid", files.fault)
        color, depth = files.color, files.depth
        for kind, file in (("color", color), ("depth", depth), ("pose", files.pose)):
            if file is None:
                there = next((f for f in (color, depth) if f is not None), None)
                beside = f"that of {self._name(there)}" if there is not None else ""
                raise _SkippedError(f"{kind} missing", beside)
        assert color is not None and depth is not None and files.pose is not None
        map_from_camera = self._pose(files.pose, depth)
        try:
            rgb = self._color(color)
        except InputError as error:
            raise _SkippedError("color unreadable", self._said(color, error)) from error
        depth_m = self._depth(depth)
        found = (rgb.shape[1], rgb.shape[0]), (depth_m.shape[1], depth_m.shape[0])
        wrong = self._camera.other_size(*found)
        if wrong:
            raise _SkippedError("size differs", f"{self._name(color)}, {wrong}")
        try:
            calibration = self._camera.calibration(files.camera, *found)
            if calibration.distortion:
                rgb, depth_m, intrinsics = calibration.rectified(rgb, depth_m)
            else:
                intrinsics, rgb = calibration.intrinsics, resize_color(rgb, *found[1])
        except (InputError, SourceError) as error:
            raise _SkippedError("camera invalid", self._said(color, error)) from error
        if self._conventions.depth_along == "ray":
            depth_m = depth_of_ray(depth_m, intrinsics)
        return Frame(rgb, depth_m, intrinsics, map_from_camera, files.stamp_ns)

    def _pose(self, stored: Path | Transform, depth: Path) -> Transform:
        where = stored if isinstance(stored, Path) else depth
        try:
            optical = self._optical(stored)
        except InputError as error:
            raise _SkippedError("pose invalid", self._said(where, error)) from error
        try:
            check_near(optical)
        except InputError as error:
            x, y, z = optical[:3, 3]
            cure = f"--folder.origin={x:.0f},{y:.0f},{z:.0f}, or --folder.pose_units_per_m 1000"
            raise _SkippedError("pose invalid", f"{self._said(where, error)}; {cure}") from error
        return optical

    def _optical(self, stored: Path | Transform | None) -> Transform:
        """map_from_camera (4, 4) of a pose. Raises InputError."""
        if stored is None:
            raise InputError("expected a pose, got none")
        return optical_pose(
            read_pose(stored) if isinstance(stored, Path) else stored,
            self._conventions.pose, self._conventions.camera_axes,
            self._settings.pose_units_per_m, self._settings.origin_m,
            self._settings.quaternions, self._settings.images_turned,
        )  # fmt: skip

    def _color(self, path: Path) -> npt.NDArray[np.uint8]:
        if self._listing.read_color is not None:
            return self._listing.read_color(path)
        return read_color_file(path, self._camera.depth_size)

    def _depth(self, path: Path) -> npt.NDArray[np.float32]:
        try:
            stored = (self._listing.read_depth or read_depth_file)(path)
            meant = self._conventions
            integers = stored.dtype == np.uint16
            self.depth_is_float = not integers
            units_per_m = meant.depth_units_per_m if integers else meant.float_units_per_m
            return clean_depth(stored[FLIPS[self._settings.depth_flipped]], units_per_m)
        except InputError as error:
            raise _SkippedError("depth unreadable", self._said(path, error)) from error

    def _said(self, path: Path, error: Exception) -> str:
        text = str(error)
        return text if text.startswith(str(path)) else f"{self._name(path)}: {text}"

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._path)) if path.is_relative_to(self._path) else str(path)

    def _read_cloud(self, path: Path) -> Cloud:
        units, segments = self._settings.cloud_units_per_m, segments_of(path)
        x, y, z = self._settings.origin_m.tolist()
        sampling_m = self._settings.cloud_sampling_m
        if segments is not None and not sampling_m:
            cloud = read_mesh(path, segments, units, (x, y, z))
        else:
            cloud = read_cloud(path, units, sampling_m, (x, y, z))
        try:
            cloud.check_density()
        except InputError as error:
            raise SourceError(f"{path}: {error}") from error
        return cloud


def _conventions(
    listing: Listing, given: FolderSettings, streams: RecordedStreamSettings
) -> Conventions:
    """The conventions of a layout where the settings do not say otherwise."""
    said, usual, depth = listing.conventions, DepthSettings(), streams.depth
    of_file = listing.camera.depth_units_per_m if listing.camera else 0.0
    told = said.depth_units_per_m or of_file
    if not told or depth.units_per_m != usual.units_per_m:
        told = depth.units_per_m
    told_float = said.float_units_per_m
    if not told_float or depth.float_units_per_m != usual.float_units_per_m:
        told_float = depth.float_units_per_m
    return Conventions(
        pose=said.pose if given.pose == AUTO else given.pose,
        camera_axes=said.camera_axes if given.camera_axes == AUTO else given.camera_axes,
        depth_along=said.depth_along if given.depth_along == AUTO else given.depth_along,
        depth_units_per_m=given.depth_units_per_m or told,
        float_units_per_m=given.depth_units_per_m or told_float,
        images=said.images if streams.lens.images == AUTO else streams.lens.images,
    )
