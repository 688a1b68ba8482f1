"""Which frames to keep, and a bounded store of them: memory first, then disk."""

from __future__ import annotations

import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Frame, Intrinsics, check_near, check_rigid
from om3d_core.data.poses import Transform
from om3d_core.errors import InputError, expect, reason_of
from om3d_core.formats.npz import read_npz
from om3d_core.settings import Settings, setting

Cell = tuple[int, ...]
FrameKey = tuple[int, bytes]
"""What a keyframe shows: a sum of its pixels and intrinsics, and from where: its pose."""


@dataclass(frozen=True)
class KeyframeSettings(Settings):
    """Which frames are kept, and where."""

    step_m: float = setting(
        0.08, "side of the cells of camera position of which the best frame is kept (m)",
        low=0.0, high=10.0,
    )
    step_rad: float = setting(
        0.12, "size of the cells of viewing direction of which the best frame is kept (rad)",
        low=0.0, high=3.2,
    )
    max_frames: int = setting(2000, "most keyframes kept", low=1, high=1_000_000)
    memory_mb: int = setting(
        400, "memory for keyframes before they go to disk (MB)", low=1, high=1_000_000
    )

    @property
    def one_a_cell(self) -> bool:
        """Whether poses share cells; with a step of 0 every frame has its own."""
        return self.step_m > 0.0 and self.step_rad > 0.0


def pose_cell(map_from_camera: npt.NDArray[np.float64], settings: KeyframeSettings) -> Cell | None:
    """The cell of position and viewing direction of a pose; None if every pose has its own."""
    if not settings.one_a_cell:
        return None
    position = np.floor(map_from_camera[:3, 3] / settings.step_m)
    axes = np.floor(map_from_camera[:3, 1:3].ravel() / settings.step_rad)
    return tuple(int(v) for v in np.concatenate([position, axes]))


class KeyframeStore:
    """Keeps the best frame of each pose cell, the earliest of equals: the order of arrival does
    not matter.

    A robot that stands still or returns adds nothing. Frames beyond ``memory_mb`` are spooled to
    a temporary folder; beyond ``max_frames`` the latest stamps are dropped.
    """

    def __init__(self, settings: KeyframeSettings):
        self._settings = settings
        self._by_cell: dict[Cell, int] = {}
        self._cells: dict[int, Cell] = {}
        self._levels: dict[int, int] = {}
        self._memory: dict[int, Frame] = {}
        self._disk: dict[int, Path] = {}
        self._poses: dict[int, npt.NDArray[np.float64]] = {}
        self._camera_frames: dict[int, str] = {}
        self._sums: dict[int, int] = {}
        self._bytes = 0
        self._folder: Path | None = None

    def __len__(self) -> int:
        return len(self._poses)

    def __contains__(self, stamp_ns: int) -> bool:
        return stamp_ns in self._poses

    @property
    def stamps(self) -> list[int]:
        """The stamps of all keyframes, ascending."""
        return sorted(self._poses)

    def pose(self, stamp_ns: int) -> npt.NDArray[np.float64]:
        """map_from_camera of a keyframe, (4, 4)."""
        return self._poses[stamp_ns]

    def pixel_sum(self, stamp_ns: int) -> int:
        """A sum of a keyframe's pixels and intrinsics; another frame of this stamp has another."""
        return self._sums[stamp_ns]

    def key(self, stamp_ns: int) -> FrameKey:
        """What a keyframe shows and from where."""
        return self._sums[stamp_ns], self._poses[stamp_ns].tobytes()

    def camera_frame(self, stamp_ns: int) -> str:
        """Name of the coordinate frame of a keyframe's camera, empty where it is not known."""
        return self._camera_frames[stamp_ns]

    def add(self, frame: Frame, level: int = 0) -> bool:
        """Keep ``frame`` if it is the best of its pose cell; say whether it was kept.

        level: its quality; a higher one displaces the frame that was kept so far.
        """
        stamp = frame.stamp_ns
        if stamp in self._poses:
            return False
        cell = pose_cell(frame.map_from_camera, self._settings) or (stamp,)
        rival = self._by_cell.get(cell)
        if rival is not None and (-self._levels[rival], rival) < (-level, stamp):
            return False
        if rival is None and len(self) >= self._settings.max_frames:
            rival = max(self._poses)
            if rival < stamp:
                return False
        if rival is not None:
            self.remove(rival)
        self._insert(frame, cell)
        self._levels[stamp] = level
        return True

    def set_poses(self, poses: Mapping[int, Transform]) -> list[int]:
        """Move keyframes, by stamp to map_from_camera (4, 4); returns those that had to go.

        Of two that now share a pose cell the better one is kept. Raises :class:`InputError` for a
        stamp that is not held and for what is no rigid transform; nothing is moved then.
        """
        for stamp, pose in poses.items():
            expect(stamp in self, "the stamp of a keyframe", stamp)
            check_rigid(pose)
            check_near(pose)
        for stamp, pose in poses.items():
            del self._by_cell[self._cells[stamp]]
            self._poses[stamp] = np.array(pose, np.float64)
        gone = []
        for stamp in sorted(poses, key=lambda stamp: (-self._levels[stamp], stamp)):
            cell = pose_cell(self._poses[stamp], self._settings) or (stamp,)
            rival = self._by_cell.get(cell, stamp)
            self._cells[stamp] = cell
            if (-self._levels[rival], rival) < (-self._levels[stamp], stamp):
                self._drop(stamp)
                gone.append(stamp)
                continue
            if rival != stamp:
                self.remove(rival)
                gone.append(rival)
            self._by_cell[cell] = stamp
        return sorted(gone)

    def remove(self, stamp_ns: int) -> None:
        """Forget one keyframe."""
        del self._by_cell[self._cells[stamp_ns]]
        self._drop(stamp_ns)

    def _drop(self, stamp_ns: int) -> None:
        frame = self._memory.pop(stamp_ns, None)
        if frame is not None:
            self._bytes -= frame.rgb.nbytes + frame.depth.nbytes
        else:
            self._disk.pop(stamp_ns).unlink(missing_ok=True)
        for known in (self._poses, self._levels, self._camera_frames, self._sums, self._cells):
            del known[stamp_ns]

    def __getitem__(self, stamp_ns: int) -> Frame:
        """The keyframe with this stamp, from memory or disk.

        Raises :class:`InputError` that names its file if that is lost or damaged.
        """
        if stamp_ns in self._memory:
            frame = self._memory[stamp_ns]
            pose = self._poses[stamp_ns]
            same = frame.map_from_camera is pose
            return frame if same else replace(frame, map_from_camera=pose)
        path = self._disk[stamp_ns]
        try:
            data = read_npz(path, ("rgb", "depth", "intrinsics"))
            fx, fy, cx, cy, width, height = data["intrinsics"].tolist()
            intrinsics = Intrinsics(fx, fy, cx, cy, int(width), int(height))
            return Frame(
                data["rgb"], data["depth"], intrinsics, self._poses[stamp_ns], stamp_ns,
                self._camera_frames[stamp_ns],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}: expected the keyframe of {stamp_ns} ns, got {reason_of(error)}"
            ) from error

    def __iter__(self) -> Iterator[Frame]:
        """All keyframes by ascending stamp."""
        return (self[stamp] for stamp in self.stamps)

    def clear(self) -> None:
        """Forget every keyframe and delete the spool folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self.__init__(self._settings)  # type: ignore[misc]

    def __del__(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _insert(self, frame: Frame, cell: Cell) -> None:
        stamp, size = frame.stamp_ns, frame.rgb.nbytes + frame.depth.nbytes
        if self._bytes + size <= self._settings.memory_mb * 1_000_000:
            self._memory[stamp] = frame
            self._bytes += size
        else:
            self._disk[stamp] = self._spool(frame)
        self._poses[stamp] = frame.map_from_camera
        self._camera_frames[stamp] = frame.camera_frame
        self._sums[stamp] = _pixel_sum(frame)
        self._by_cell[cell] = stamp
        self._cells[stamp] = cell

    def _spool(self, frame: Frame) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="om3d-keyframes-"))
        path = self._folder / f"{frame.stamp_ns}.npz"
        k = frame.intrinsics
        np.savez(
            path,
            rgb=frame.rgb,
            depth=frame.depth,
            intrinsics=np.array([k.fx, k.fy, k.cx, k.cy, k.width, k.height], np.float64),
        )
        return path


def _pixel_sum(frame: Frame) -> int:
    k = frame.intrinsics
    head = np.array([k.fx, k.fy, k.cx, k.cy, k.width, k.height], np.float64)
    total = 0
    for part in (head, frame.rgb, frame.depth):
        total = zlib.crc32(np.ascontiguousarray(part).data, total)
    return total
