"""Scenes in the OpenMask3D layout: color/N.jpg, depth/N.png, pose/N.txt, intrinsics, a .ply."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from om3d_core.data.cloud import Cloud
from om3d_core.data.encoded_image import encoded_size
from om3d_core.data.frame import Frame, Intrinsics, clean_depth
from om3d_core.data.poses import NS_PER_S
from om3d_core.errors import InputError, SourceError
from om3d_core.files import read_json
from om3d_core.formats.cloud_files import read_cloud
from om3d_core.formats.image_files import read_encoded, read_image_file, resize_color
from om3d_core.formats.segments import SEGMENTS_SUFFIX, read_mesh
from om3d_core.formats.text_matrix import MAX_TEXT_BYTES, read_matrix
from om3d_core.settings import Settings, setting
from om3d_core.sources.base import SkipCount
from om3d_core.sources.conventions import AXES, DEPTHS, POSES, depth_of_ray, optical_pose
from om3d_core.streams.settings import RecordedStreamSettings

LAYOUT = (
    "color/N.jpg or .png, depth/N.png, pose/N.txt (4x4 map_from_camera), "
    "intrinsics.txt (3x3 or 4x4), optionally scene.ply"
)
INTRINSICS_FILES = (
    "intrinsics.txt",
    "intrinsic.txt",
    "intrinsic/intrinsic_color.txt",
    "intrinsic/intrinsic_depth.txt",
    "data/intrinsic/intrinsic_color.txt",
    "data/intrinsic/intrinsic_depth.txt",
)
SUFFIXES = {
    "color": (".jpg", ".jpeg", ".png"),
    "depth": (".png",),
    "pose": (".txt",),
}
FOLDERS = {
    "color": ("color", "data_compressed/color", "data/color"),
    "depth": ("depth", "data_compressed/depth", "data/depth"),
    "pose": ("pose", "data/pose"),
}
"""Where each kind may lie; the first that exists is read. OpenMask3D lays ScanNet200 out in the
later ones."""
MAX_DIGITS = 9
SIZE_SAMPLES = 32
WORKERS = 2
READ_AHEAD = 4

Size = tuple[int, int]
"""Width and height in pixels."""


class PrincipalPointError(SourceError):
    """Intrinsics, ``given``, whose principal point is outside of the images they are for."""

    def __init__(self, message: str, given: Intrinsics):
        super().__init__(message)
        self.given = given


@dataclass(frozen=True)
class FolderSettings(Settings):
    """How a scene folder is read."""

    step: int = setting(1, "use every step-th frame", low=1)
    rate_hz: float = setting(
        30.0, "frames per second, for the stamps, where scene.json names none", low=1e-3, high=1e4
    )
    intrinsics_width: int = setting(
        0, "image width in pixels that the intrinsics are for; 0: that of the color images", low=0
    )
    intrinsics_height: int = setting(
        0, "image height in pixels that the intrinsics are for; 0: that of the color images", low=0
    )
    intrinsics_scaling: str = setting(
        "per_axis",
        "how intrinsics follow the image size: each axis with its own side, with the sides"
        " swapped as in OpenMask3D, up to 2 px off for ScanNet, or normalized: they are in shares"
        " of the sides, whatever the size",
        choices=("per_axis", "openmask3d", "normalized"),
    )
    pose: str = setting(
        POSES[0], "what pose/N.txt holds: map_from_camera, or its inverse", choices=POSES
    )
    camera_axes: str = setting(
        "optical", "axes of the camera in the poses. optical: x right, y down, z forward; opengl:"
        " x right, y up, z backward (Blender, ARKit); ros: x forward, y left, z up", choices=AXES,
    )
    pose_units_per_m: float = setting(
        1.0, "units per meter of the poses (1: meters, 1000: millimeters)", low=1e-3, high=1e6
    )
    depth_along: str = setting(
        "axis", "depth is measured along the optical axis, or along the ray of the pixel (Isaac:"
        " distance_to_camera, Hypersim)", choices=DEPTHS,
    )
    cloud_file: str = setting(
        "", "reconstruction to use (.ply, .pcd, .npz); empty: scene.ply or the only .ply, else the"
        " same of .pcd; none: the frames are fused",
    )
    cloud_sampling_m: float = setting(
        0.0, "points so far apart (m) on the faces of the reconstruction, a binary .ply, instead"
        " of its vertices; 0: its vertices", low=0.0, high=1.0,
    )
    cloud_units_per_m: float = setting(
        1.0, "units per meter of the reconstruction (1: meters, 1000: millimeters)", low=1e-3,
        high=1e6,
    )


class FolderSource:
    """A scene folder. Frames have the size of the depth images; color is resized to it.

    Numbers in file names need not be consecutive; number N is stamped ``N / rate``. Poses are
    projected onto exact rotations. Raises SourceError where no frame could ever be read.
    """

    layout = f"a scene folder ({LAYOUT})"

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there is a folder of color, depth or poses."""
        return any((path / name).is_dir() for names in FOLDERS.values() for name in names)

    def __init__(
        self,
        path: Path,
        settings: FolderSettings | None = None,
        streams: RecordedStreamSettings | None = None,
    ) -> None:
        self._settings = settings or FolderSettings()
        self._depth = (streams or RecordedStreamSettings()).depth
        self._path = Path(path)
        self.skipped = SkipCount()
        if not self._path.is_dir():
            found = "a file" if self._path.exists() else "nothing"
            raise SourceError(f"{path}: expected a scene folder ({LAYOUT}), found {found}")
        self._files = {kind: self._numbered(kind) for kind in SUFFIXES}
        missing = [f"{kind}/N{SUFFIXES[kind][0]}" for kind in SUFFIXES if not self._files[kind]]
        if missing:
            raise SourceError(f"{path}: no {', no '.join(missing)}; expected {LAYOUT}")
        numbers = sorted(set().union(*self._files.values()))
        self._numbers = numbers[:: self._settings.step]
        self._color_size = self._common_size("color")
        self._depth_size = self._common_size("depth")
        self._intrinsics = self._read_intrinsics()
        self._rate_hz = self._read_rate()

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Frame]:
        return self.pick(range(len(self)))

    def pick(self, places: Iterable[int]) -> Iterator[Frame]:
        """Only the frames at these places among all that are listed, in ascending order."""
        self.skipped.reasons.clear()
        ahead: deque[Future[Frame | str]] = deque()
        with ThreadPoolExecutor(WORKERS) as pool:
            try:
                for place in places:
                    number = self._numbers[place]
                    ahead.append(pool.submit(self._read, number))
                    if len(ahead) > READ_AHEAD:
                        yield from self._usable(ahead.popleft())
                while ahead:
                    yield from self._usable(ahead.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    @property
    def color_size(self) -> Size:
        """Width and height of the color images."""
        return self._color_size

    def cloud(self) -> Cloud | None:
        """The scene's reconstruction, or None where there is none. Raises SourceError.

        Segments as ScanNet's that lie beside the .ply come with it.
        """
        name = self._settings.cloud_file
        if name == "none":
            return None
        if name:
            path = (self._path / name).resolve()
            if not path.is_relative_to(self._path.resolve()):
                raise SourceError(f"cloud_file {name!r}: expected a file inside {self._path}")
            return self._read_cloud(path)
        found = sorted(self._path.glob("*.ply")) or sorted(self._path.glob("*.pcd"))
        chosen = [path for path in found if path.stem == "scene"] or found
        if len(chosen) > 1:
            names = ", ".join(path.name for path in chosen)
            raise SourceError(f"{self._path}: set cloud_file to one of {names}")
        return self._read_cloud(chosen[0]) if chosen else None

    def _usable(self, result: Future[Frame | str]) -> Iterator[Frame]:
        frame = result.result()
        if isinstance(frame, str):
            self.skipped.add(frame)
        else:
            yield frame

    def _read(self, number: int) -> Frame | str:
        """The frame of a number, or the reason why there is none."""
        for kind, files in self._files.items():
            if number not in files:
                return f"{kind} missing"
        color, depth, pose = (files[number] for files in self._files.values())
        try:
            given = self._settings
            map_from_camera = optical_pose(
                read_matrix(pose, {(4, 4)}), given.pose, given.camera_axes, given.pose_units_per_m
            )
        except InputError:
            return "pose invalid"
        try:
            rgb = read_image_file(color, color=True)
        except InputError:
            return "color unreadable"
        try:
            stored = read_image_file(depth, color=False)
            depth_m = clean_depth(stored, self._depth.units_per_m)
        except InputError:
            return "depth unreadable"
        width, height = self._depth_size
        if rgb.shape[1::-1] != self._color_size or depth_m.shape != (height, width):
            return "size differs"
        rgb = resize_color(rgb, width, height)
        if self._settings.depth_along == "ray":
            depth_m = depth_of_ray(depth_m, self._intrinsics)
        stamp_ns = round(number * NS_PER_S / self._rate_hz)
        return Frame(rgb, depth_m, self._intrinsics, map_from_camera, stamp_ns)

    def _numbered(self, kind: str) -> dict[int, Path]:
        """The files of one kind by number; the first by name where two share a number."""
        files: dict[int, Path] = {}
        folders = (self._path / name for name in FOLDERS[kind])
        folder = next((f for f in folders if f.is_dir()), None)
        for path in sorted(folder.iterdir()) if folder else []:
            stem, digits = path.stem, path.stem.isascii() and path.stem.isdigit()
            if digits and len(stem) <= MAX_DIGITS and path.suffix.lower() in SUFFIXES[kind]:
                files.setdefault(int(stem), path)
        return files

    def _common_size(self, kind: str) -> Size:
        """The most frequent image size among evenly spaced files."""
        files = list(self._files[kind].values())
        sizes: Counter[Size] = Counter()
        for path in files[:: max(1, len(files) // SIZE_SAMPLES)]:
            try:
                sizes[encoded_size(read_encoded(path))] += 1
            except InputError:
                continue
        if not sizes:
            raise SourceError(f"{self._path}: no readable image of {kind}; expected {LAYOUT}")
        return sizes.most_common(1)[0][0]

    def _read_intrinsics(self) -> Intrinsics:
        """The intrinsics at the size of the depth images."""
        path = next((self._path / f for f in INTRINSICS_FILES if (self._path / f).is_file()), None)
        if path is None:
            raise SourceError(
                f"{self._path}: no intrinsics; expected one of {', '.join(INTRINSICS_FILES)} "
                "with a 3x3 or 4x4 matrix"
            )
        own = self._depth_size if path.stem.endswith("_depth") else self._color_size
        width = self._settings.intrinsics_width or own[0]
        height = self._settings.intrinsics_height or own[1]
        try:
            matrix = read_matrix(path, {(3, 3), (4, 4)})
            if self._settings.intrinsics_scaling == "normalized":
                return Intrinsics.from_shares(matrix, *self._depth_size)
            given = Intrinsics.from_matrix(matrix, width, height)
            if not (0 < given.cx < width and 0 < given.cy < height):
                raise PrincipalPointError(
                    f"{path}: expected the principal point within {width}x{height}, got "
                    f"({given.cx:g}, {given.cy:g}); set intrinsics_width and intrinsics_height "
                    "to the image size that the matrix is for",
                    given,
                )
            if (width, height) == self._depth_size:
                return given
            if self._settings.intrinsics_scaling == "openmask3d":
                return given.openmask3d_resized(*self._depth_size)
            return given.resized(*self._depth_size)
        except InputError as error:
            raise SourceError(f"{path}: {error}") from error

    def _read_rate(self) -> float:
        path = self._path / "scene.json"
        if not path.is_file():
            return self._settings.rate_hz
        try:
            scene = read_json(path, MAX_TEXT_BYTES)
            rate = scene.get("rate_hz", self._settings.rate_hz)
            if isinstance(rate, bool) or not isinstance(rate, (int, float)):
                raise InputError(f"expected a number, got {rate!r}")
            if not 1e-3 <= rate <= 1e4:
                raise InputError(f"expected 0.001 .. 10000, got {rate!r}")
        except (OSError, ValueError, AttributeError) as error:
            raise SourceError(f"{path}: rate_hz not readable: {error}") from error
        return float(rate)

    def _read_cloud(self, path: Path) -> Cloud:
        units, segments = self._settings.cloud_units_per_m, path.with_suffix(SEGMENTS_SUFFIX)
        sampling_m = self._settings.cloud_sampling_m
        if segments.is_file() and not sampling_m:
            cloud = read_mesh(path, segments, units)
        else:
            cloud = read_cloud(path, units, sampling_m)
        try:
            cloud.check_density()
        except InputError as error:
            raise SourceError(f"{path}: {error}") from error
        return cloud
