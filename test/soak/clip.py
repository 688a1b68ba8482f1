"""A recorded scene over and over, with stamps that go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nav_msgs.msg import Odometry

from om3d_core.data.frame import Frame
from om3d_core.sources.open import open_source
from om3d_core.synthetic import SynthSettings, synthesize
from om3d_ros.conversions.images import from_intrinsics, from_pixels
from om3d_ros.conversions.poses import from_matrix
from om3d_ros.conversions.stamps import header

START_NS = 1_000_000_000_000
ROOM = "room"


class Clip:
    """The frames of a scene in memory; ``period_s`` is the mean time between two of them."""

    def __init__(self, scene: Path):
        self.frames: list[Frame] = list(open_source(scene))
        span_ns = self.frames[-1].stamp_ns - self.frames[0].stamp_ns
        self._period_ns = max(span_ns // max(len(self.frames) - 1, 1), 1)

    @property
    def period_s(self) -> float:
        """Of the recording."""
        return self._period_ns / 1e9

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The messages of one frame after another, without end."""
        at_ns = START_NS
        while True:
            for frame in self.frames:
                yield messages(frame, at_ns)
                at_ns += self._period_ns


def messages(frame: Frame, at_ns: int) -> dict[str, Any]:
    """What a robot publishes at a moment, by the names of :class:`helpers.robot.Talker`."""
    camera = header("camera", at_ns)
    pose = Odometry(header=header("map", at_ns), child_frame_id="camera")
    pose.pose.pose = from_matrix(frame.map_from_camera)
    return {
        "odometry": pose,
        "camera_info": from_intrinsics(frame.intrinsics, camera),
        "depth": from_pixels(frame.depth, "32FC1", camera),
        "color": from_pixels(frame.rgb, "rgb8", camera),
    }


def default_scene(repository: Path, out: Path) -> Path:
    """The recorded kitchen where it is, else a room that is rendered into ``out`` once."""
    kitchen = repository.parent / "shared" / "data" / "redkitchen"
    if kitchen.is_dir():
        return kitchen
    room = out / ROOM
    if not room.exists():
        synthesize(room, SynthSettings())
    return room
