"""An answer as visualization_msgs/MarkerArray: what stood there is deleted, then the matches.

Markers stay where they are in the map: their stamp is 0, which RViz takes for the latest
transform, and they are locked to their frame, so that they follow it in another one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Point, Pose, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from om3d_core.data.scene import Scene
from om3d_core.data.text import one_line
from om3d_core.query.answer import Answer, Match
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
EDGES = ((0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 3), (2, 6), (3, 7), (4, 5), (4, 6), (5, 7),
         (6, 7))
"""Pairs of corners, as bits of z, y, x, that differ in one bit."""


def no_markers(frame_id: str) -> MarkerArray:
    """DELETEALL alone."""
    return MarkerArray(markers=[Marker(header=make_header(frame_id, 0), action=Marker.DELETEALL)])


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
            _label(header, answer.query, match, settings),
        ]
        if settings.max_points:
            shown.markers.append(_points(header, match, scene, settings))
    return shown


def rank_color(rank: int, present: bool = True) -> ColorRGBA:
    """The color of the match of a rank, from 1."""
    r, g, b = RANK_COLORS[(rank - 1) % len(RANK_COLORS)]
    return ColorRGBA(r=r, g=g, b=b, a=PRESENT_ALPHA if present else ABSENT_ALPHA)


def _box(header: Header, match: Match, settings: MarkerSettings) -> Marker:
    marker = _marker(header, "box", match, Marker.LINE_LIST)
    marker.pose = box_pose(match.box)
    marker.scale.x = settings.line_width_m
    half = match.box.size / 2
    corners = [point(half * _signs(i)) for i in range(8)]
    marker.points = [corners[i] for edge in EDGES for i in edge]
    return marker


def _label(header: Header, query: str, match: Match, settings: MarkerSettings) -> Marker:
    marker = _marker(header, "label", match, Marker.TEXT_VIEW_FACING)
    up = match.box.map_from_box[:, 2]
    above = 0.5 * float(match.box.size[2]) + settings.text_height_m
    marker.pose.position = point(match.box.center + above * up)
    marker.scale.z = settings.text_height_m
    verdict = "" if match.present else " (not present)"
    asked = one_line(query)
    marker.text = f"{match.rank}: {asked} #{match.instance_id} {match.probability:.0%}{verdict}"
    return marker


def _points(header: Header, match: Match, scene: Scene, settings: MarkerSettings) -> Marker:
    marker = _marker(header, "points", match, Marker.POINTS)
    marker.scale = Vector3(x=settings.point_size_m, y=settings.point_size_m, z=0.0)
    members = scene.masks[match.index]
    step = max(1, -(-len(members) // settings.max_points))
    xyz = scene.cloud.points[members[::step]].astype(np.float64)
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in xyz.tolist()]
    return marker


def _marker(header: Header, namespace: str, match: Match, kind: int) -> Marker:
    pose = Pose()
    pose.orientation.w = 1.0
    return Marker(
        header=header,
        ns=namespace,
        id=match.instance_id,
        type=kind,
        action=Marker.ADD,
        pose=pose,
        color=rank_color(match.rank, match.present),
        frame_locked=True,
    )


def _signs(corner: int) -> npt.NDArray[np.float64]:
    return np.array([1.0 if corner >> bit & 1 else -1.0 for bit in (2, 1, 0)])
