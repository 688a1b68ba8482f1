"""Which topics of a bag hold color, depth, calibration, poses and a cloud."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from om3d_core.errors import SourceError
from om3d_core.sources.bag.reader import Topic

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
ODOMETRY = "nav_msgs/msg/Odometry"
POSE = "geometry_msgs/msg/PoseStamped"
POSE_WITH_COVARIANCE = "geometry_msgs/msg/PoseWithCovarianceStamped"
POSES = {"odometry": ODOMETRY, "pose": POSE, "pose_with_covariance": POSE_WITH_COVARIANCE}
"""The types of topics of poses, by the name of the source, the preferred ones first."""
TF = "tf2_msgs/msg/TFMessage"

TRANSPORTS = ("compressed", "compressedDepth")
OTHER_IMAGES = ("infra", "mask", "label", "segment", "disparity", "confidence", "theora")

Rank = Callable[[Topic], tuple[bool, ...]]


class TopicNames(NamedTuple):
    """Topics by purpose; empty where there is none."""

    color: str = ""
    depth: str = ""
    info: str = ""
    pose: str = ""
    cloud: str = ""
    depth_info: str = ""


def choose_topics(topics: Sequence[Topic], given: TopicNames, needs_pose: str = "") -> TopicNames:
    """Complete ``given`` by type and name among the topics that hold messages.

    needs_pose: one of :data:`POSES` if only a topic of that kind will do; else pose and cloud
    are left empty where there is no single best candidate. Raises SourceError that lists the
    topics for one that is missing, of another type, or not the only candidate.
    """
    filled = [topic for topic in topics if topic.messages]

    def choose(kind: str, name: str, types: set[str], rank: Rank, required: bool) -> str:
        return _choose(kind, topics, filled, name, types, rank, required)

    images = {IMAGE, COMPRESSED_IMAGE}
    color = choose("color", given.color, images, _color_rank, True)
    depth = choose("depth", given.depth, images, _depth_rank, True)
    info = choose("info", given.info, {CAMERA_INFO}, lambda t: _info_rank(t, color), True)
    kinds = {POSES[needs_pose]} if needs_pose in POSES else set(POSES.values())
    pose = choose(
        "pose", given.pose, kinds, lambda t: (True, t.msgtype == ODOMETRY, t.msgtype == POSE),
        needs_pose in POSES,
    )
    cloud = choose("cloud", given.cloud, {POINT_CLOUD}, lambda t: ("map" in t.name,), False)
    depth_info = choose(
        "depth_info", given.depth_info, {CAMERA_INFO},
        lambda t: (t.name != info and is_beside(t.name, depth),), False,
    )
    return TopicNames(color, depth, info, pose, cloud, depth_info)


def rivals(topics: Sequence[Topic]) -> list[str]:
    """The topics of poses that hold messages, where none is preferred to the others."""
    filled = [topic for topic in topics if topic.messages]
    for kind in POSES.values():
        alike = [topic.name for topic in filled if topic.msgtype == kind]
        if alike:
            return alike if len(alike) > 1 else []
    return []


def listed(topics: Sequence[Topic]) -> str:
    """The topics as one line for an error message."""
    return ", ".join(f"{t.name} ({t.msgtype}, {t.messages})" for t in topics) or "none"


def _choose(
    kind: str,
    topics: Sequence[Topic],
    filled: Sequence[Topic],
    name: str,
    types: set[str],
    rank: Rank,
    required: bool,
) -> str:
    """The topic called ``name``, else the one that ranks highest; a rank starting False never."""
    wanted = " or ".join(sorted(types))
    if name:
        if not any(topic.name == name and topic.msgtype in types for topic in filled):
            raise SourceError(
                f"--bag.{kind}_topic {name!r}: expected one of {wanted} with messages; the topics"
                f" are {listed(topics)}"
            )
        return name
    candidates = [topic for topic in filled if topic.msgtype in types and rank(topic)[0]]
    if not candidates:
        if required:
            raise SourceError(
                f"no {kind} topic ({wanted}; --bag.{kind}_topic); the topics are {listed(topics)}"
            )
        return ""
    best = max(rank(topic) for topic in candidates)
    tied = [topic.name for topic in candidates if rank(topic) == best]
    if len(tied) > 1 and required:
        raise SourceError(f"set --bag.{kind}_topic to one of {', '.join(tied)}")
    return tied[0] if len(tied) == 1 else ""


def _base(name: str) -> str:
    """A topic without the suffix of its image transport."""
    head, _, tail = name.rpartition("/")
    return head if tail in TRANSPORTS else name


def is_beside(name: str, image: str) -> bool:
    """Whether a topic lies in the same namespace as that of an image."""
    return name.rpartition("/")[0] == _base(image).rpartition("/")[0]


def _color_rank(topic: Topic) -> tuple[bool, ...]:
    name = _base(topic.name).lower()
    image = "depth" not in name and not any(word in name for word in OTHER_IMAGES)
    usable = image and not topic.name.endswith("/compressedDepth")
    return usable, "color" in name or "rgb" in name, "rect" in name, topic.msgtype == IMAGE


def _depth_rank(topic: Topic) -> tuple[bool, ...]:
    name = _base(topic.name).lower()
    usable = "depth" in name and not any(word in name for word in OTHER_IMAGES)
    registered = "aligned" in name or "registered" in name
    suffix = topic.name.endswith("/compressedDepth")
    return usable, registered, "rect" in name, topic.msgtype == IMAGE, suffix


def _info_rank(topic: Topic, color: str) -> tuple[bool, ...]:
    name = topic.name.lower()
    beside = is_beside(topic.name, color)
    return True, beside, "color" in name or "rgb" in name, "depth" not in name
