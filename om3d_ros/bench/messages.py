"""P16 and P17: bytes of what the nodes send, serialized as on the wire."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError, Future
from typing import Any

import numpy as np
from om3d.srv import QueryText
from rclpy.logging import get_logger
from rclpy.serialization import serialize_message

from om3d_core.bench.rows import CannotMeasureError, Row, measured
from om3d_core.bench.workbench import Workbench, spread
from om3d_core.data.frame import Frame
from om3d_core.data.scene import Scene
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import CanceledError
from om3d_core.query.settings import QuerySettings
from om3d_ros.bench.map_sizes import MapSizes
from om3d_ros.conversions.images import from_intrinsics, from_pixels
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.conversions.map_updates import to_update
from om3d_ros.conversions.poses import to_transforms
from om3d_ros.conversions.stamps import header
from om3d_ros.freshness import Freshness
from om3d_ros.mapper_session import MappingSession
from om3d_ros.node.settings import MapperNodeSettings, QueryNodeSettings
from om3d_ros.query_session import Answering

FRAMES, LOOK_S, PAIRED_S = 40, 0.1, 60.0
TEXTS = ("a white mug", "a chair", "something to sit on", "a keyboard", "a plant")
KB, MM_PER_M = 1e3, 1000
MAP_FRAME, CAMERA_FRAME = "map", "camera"


def camera_messages(frame: Frame, stamp_ns: int) -> dict[str, Any]:
    """What a camera driver publishes of a frame, by channel, with the pose as a transform."""
    camera = header(CAMERA_FRAME, stamp_ns)
    millimeters = np.rint(frame.depth * MM_PER_M).astype(np.uint16)
    return {
        "color": from_pixels(frame.rgb, "rgb8", camera),
        "depth": from_pixels(millimeters, "16UC1", camera),
        "camera_info": from_intrinsics(frame.intrinsics, camera),
        "tf": to_transforms(MAP_FRAME, CAMERA_FRAME, stamp_ns, frame.map_from_camera),
    }


def unchanged(bench: Workbench) -> Row:
    """P16. The camera sees the same again, and the map is refreshed.

    Counted is all that the mapper publishes of its map, with a listener on every topic.
    """
    published: list[int] = []
    sizes = MapSizes()

    def publish(scene: Scene, stamp_ns: int, whole: bool) -> None:
        published.append(sum(sizes.of(scene, whole).values()))

    session = MappingSession(
        MapperNodeSettings(), bench.settings, publish, get_logger("om3d_bench")
    )
    try:
        frames = spread(bench.frames, FRAMES)
        _see(bench, session, frames, 0)
        _result(bench, session.refresh())
        full = sum(published)
        published.clear()
        _see(bench, session, frames, frames[-1].stamp_ns + 1_000_000_000)
        _result(bench, session.refresh())
        again = sum(published)
    finally:
        session.close()
    return measured(
        "P16", "published again", 100 * again / full, full_state_kb=full / KB,
        refresh_kb=again / KB, frames=len(frames),
    )  # fmt: skip


def answers(bench: Workbench) -> Row:
    """P17. The largest answer of a few questions, with the defaults of node and request."""
    scene = bench.batch[0]
    answering = Answering(
        QueryNodeSettings(), QuerySettings(), EncoderSettings(), {"": Freshness()},
        get_logger("om3d_bench"),
    )  # fmt: skip
    try:
        answering.take_update(to_update(None, MapParts.of(scene), header(MAP_FRAME, 0)))
        light = [_size(answering, QueryText.Request(text=text)) for text in TEXTS]
        heavy = [
            _size(answering, QueryText.Request(
                text=text, include_thumbnails=True, include_markers=True
            ))
            for text in TEXTS
        ]  # fmt: skip
    finally:
        answering.close()
    return measured(
        "P17", "largest answer", max(light) / KB, instances=len(scene),
        with_thumbnails_and_markers_kb=max(heavy) / KB, questions=len(TEXTS),
    )  # fmt: skip


def _size(answering: Answering, request: Any) -> int:
    return len(serialize_message(answering.text(request, QueryText.Response())))


def _see(
    bench: Workbench, session: MappingSession, frames: list[Frame], later_ns: int
) -> None:
    """Give the session the frames as messages and wait until it has taken all of them."""
    before = session.status(header(MAP_FRAME, 0)).frames_processed
    for frame in frames:
        messages = camera_messages(frame, frame.stamp_ns + later_ns)
        session.cameras.take_transforms(messages.pop("tf"), fixed=False)
        for channel, message in messages.items():
            session.cameras.take_image("", channel, message)
    end = time.monotonic() + PAIRED_S
    while session.status(header(MAP_FRAME, 0)).frames_processed - before < len(frames):
        bench.job.step("see", 0, 1)
        session.cameras.settle()
        if time.monotonic() > end:
            raise CannotMeasureError(f"the session did not take {len(frames)} frames in time")
        time.sleep(LOOK_S)


def _result(bench: Workbench, future: Future[Any]) -> Any:
    while True:
        bench.job.step("refresh", 0, 1)
        try:
            return future.result(LOOK_S)
        except TimeoutError:
            continue
        except CancelledError as error:
            raise CanceledError("the refresh was canceled") from error
