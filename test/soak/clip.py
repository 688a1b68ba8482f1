"""A recorded scene over and over, with stamps that go on."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from om3d_core.data.frame import Frame
from om3d_core.sources.open import open_source
from om3d_core.synthetic import SynthSettings, synthesize
from om3d_ros.conversions.images import from_intrinsics, from_pixels
from om3d_ros.conversions.poses import to_transforms
from om3d_ros.conversions.stamps import header

START_NS, RATE_HZ = 1_000_000_000_000, 6.0
REPOSITORY, ROOM = Path(__file__).resolve().parents[2], "room"


class Clip:
    """The frames of a scene in memory, as if recorded at :data:`RATE_HZ`."""

    def __init__(self, scene: Path):
        self._frames: list[Frame] = list(open_source(scene))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The messages of one frame after another, without end."""
        for number, frame in enumerate(itertools.cycle(self._frames)):
            yield messages(frame, START_NS + round(1e9 * number / RATE_HZ))


def messages(frame: Frame, at_ns: int) -> dict[str, Any]:
    """What a robot publishes at a moment, by the names of :class:`helpers.robot.Talker`."""
    camera = header("camera", at_ns)
    return {
        "tf": to_transforms("map", "camera", at_ns, frame.map_from_camera),
        "camera_info": from_intrinsics(frame.intrinsics, camera),
        "depth": from_pixels(frame.depth, "32FC1", camera),
        "color": from_pixels(frame.rgb, "rgb8", camera),
    }


def default_scene(out: Path) -> Path:
    """The recorded kitchen where it is, else a room that is rendered into ``out`` once."""
    shared = os.environ.get("OM3D_SHARED", REPOSITORY.parent / "shared")
    kitchen = Path(shared) / "data" / "redkitchen"
    if kitchen.is_dir():
        return kitchen
    room = out / ROOM
    if not room.exists():
        synthesize(room, SynthSettings())
    return room
