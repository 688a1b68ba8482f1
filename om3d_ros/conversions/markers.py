"""An answer, or all instances, as visualization_msgs/MarkerArray, after a DELETEALL.

Markers stay where they are in the map: their stamp is 0, which RViz takes for the latest
transform, and they are locked to their frame, so that they follow it in another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Point, Pose, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from om3d_core.data.boxes import Box
from om3d_core.data.scene import Scene
from om3d_core.data.text import name_of, one_line
from om3d_core.query.answer import AMBIGUOUS, NOT_UNDERSTOOD, Answer, Match
from om3d_ros.conversions.poses import box_pose, point
from om3d_ros.conversions.stamps import header as make_header
from om3d_ros.node.settings import MarkerSettings

RANK_COLORS = (
    (0.18, 0.80, 0.25),
    (1.00, 0.76, 0.03),
    (0.13, 0.59, 0.95),
    (0.91, 0.30, 0.24),
    (0.61, 0.35, 0.71),
    (0.10, 0.74, 0.61),
    (0.90, 0.49, 0.13),
    (0.58, 0.65, 0.65),
)
ABSENT_ALPHA, PRESENT_ALPHA = 0.35, 1.0
NAME_HEIGHT = 0.6
"""Of a name on a box, as a part of that of an answer's label, which stands over it."""
EDGES = ((0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 3), (2, 6), (3, 7), (4, 5), (4, 6), (5, 7),
         (6, 7))
"""Pairs of corners, as bits of z, y, x, that differ in one bit."""


def no_markers(frame_id: str) -> MarkerArray:
    """DELETEALL alone."""
    return MarkerArray(markers=[Marker(header=make_header(frame_id, 0), action=Marker.DELETEALL)])


def of_maps(shown: Sequence[tuple[str, MarkerArray]], frame_id: str) -> MarkerArray:
    """The markers of maps, each by its name, as one: DELETEALL, then those of each.

    A name that is not empty stands before the namespaces of its markers, so that equal ids do not
    collide. frame_id: of the DELETEALL if there are none.
    """
    together = shown[0][1].markers[:1] if shown else no_markers(frame_id).markers
    for name, array in shown:
        for marker in array.markers[1:]:
            marker.ns = f"{name}/{marker.ns}" if name else marker.ns
            together.append(marker)
    return MarkerArray(markers=together)


def answer_markers(
    frame_id: str, answer: Answer, scene: Scene, settings: MarkerSettings
) -> MarkerArray:
    """DELETEALL, then a box, a label and the points of each match, in the map's frame.

    The id of a marker is that of its instance, its namespace one of box, label and points; its
    color is that of the rank, faint where the match is judged absent.
    """
    header = make_header(frame_id, 0)
    shown = no_markers(frame_id)
    for match in answer.matches:
        shown.markers += [
            _box(header, match, settings),
            _label(header, answer, match, settings),
        ]
        if settings.max_points:
            shown.markers.append(_points(header, match, scene, settings))
    return shown


def instance_markers(
    frame_id: str, scene: Scene, boxes: Mapping[int, Box], settings: MarkerSettings
) -> MarkerArray:
    """DELETEALL, then a box and a name of each instance that is no structure, in the map's frame.

    boxes: of the instances, by id, in meters in the map frame.
    The name is the label, or # and the id where there is none. The id of a marker is that of its
    instance, its namespace one of box and name; the color follows the id. Of more than
    ``max_instances`` those of the most points are shown.
    """
    header = make_header(frame_id, 0)
    objects = np.flatnonzero(~scene.masks.structure)
    largest = objects[np.argsort(-scene.masks.sizes[objects], kind="stable")]
    shown = no_markers(frame_id)
    for i in sorted(largest[: settings.max_instances].tolist()):
        instance_id = int(scene.ids[i])
        box = boxes[instance_id]
        color = rank_color(1 + instance_id % len(RANK_COLORS))
        lines = _marker(header, "box", instance_id, Marker.LINE_LIST, color)
        _fill_box(lines, box, settings)
        name = _marker(header, "name", instance_id, Marker.TEXT_VIEW_FACING, color)
        name.scale.z = NAME_HEIGHT * settings.text_height_m
        name.pose.position = _above(box, 0.5 * name.scale.z)
        name.text = name_of(scene.labels[i], instance_id)
        shown.markers += [lines, name]
    return shown


def rank_color(rank: int, present: bool = True) -> ColorRGBA:
    """The color of the match of a rank, from 1."""
    r, g, b = RANK_COLORS[(rank - 1) % len(RANK_COLORS)]
    return ColorRGBA(r=r, g=g, b=b, a=PRESENT_ALPHA if present else ABSENT_ALPHA)


def _box(header: Header, match: Match, settings: MarkerSettings) -> Marker:
    marker = _of_match(header, "box", match, Marker.LINE_LIST)
    _fill_box(marker, match.box, settings)
    return marker


def _label(header: Header, answer: Answer, match: Match, settings: MarkerSettings) -> Marker:
    marker = _of_match(header, "label", match, Marker.TEXT_VIEW_FACING)
    marker.pose.position = _above(match.box, settings.text_height_m)
    marker.scale.z = settings.text_height_m
    verdict = "" if match.present else " (not present)"
    if answer.verdict == NOT_UNDERSTOOD:
        verdict = " (not understood)"
    elif answer.verdict == AMBIGUOUS and match.present:
        verdict = f" (one of {answer.n_matching})"
    asked = one_line(answer.query)
    marker.text = f"{match.rank}: {asked} #{match.instance_id} {match.probability:.0%}{verdict}"
    return marker


def _points(header: Header, match: Match, scene: Scene, settings: MarkerSettings) -> Marker:
    marker = _of_match(header, "points", match, Marker.POINTS)
    marker.scale = Vector3(x=settings.point_size_m, y=settings.point_size_m, z=0.0)
    members = scene.masks[match.index]
    step = max(1, -(-len(members) // settings.max_points))
    xyz = scene.cloud.points[members[::step]].astype(np.float64)
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in xyz.tolist()]
    return marker


def _of_match(header: Header, namespace: str, match: Match, kind: int) -> Marker:
    color = rank_color(match.rank, match.present)
    return _marker(header, namespace, match.instance_id, kind, color)


def _marker(
    header: Header, namespace: str, instance_id: int, kind: int, color: ColorRGBA
) -> Marker:
    pose = Pose()
    pose.orientation.w = 1.0
    return Marker(
        header=header,
        ns=namespace,
        id=instance_id,
        type=kind,
        action=Marker.ADD,
        pose=pose,
        color=color,
        frame_locked=True,
    )


def _fill_box(marker: Marker, box: Box, settings: MarkerSettings) -> None:
    marker.pose = box_pose(box)
    marker.scale.x = settings.line_width_m
    half = box.size / 2
    corners = [point(half * _signs(i)) for i in range(8)]
    marker.points = [corners[i] for edge in EDGES for i in edge]


def _above(box: Box, height_m: float) -> Point:
    """The point over the middle of the box's upper side."""
    up = box.map_from_box[:, 2]
    return point(box.center + (0.5 * float(box.size[2]) + height_m) * up)


def _signs(corner: int) -> npt.NDArray[np.float64]:
    return np.array([1.0 if corner >> bit & 1 else -1.0 for bit in (2, 1, 0)])
