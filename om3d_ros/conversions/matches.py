"""The matches of a query to om3d/Match."""

from __future__ import annotations

import math

from om3d.msg import Match as MatchMsg

from om3d_core.data.scene import Scene
from om3d_core.query.answer import Match
from om3d_ros.conversions.instances import thumbnail_messages
from om3d_ros.conversions.poses import box_pose, point, vector
from om3d_ros.conversions.stamps import stamp_ns


def from_match(match: Match, scene: Scene, frame_id: str, thumbnails: int) -> MatchMsg:
    """One match, with the pictures of at most ``thumbnails`` of its views."""
    pictures = thumbnail_messages(scene, match.index, frame_id, thumbnails)
    by_stamp = {view.stamp_ns: view.similarity for view in match.view_similarities}
    shown = [by_stamp.get(stamp_ns(picture.header.stamp), math.nan) for picture in pictures]
    return MatchMsg(
        id=match.instance_id,
        label=match.label,
        rank=match.rank,
        similarity=match.similarity,
        score=match.score,
        probability=match.probability,
        present=match.present,
        structure=bool(scene.masks.structure[match.index]),
        box_pose=box_pose(match.box),
        box_size=vector(match.box.size),
        centroid=point(match.centroid),
        n_points=match.n_points,
        thumbnails=pictures,
        view_similarities=shown,
    )
