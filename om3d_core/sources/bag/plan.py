"""Which images of a bag make up its frames: the assembler of the live node, given the stamps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from om3d_core.streams.assembler import FrameAssembler, Posed
from om3d_core.streams.pose_lookup import PoseLookup
from om3d_core.streams.settings import SyncSettings

UNREADABLE = -1
"""The stamp of a message that cannot be read."""


@dataclass(frozen=True, eq=False)
class Plan:
    """The frames of a bag by ascending stamp, and why the other color images have none.

    listed: the number of color images considered. frames: their messages are the numbers of the
    color and of the depth image in order of recording. lost: color images by reason.
    """

    listed: int
    frames: tuple[Posed[int], ...]
    lost: dict[str, int]


def plan_frames(
    color_ns: Sequence[int],
    depth_ns: Sequence[int],
    sync: SyncSettings,
    poses: PoseLookup,
    step: int = 1,
) -> Plan:
    """Assemble every ``step``-th color image by stamp with depth and pose.

    The stamps are those of the images in order of recording. They are taken in their own order,
    so that it does not matter in which order, and how late, the images were recorded.
    """
    listed = sorted(range(len(color_ns)), key=lambda i: (color_ns[i], i))[::step]
    stamped = [(color_ns[i], "color", i) for i in listed]
    stamped += [(stamp, "depth", j) for j, stamp in enumerate(depth_ns)]
    readable = sorted(entry for entry in stamped if entry[0] >= 0)
    assembler: FrameAssembler[int] = FrameAssembler(("color", "depth"), sync, poses)
    frames = [
        posed
        for stamp, channel, number in readable
        for posed in assembler.add_message(channel, stamp, number)
    ]
    frames += assembler.finish()
    received = assembler.received["color"]
    lost = {
        "color unreadable": len(listed) - received,
        "color repeated": received - assembler.paired - assembler.lost,
        **{f"{name} missing": count for name, count in assembler.misses.items()},
    }
    return Plan(
        len(listed),
        tuple(sorted(frames, key=lambda posed: posed.stamp_ns)),
        {reason: count for reason, count in lost.items() if count},
    )


def collect(
    frames: Sequence[Posed[int]], messages: Iterable[tuple[int, Any]], capacity: int
) -> Iterator[tuple[Posed[int], tuple[Any, ...] | None]]:
    """The planned frames with the bodies of their images.

    messages: (channel, body) in order of recording; channel 0 is color, 1 is depth. At most
    ``capacity`` bodies a channel are held; a frame for which more would have to be has None.
    """
    wanted = [set(numbers) for numbers in zip(*(posed.messages for posed in frames), strict=True)]
    held: list[dict[int, Any]] = [{} for _ in wanted]
    seen = [0 for _ in wanted]
    left = iter(frames)
    posed = next(left, None)
    for channel, body in messages:
        if posed is None:
            return
        if seen[channel] in wanted[channel]:
            held[channel][seen[channel]] = body
        seen[channel] += 1
        while posed is not None:
            pairs = list(zip(held, posed.messages, strict=True))
            whole = all(number in bodies for bodies, number in pairs)
            if not whole and max(map(len, held)) <= capacity:
                break
            found = tuple(bodies.pop(number, None) for bodies, number in pairs)
            for numbers, number in zip(wanted, posed.messages, strict=True):
                numbers.discard(number)
            yield posed, found if whole else None
            posed = next(left, None)
