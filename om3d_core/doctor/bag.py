"""A bag: its topics, their stamps and frames, then its frames held against each other."""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from om3d_core.data.frame import Intrinsics
from om3d_core.data.poses import NS_PER_S
from om3d_core.doctor.agreement import Look
from om3d_core.doctor.cloud import examine_cloud
from om3d_core.doctor.cures import Given
from om3d_core.doctor.findings import Examination, Finding
from om3d_core.doctor.frames import GROUPS, TO_STREAM, judge, sample, skipped
from om3d_core.doctor.topics import (
    ALIGN,
    Heard,
    bridging_slop_s,
    floats_in_millimeters,
    misnamed,
    out_of_step,
    rates,
    uncovered,
    unregistered,
)
from om3d_core.errors import InputError, MountError, RegistrationError, SourceError
from om3d_core.formats.calibration import Calibration
from om3d_core.sources.bag.excerpt import Excerpt
from om3d_core.sources.bag.plan import Plan
from om3d_core.sources.bag.reader import BagReader, Topic
from om3d_core.sources.bag.source import RosbagSettings, RosbagSource
from om3d_core.sources.bag.topics import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    POINT_CLOUD,
    POSES,
    TopicNames,
    choose_topics,
    is_beside,
)
from om3d_core.streams.settings import RecordedStreamSettings

MOST_BYTES = 1 << 30
MOST_LOST = 0.8
TYPES = {
    "color": {IMAGE, COMPRESSED_IMAGE},
    "depth": {IMAGE, COMPRESSED_IMAGE},
    "info": {CAMERA_INFO},
    "pose": set(POSES.values()),
    "cloud": {POINT_CLOUD},
}
CURES = {
    "depth missing": "--sync.slop_s",
    "pose missing": "--map_frame, --pose.source, --pose.max_gap_s",
}


def examine_bag(
    path: Path, settings: RosbagSettings | None = None,
    streams: RecordedStreamSettings | None = None,
) -> Examination:
    """What is wrong with a bag, read with these settings.

    Of one that is larger than :data:`MOST_BYTES` as much is read, in parts that are spread over
    it. Raises SourceError for what is no bag or is damaged.
    """
    settings, streams = settings or RosbagSettings(), streams or RecordedStreamSettings()
    with closing(BagReader(path)) as reader:
        topics = reader.topics
        excerpt, found = _excerpt(reader, settings.duration_s)
        wrong, settings = _names(topics, settings)
        found += Examination(tuple(wrong))
        try:
            names = _chosen(topics, settings, streams)
        except SourceError as error:
            return found + Examination((Finding(
                "topics", "a topic that is needed is not in the bag, or not the only one",
                str(error), "record it, or name it",
                "--bag.color_topic, --bag.depth_topic, --bag.info_topic, --bag.pose_topic",
            ),))  # fmt: skip
        heard = _listen(reader, names, topics, excerpt)
    wrong_streams = _streams(heard, names, streams)
    found += wrong_streams + _frames(
        path, settings, _bridged(heard, names, streams), excerpt, heard,
        bool(wrong_streams.findings),
    )
    guessed = _guessed(topics, names, settings, streams)
    return found + (Examination(assumed=guessed) if found.findings else Examination(told=guessed))


def _guessed(
    topics: list[Topic], names: TopicNames, settings: RosbagSettings,
    streams: RecordedStreamSettings,
) -> tuple[str, ...]:
    """What nothing in the bag says of the topics that were chosen."""
    said = []
    if not settings.info_topic and not is_beside(names.info, names.color):
        said.append(f"the camera is that of {names.info}, as {names.color} has none beside it;"
                    " else --bag.info_topic")
    kinds = {topic.name: topic.msgtype for topic in topics}
    if kinds.get(names.pose, POSES["odometry"]) != POSES["odometry"] and not streams.pose.of_frame:
        said.append(f"the poses of {names.pose} name no frame that they are of; where they are"
                    " used they are taken for the camera's; else --pose.of_frame FRAME")
    return tuple(said)


@dataclass
class _Notes:
    """What one pass over a bag leaves; depth: its first message."""

    stamps: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    parts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    frames: dict[str, str] = field(default_factory=dict)
    infos: dict[str, Intrinsics] = field(default_factory=dict)
    depth: Any = None

    def of(self, topic: str) -> Heard:
        stamps = np.array(self.stamps.get(topic, []), np.int64)
        parts = np.array(self.parts.get(topic, []), np.int64)
        return Heard(topic, stamps, self.frames.get(topic, ""), parts)


def _excerpt(reader: BagReader, duration_s: float) -> tuple[Excerpt, Examination]:
    """What is read of the first seconds, or of all if that is 0, so that it is not too much."""
    asked_s = min(duration_s or math.inf, reader.duration_s)
    part_s = MOST_BYTES / max(reader.n_bytes, 1) * reader.duration_s / GROUPS
    if GROUPS * part_s >= asked_s:
        return Excerpt(duration_s), Examination()
    told = f"{GROUPS} parts of {part_s:.1f} s, spread over {asked_s:.0f} s, are judged"
    return Excerpt(duration_s, GROUPS, part_s), Examination(told=(told,))


def _names(
    topics: list[Topic], settings: RosbagSettings
) -> tuple[list[Finding], RosbagSettings]:
    """Findings of topics that were named and do not exist; the settings without their names."""
    given = {kind: getattr(settings, f"{kind}_topic") for kind in TYPES}
    given = {kind: name for kind, name in given.items() if name}
    counts = {topic.name: topic.messages for topic in topics}
    alike = {
        kind: [t.name for t in topics if t.msgtype in TYPES[kind] and t.messages]
        for kind in TYPES
    }  # fmt: skip
    flags = {kind: f"--bag.{kind}_topic {{}}" for kind in TYPES}
    wrong = misnamed(given, counts, flags, alike)
    unknown = {f"{kind}_topic": "" for kind, name in given.items() if not counts.get(name)}
    return wrong, replace(settings, **unknown)  # type: ignore[arg-type]


def _chosen(
    topics: list[Topic], settings: RosbagSettings, streams: RecordedStreamSettings
) -> TopicNames:
    given = TopicNames(*(getattr(settings, f"{kind}_topic") for kind in TopicNames._fields))
    return choose_topics(topics, given, streams.pose.source)


def _listen(
    reader: BagReader, names: TopicNames, topics: list[Topic], excerpt: Excerpt
) -> _Notes:
    """Stamps and frames of the topics that make frames, and the calibration of each camera."""
    infos = {topic.name for topic in topics if topic.msgtype == CAMERA_INFO}
    wanted = {name for name in names[:4] if name} | infos
    notes = _Notes()
    for message in reader.recorded(wanted, excerpt):
        header = _header(message.raw)
        if header is None:
            continue
        notes.stamps[message.topic].append(header[0])
        notes.parts[message.topic].append(message.part)
        notes.frames.setdefault(message.topic, header[1])
    for topic, body in reader.messages(infos, excerpt):
        if topic not in notes.infos and body is not None:
            try:
                notes.infos[topic] = Calibration.of_info(body, False).intrinsics
            except (InputError, ValueError):
                continue
        if len(notes.infos) == len(infos):
            break
    first = next(reader.messages({names.depth}, excerpt), None)
    notes.depth = first.body if first is not None else None
    return notes


def _streams(notes: _Notes, names: TopicNames, streams: RecordedStreamSettings) -> Examination:
    color, depth = notes.of(names.color), notes.of(names.depth)
    own = _sibling(names.depth, notes.infos)
    found = [out_of_step(color, depth, "depth", streams.sync.slop_s)]
    if not streams.depth.has_own_camera(depth.frame, color.frame):
        depth_k = notes.infos.get(own) if own != names.info else None
        found.append(unregistered(
            depth, notes.infos.get(names.info), depth_k, "--bag.depth_topic, --depth.camera own"
        ))
    heard = [notes.of(name) for name in names[:4] if name]
    return Examination(tuple(filter(None, found)), (rates(heard),))


def _bridged(
    notes: _Notes, names: TopicNames, streams: RecordedStreamSettings
) -> RecordedStreamSettings:
    """The settings by which images are paired whose stamps are out of step, to judge the rest."""
    color, depth = notes.of(names.color), notes.of(names.depth)
    if out_of_step(color, depth, "depth", streams.sync.slop_s) is None:
        return streams
    slop_s = bridging_slop_s(color, depth) or streams.sync.slop_s
    return replace(streams, sync=replace(streams.sync, slop_s=slop_s))


def _frames(
    path: Path, settings: RosbagSettings, streams: RecordedStreamSettings, excerpt: Excerpt,
    notes: _Notes, explained: bool,
) -> Examination:
    """What is wrong with the frames; ``explained``: why some are none is said already."""
    try:
        source = RosbagSource(path, settings, streams, excerpt)
    except MountError as error:
        return Examination((Finding(
            "mount", "poses are not of the camera, and nothing tells how it is mounted",
            str(error), "record /tf_static, or publish the mount of the camera",
            "--pose.of_frame, if they are the camera's",
        ),))  # fmt: skip
    except RegistrationError as error:
        return Examination((Finding(
            "registration", "depth is not registered to color, and cannot be", str(error),
            ALIGN, "--bag.depth_topic, --bag.depth_info_topic, --depth.camera",
        ),))  # fmt: skip
    except SourceError as error:
        return Examination((Finding("no frames", "no frame can be made", str(error)),))
    plan, found = source.plan, Examination()
    if not explained and plan.lost:
        lost = _lost(plan, source.topics, streams, notes)
        if sum(plan.lost.values()) > MOST_LOST * plan.listed:
            found += Examination((lost,))
        else:
            found += Examination(told=(f"{lost.said}: {lost.evidence}",))
    size = notes.infos.get(source.topics.info)
    sides = (size.width, size.height) if size else (0, 0)
    given = Given.of(streams.depth, getattr(notes.depth, "encoding", ""), *sides)
    places = sample(len(plan.frames))
    looks = [Look.of(frame) for frame in source.pick(places)]
    units = _floats(notes.depth, streams)
    judged = judge(looks, given, TO_STREAM) if units is None else Examination((units,))
    if not judged.findings:
        judged += examine_cloud(looks, lambda _: source.cloud())
    return found + skipped(source.skipped, len(places)) + judged


def _lost(
    plan: Plan, names: TopicNames, streams: RecordedStreamSettings, notes: _Notes
) -> Finding:
    """Why most color images make no frame."""
    if names.pose and plan.lost.get("pose missing"):
        color, pose = notes.of(names.color), notes.of(names.pose)
        late = uncovered(color, pose, streams.pose.tolerance_s, streams.pose.max_gap_s)
        if late is not None:
            return late
    why = ", ".join(f"{reason}: {n}" for reason, n in plan.lost.items())
    flags = [CURES[reason] for reason in plan.lost if reason in CURES]
    lost = f"{sum(plan.lost.values())} of {plan.listed} color images make no frame"
    return Finding("frames lost", lost, why, flag=", ".join(flags))


def _header(raw: bytes) -> tuple[int, str] | None:
    """Stamp and frame of a serialized message that begins with a header."""
    if len(raw) < 16:
        return None
    sec, nanosec, length = struct.unpack_from("<iII" if raw[1] & 1 else ">iII", raw, 4)
    frame = raw[16 : 16 + max(0, length - 1)].decode("utf-8", "replace")
    return sec * NS_PER_S + nanosec, frame


def _floats(depth: Any, streams: RecordedStreamSettings) -> Finding | None:
    """Whether the first depth image is of floating point in millimeters."""
    if depth is None or getattr(depth, "is_bigendian", True):
        return None
    units = streams.depth.float_units_per_m
    return floats_in_millimeters(depth.encoding, depth.data.tobytes(), units)


def _sibling(topic: str, infos: Iterable[str]) -> str:
    """The camera_info beside an image topic, empty where there is none."""
    parents = {info.rpartition("/")[0]: info for info in infos}
    base = topic
    while "/" in base:
        base = base.rpartition("/")[0]
        if base in parents:
            return parents[base]
    return ""
