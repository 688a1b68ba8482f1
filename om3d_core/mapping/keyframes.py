"""A bounded store of the frames that are kept: memory first, then disk."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Frame, Intrinsics, check_near, check_rigid
from om3d_core.data.keyframe import Keyframe, depth_in_meters, depth_units
from om3d_core.errors import InputError, expect
from om3d_core.mapping.coverage import Coverage, DepthSample
from om3d_core.mapping.depth_cache import DepthCache, Units
from om3d_core.mapping.keyframe_bytes import EncodedImages
from om3d_core.mapping.pose_cells import Cell, KeyframeSettings, pose_cell

FrameKey = tuple[int, bytes]
"""What a keyframe shows: a sum of its images and intrinsics, and from where: its pose."""
ENCODED_SHARE = 0.75
"""Of the memory; decoded depth has the rest."""


@dataclass(frozen=True, eq=False)
class _Entry:
    """What is known of a keyframe beside its images. images_sum: tells them from others."""

    intrinsics: Intrinsics
    map_from_camera: npt.NDArray[np.float64]
    camera_frame: str
    level: int
    cell: Cell
    images_sum: int

    def rank(self, stamp_ns: int) -> tuple[int, int]:
        """Lower is better: higher levels first, then earlier stamps."""
        return -self.level, stamp_ns


class KeyframeStore:
    """Keeps the best frame of each pose cell, the earliest of equals: the order of arrival does
    not matter.

    A robot that stands still or returns adds nothing. Frames are encoded when they come, and
    what is given back is decoded from that. Encoded frames take up to three quarters of
    ``memory_mb`` and are spooled to a temporary folder beyond it; depth that is decoded takes up
    to a quarter. Beyond ``max_frames`` the frame goes whose places most others see too (see
    :class:`Coverage`); what a full store holds does depend on the order.

    One thread owns it; :meth:`snapshot` may be called from any.
    """

    def __init__(self, settings: KeyframeSettings):
        self._settings = settings
        memory = settings.memory_mb * 1_000_000
        encoded = int(memory * ENCODED_SHARE)
        self._images = EncodedImages(encoded)
        self._depths = DepthCache(memory - encoded)
        self._entries: dict[int, _Entry] = {}
        self._by_cell: dict[Cell, int] = {}
        self._samples: dict[int, DepthSample] = {}
        self._coverage = Coverage()
        self._dropped = self._lost_places = 0
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, stamp_ns: int) -> bool:
        return stamp_ns in self._entries

    @property
    def stamps(self) -> list[int]:
        """The stamps of all keyframes, ascending."""
        return sorted(self._entries)

    @property
    def dropped(self) -> int:
        """Frames that were the best of their pose cell and went, or never came in, as too many."""
        return self._dropped

    @property
    def lost_places(self) -> int:
        """Places whose only view was dropped; 0 unless ``max_frames`` is too low for the map."""
        return self._lost_places

    def poses(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The stamps (F,), ascending, and map_from_camera (F, 4, 4) of each."""
        poses = [self.pose(stamp) for stamp in self.stamps]
        return np.array(self.stamps, np.int64), np.array(poses, np.float64).reshape(-1, 4, 4)

    def pose(self, stamp_ns: int) -> npt.NDArray[np.float64]:
        """map_from_camera of a keyframe, (4, 4)."""
        return self._entries[stamp_ns].map_from_camera

    def intrinsics(self, stamp_ns: int) -> Intrinsics:
        """Those of a keyframe."""
        return self._entries[stamp_ns].intrinsics

    def camera_frame(self, stamp_ns: int) -> str:
        """Name of the coordinate frame of a keyframe's camera, empty where it is not known."""
        return self._entries[stamp_ns].camera_frame

    def images_sum(self, stamp_ns: int) -> int:
        """A sum of a keyframe's images and intrinsics; other images of this stamp have another."""
        return self._entries[stamp_ns].images_sum

    def key(self, stamp_ns: int) -> FrameKey:
        """What a keyframe shows and from where."""
        entry = self._entries[stamp_ns]
        return entry.images_sum, entry.map_from_camera.tobytes()

    def add(self, frame: Frame, level: int = 0) -> bool:
        """Keep ``frame`` if it is the best of its pose cell; say whether it was kept.

        level: its quality; a higher one displaces the frame that was kept so far. Raises
        :class:`InputError` for a stamp or a size that cannot be kept, OSError if the disk is full.
        """
        with self._lock:
            if not self._offer(frame, level):
                return False
            self._samples[frame.stamp_ns] = _sample_of(frame)
            return True

    def wants(self, stamp_ns: int, map_from_camera: npt.NDArray[np.float64], level: int) -> bool:
        """Whether a frame would be the best of its pose cell."""
        with self._lock:
            rival = self._by_cell.get(self._cell(stamp_ns, map_from_camera))
            beaten = rival is not None and self._entries[rival].rank(rival) < (-level, stamp_ns)
            return stamp_ns not in self._entries and not beaten

    def absorb(self, other: KeyframeStore) -> None:
        """Keep what ``other`` holds as if it had come here; ``other`` is empty then."""
        with self._lock, other._lock:
            for keyframe in other.snapshot():
                if self._offer(keyframe, keyframe.level):
                    self._samples[keyframe.stamp_ns] = other._sample(keyframe.stamp_ns)
            other.clear()

    def remove(self, stamp_ns: int) -> None:
        """Forget one keyframe."""
        with self._lock:
            entry = self._entries.pop(stamp_ns)
            if self._by_cell.get(entry.cell) == stamp_ns:
                del self._by_cell[entry.cell]
            self._images.remove(stamp_ns)
            self._depths.remove(stamp_ns)
            self._samples.pop(stamp_ns, None)
            self._coverage.remove(stamp_ns)

    def set_poses(self, poses: Mapping[int, npt.NDArray[np.float64]]) -> list[int]:
        """Move keyframes: map_from_camera (4, 4) by stamp. Give the stamps that this removed.

        Of keyframes that meet in one pose cell the best stays, as if all had come with their new
        poses. Raises :class:`InputError`, before anything changes, for a stamp that is not kept
        and for a pose that is not rigid or lies too far off.
        """
        with self._lock:
            moved = {stamp: self._moved(stamp, pose) for stamp, pose in poses.items()}
            entries = self._entries | moved
            by_cell: dict[Cell, int] = {}
            for stamp in sorted(entries, key=lambda stamp: entries[stamp].rank(stamp)):
                by_cell.setdefault(entries[stamp].cell, stamp)
            removed = sorted(set(entries) - set(by_cell.values()))
            for stamp in removed:
                self.remove(stamp)
                moved.pop(stamp, None)
            for stamp in moved:
                self._coverage.remove(stamp)
            self._entries.update(moved)
            self._by_cell = by_cell
        return removed

    def __getitem__(self, stamp_ns: int) -> Frame:
        """The keyframe with this stamp, decoded.

        Raises :class:`InputError` that names its file if it was spooled and is lost or damaged.
        """
        with self._lock:
            keyframe = self._keyframe(stamp_ns)
            return keyframe.frame(self._units(stamp_ns, keyframe))

    def depth(self, stamp_ns: int) -> npt.NDArray[np.float32]:
        """The depth (H, W) of a keyframe in meters; raises as :meth:`__getitem__`."""
        with self._lock:
            return depth_in_meters(self._units(stamp_ns))

    def __iter__(self) -> Iterator[Frame]:
        """All keyframes by ascending stamp."""
        return (self[stamp] for stamp in self.stamps)

    def snapshot(self) -> tuple[Keyframe, ...]:
        """All keyframes as they are now, by ascending stamp; those on disk are read.

        Frames in memory are shared, not copied. Raises as :meth:`__getitem__`.
        """
        with self._lock:
            return tuple(self._keyframe(stamp) for stamp in self.stamps)

    def restore(self, keyframes: Iterable[Keyframe]) -> None:
        """Hold these keyframes instead, as if their frames had come in any order.

        Their bytes stay as they are. Raises :class:`InputError` for a stamp that comes twice.
        """
        new: dict[int, Keyframe] = {}
        for keyframe in keyframes:
            stamp = keyframe.stamp_ns
            expect(stamp not in new, "keyframes of different stamps", f"{stamp} ns twice")
            new[stamp] = keyframe
        with self._lock:
            self.clear()
            for keyframe in new.values():
                self._offer(keyframe, keyframe.level)

    def clear(self) -> None:
        """Forget every keyframe and delete the spool folder."""
        with self._lock:
            self._entries, self._by_cell = {}, {}
            self._coverage, self._samples = Coverage(), {}
            self._depths.clear()
            self._dropped = self._lost_places = 0
            self._images.clear()

    def _offer(self, source: Frame | Keyframe, level: int) -> bool:
        """Keep a frame, encoded only then, if it is the best of its cell and there is room."""
        stamp = source.stamp_ns
        if not self.wants(stamp, source.map_from_camera, level):
            return False
        cell = self._cell(stamp, source.map_from_camera)
        rival = self._by_cell.get(cell)
        is_full, lost = rival is None and len(self) >= self._settings.max_frames, 0
        if is_full:
            rival, lost = self._missed_least(source, level)
        if rival != stamp:
            keyframe = source if isinstance(source, Keyframe) else Keyframe.of(
                source, level, self._settings.jpeg_quality
            )
            self._insert(keyframe, cell, rival)
            if isinstance(source, Frame):
                self._depths.put(stamp, depth_units(source.depth))
        self._dropped += is_full
        self._lost_places += lost
        return rival != stamp

    def _missed_least(self, new: Frame | Keyframe, level: int) -> tuple[int, int]:
        """Which frame is to go, be it the new one, and how many places only it sees."""
        for stamp, entry in self._entries.items():
            if stamp not in self._coverage:
                places = self._sample(stamp).places(entry.map_from_camera)
                self._coverage.put(stamp, places)
        self._coverage.put(new.stamp_ns, _sample_of(new).places(new.map_from_camera))
        ranks = {stamp: entry.rank(stamp) for stamp, entry in self._entries.items()}
        ranks[new.stamp_ns] = -level, new.stamp_ns
        try:
            return self._coverage.missed_least(ranks.__getitem__)
        finally:
            self._coverage.remove(new.stamp_ns)

    def _sample(self, stamp: int) -> DepthSample:
        if stamp not in self._samples:
            with suppress(InputError):
                self._samples[stamp] = _sample_of(self._keyframe(stamp))
        return self._samples.get(stamp) or DepthSample.empty(self._entries[stamp].intrinsics)

    def _insert(self, keyframe: Keyframe, cell: Cell, rival: int | None) -> None:
        stamp = keyframe.stamp_ns
        self._images.put(stamp, (keyframe.color, keyframe.depth))
        if rival is not None:
            self.remove(rival)
        self._entries[stamp] = _Entry(
            keyframe.intrinsics, keyframe.map_from_camera, keyframe.camera_frame, keyframe.level,
            cell, keyframe.images_sum(),
        )
        self._by_cell[cell] = stamp

    def _cell(self, stamp: int, pose: npt.NDArray[np.float64]) -> Cell:
        return pose_cell(pose, self._settings) or (stamp,)

    def _moved(self, stamp: int, pose: npt.NDArray[np.float64]) -> _Entry:
        entry = self._entries.get(stamp)
        if entry is None:
            raise InputError(f"expected poses of keyframes, got one of {stamp} ns, which is none")
        moved = np.array(pose, np.float64)
        try:
            check_rigid(moved)
            check_near(moved)
        except InputError as error:
            raise InputError(f"pose of {stamp} ns: {error}") from error
        return replace(entry, map_from_camera=moved, cell=self._cell(stamp, moved))

    def _units(self, stamp: int, keyframe: Keyframe | None = None) -> Units:
        """The depth of a keyframe, decoded if it is not here."""
        units = self._depths.get(stamp)
        if units is None:
            units = (keyframe or self._keyframe(stamp)).depth_units()
            self._depths.put(stamp, units)
            if stamp not in self._samples:
                sample = DepthSample.of(depth_in_meters(units), self._entries[stamp].intrinsics)
                self._samples[stamp] = sample
        return units

    def _keyframe(self, stamp: int) -> Keyframe:
        entry, (color, depth) = self._entries[stamp], self._images.get(stamp)
        return Keyframe(
            color, depth, entry.intrinsics, entry.map_from_camera, stamp, entry.camera_frame,
            entry.level,
        )


def _sample_of(source: Frame | Keyframe) -> DepthSample:
    """The sample of a frame; that of a damaged one has no depth, so that it goes first."""
    try:
        frame = source.frame() if isinstance(source, Keyframe) else source
    except InputError:
        return DepthSample.empty(source.intrinsics)
    return DepthSample.of(frame.depth, frame.intrinsics)
