"""P11, P13, P14 and P15: what a map that grows costs, and whether its ids stay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from om3d_core.bench.clock import Span
from om3d_core.bench.rows import Bar, CannotMeasureError, Check, Row, measured
from om3d_core.bench.workbench import NS_PER_S, Workbench, offer, scene_of, spread
from om3d_core.data.frame import Frame
from om3d_core.mapping.growth import ids_kept
from om3d_core.mapping.mapper import Mapper

EVERY, NEW_KEYFRAMES = 20, 10
ROOMS, ENTERED, ROOM_FRAMES, FIRST_COMPARED = 12, 6, 20, 2
LEAST_SHIFT_M = 5.4
"""Between rooms of the corridor, or the extent of the room along x if that is larger."""


@dataclass(frozen=True)
class OnTheWay:
    """Refreshes on the way: of the ids there were, how many were still there and kept; crops;
    seconds of each refresh; instances and next_id at the end."""

    there: int
    kept: int
    crops: int
    seconds: tuple[float, ...]
    instances: int
    next_id: int


def crops_anew(bench: Workbench) -> Row:
    """P13."""
    way, once = on_the_way(bench), bench.batch[1].crops
    return measured(
        "P13", "of the crops of a batch run", way.crops / max(once, 1),
        crops=way.crops, crops_of_a_batch_run=once,
    )  # fmt: skip


def stable_ids(bench: Workbench) -> Row:
    """P14. An instance is still there if half of its voxels lie in one new instance."""
    way = on_the_way(bench)
    if not way.there:
        raise CannotMeasureError("no instance was there before and after a refresh")
    return measured(
        "P14", "ids kept", 100 * way.kept / way.there,
        Check("next_id an instance", way.next_id / max(way.instances, 1), Bar("<=", 1.5)),
        still_there=way.there, kept=way.kept, instances=way.instances, next_id=way.next_id,
        seconds_of_refreshes=way.seconds,
    )  # fmt: skip


def entering(bench: Workbench) -> Row:
    """P11. The time is that of all threads of the process, which other programs leave alone."""
    scene, room = _see_more(bench), _enter_a_room(bench)
    return measured(
        "P11", f"ten keyframes of room {ENTERED}, of a batch run", room[0].cpu_s / room[1].cpu_s,
        Check("the scene's last ten keyframes, of a batch run", scene[0].cpu_s / scene[1].cpu_s,
              Bar("<=", 0.35)),
        corridor_wall_s=(room[0].wall_s, room[1].wall_s),
        scene_wall_s=(scene[0].wall_s, scene[1].wall_s),
        corridor_cpu_s=(room[0].cpu_s, room[1].cpu_s),
        scene_cpu_s=(scene[0].cpu_s, scene[1].cpu_s),
    )  # fmt: skip


def farther(bench: Workbench) -> Row:
    """P15. A refresh in each room; the largest from room 3 on, of that in room 2."""
    spans = _walk(bench)
    cpu = [span.cpu_s for span in spans]
    later = cpu[FIRST_COMPARED:]
    return measured(
        "P15", "largest, of room 2", max(later) / cpu[FIRST_COMPARED - 1],
        cpu_s_by_room=cpu, wall_s_by_room=[span.wall_s for span in spans],
        last_room_of_room_2=cpu[-1] / cpu[FIRST_COMPARED - 1],
    )  # fmt: skip


def on_the_way(bench: Workbench) -> OnTheWay:
    """All frames, with a refresh every ``EVERY``; measured once."""
    return bench.once("on the way", lambda: _refresh_on_the_way(bench))


def corridor(frames: Sequence[Frame], room: int, shift_m: float, period_ns: int) -> list[Frame]:
    """The frames, seen in room ``room`` from 1: shifted along x, and later."""
    moved = []
    for frame in frames:
        pose = frame.map_from_camera.copy()
        pose[0, 3] += (room - 1) * shift_m
        stamp = frame.stamp_ns + (room - 1) * period_ns
        moved.append(replace(frame, map_from_camera=pose, stamp_ns=stamp))
    return moved


def _refresh_on_the_way(bench: Workbench) -> OnTheWay:
    mapper, total = bench.mapper(), len(bench.frames)
    there = kept = 0
    times: list[float] = []
    curve = []
    for done, frame in enumerate(bench.frames, start=1):
        offer(mapper, frame)
        if (done % EVERY and done < total) or not mapper.n_keyframes:
            continue
        before = mapper.scene
        times.append(bench.refresh(mapper).span.wall_s)
        curve.append((float(done), times[-1]))
        if before is not None:
            counted = ids_kept(before, scene_of(mapper), bench.settings.tracking.voxel_m)
            there, kept = there + counted[0], kept + counted[1]
    scene = scene_of(mapper)
    bench.add_curve("refresh every 20 frames: s against frames", "om3d", curve)
    return OnTheWay(
        there, kept, mapper.counts.crops_encoded, tuple(times), len(scene), scene.next_id
    )


def _see_more(bench: Workbench) -> tuple[Span, Span]:
    """The refresh after the last ten keyframes of the scene, and a batch run over all."""
    _, batch, kept = bench.batch
    if len(kept) < 2 * NEW_KEYFRAMES:
        raise CannotMeasureError(f"the scene has only {len(kept)} keyframes")
    mapper, first_new = bench.mapper(), kept[-NEW_KEYFRAMES]
    _offer_all(mapper, bench.frames[:first_new])
    bench.refresh(mapper)
    _offer_all(mapper, bench.frames[first_new:])
    return bench.refresh(mapper).span, batch.span


def _enter_a_room(bench: Workbench) -> tuple[Span, Span]:
    """The refresh after the first ten frames of the last of six rooms, and a batch run over
    the same frames."""
    frames = [f for room in range(1, ENTERED) for f in _room(bench, room)]
    walked = bench.mapper()
    _offer_all(walked, frames)
    bench.refresh(walked)
    new = 0
    for frame in _room(bench, ENTERED):
        frames.append(frame)
        new += offer(walked, frame)
        if new == NEW_KEYFRAMES:
            break
    else:
        raise CannotMeasureError(f"a room of the corridor has only {new} keyframes")
    entered = bench.refresh(walked).span
    batch = bench.mapper()
    _offer_all(batch, frames)
    return entered, bench.refresh(batch).span


def _walk(bench: Workbench) -> list[Span]:
    """What the refresh in each room took."""
    mapper, spans = bench.mapper(), []
    for room in range(1, ROOMS + 1):
        bench.job.step("corridor", room - 1, ROOMS)
        _offer_all(mapper, _room(bench, room))
        spans.append(bench.refresh(mapper).span)
    bench.add_curve(
        "refresh in each room of a corridor: CPU s against rooms", "om3d",
        [(float(n), span.cpu_s) for n, span in enumerate(spans, start=1)],
    )
    return spans


def _room(bench: Workbench, room: int) -> list[Frame]:
    """The frames of a room of the corridor."""
    frames = spread(bench.frames, ROOM_FRAMES)
    low, high = bench.batch[0].cloud.bounds()
    shift_m = max(LEAST_SHIFT_M, float(high[0] - low[0]))
    period_ns = math.ceil(bench.duration_s + 1) * int(NS_PER_S)
    return corridor(frames, room, shift_m, period_ns)


def _offer_all(mapper: Mapper, frames: Sequence[Frame]) -> None:
    for frame in frames:
        offer(mapper, frame)
