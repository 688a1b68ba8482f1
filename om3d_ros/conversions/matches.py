"""An answer and its matches to the fields of a response and om3d/Match, and back.

A message holds a float32 where an answer holds a float64, and the similarities of those views
whose pictures it holds; all else comes back as it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from om3d.msg import Match as MatchMsg
from om3d.srv import QueryText
from std_msgs.msg import Header

from om3d_core.data.scene import Scene
from om3d_core.errors import InputError, expect
from om3d_core.query.answer import (
    ABSENT,
    AMBIGUOUS,
    NOT_UNDERSTOOD,
    UNIQUE,
    Answer,
    Check,
    Match,
    ViewSimilarity,
)
from om3d_ros.conversions.instances import thumbnail_messages
from om3d_ros.conversions.poses import box_pose, point, to_box, to_xyz, vector
from om3d_ros.conversions.stamps import stamp_ns

_VERDICTS = {
    UNIQUE: QueryText.Response.UNIQUE,
    AMBIGUOUS: QueryText.Response.AMBIGUOUS,
    ABSENT: QueryText.Response.ABSENT,
    NOT_UNDERSTOOD: QueryText.Response.NOT_UNDERSTOOD,
}
"""Constants of both services, which have the same."""


def from_answer(
    answer: Answer,
    scene: Scene,
    header: Header,
    thumbnails: int,
    response: Any,
    map_name: str = "",
) -> None:
    """Fill in the fields of a QueryText or QueryImage response that an answer determines.

    header: of the map. thumbnails: most pictures a match. map_name: empty where there is one map.
    """
    response.header = header
    response.matches = [from_match(match, scene, thumbnails) for match in answer.matches]
    for message in response.matches:
        message.map, message.frame_id = map_name, header.frame_id
    response.present = answer.present
    response.space = answer.space
    response.map_id = scene.map_id
    response.revision = answer.revision
    response.verdict = _VERDICTS[answer.verdict]
    response.question = answer.read_as
    response.not_understood = list(answer.not_understood)
    response.n_matching = answer.n_matching
    response.clarification = answer.clarification


def join(response: Any, others: Sequence[Any]) -> None:
    """Make ``response``, which is about the map of the best match, one about ``others``, too.

    Its frame is that of all matches, if they have one; its map has no id and no revision.
    """
    together = [response, *others]
    matches = [match for one in together for match in one.matches]
    response.matches = sorted(matches, key=lambda match: match.rank)
    frames = {match.frame_id for match in matches} or {one.header.frame_id for one in together}
    newest = max((one.header.stamp for one in together), key=stamp_ns)
    response.header = Header(stamp=newest, frame_id=frames.pop() if len(frames) == 1 else "")
    response.map_id, response.revision = "", 0
    response.n_matching = sum(one.n_matching for one in together)
    unknown = [part for one in together for part in one.not_understood]
    response.not_understood = list(dict.fromkeys(unknown))


def to_answer(response: Any, scene: Scene, kind: str, query: str) -> Answer:
    """The answer in a response without error to a question of ``kind`` text or image.

    scene: the map that was searched. Raises InputError for another map, or naming the
    field that does not fit.
    """
    asked, told = (scene.map_id, scene.revision), (response.map_id, response.revision)
    expect(asked == told, f"an answer about map and revision {asked}", told)
    matches = tuple(to_match(message, scene) for message in response.matches)
    verdicts = {number: verdict for verdict, number in _VERDICTS.items()}
    expect(response.verdict in verdicts, "a verdict", response.verdict)
    return Answer(
        kind, query, response.space, matches, response.present, response.revision,
        verdicts[response.verdict], response.question, tuple(response.not_understood),
        response.n_matching, response.clarification,
    )  # fmt: skip


def from_match(match: Match, scene: Scene, thumbnails: int) -> MatchMsg:
    """One match, with the pictures of at most ``thumbnails`` of its views."""
    pictures = thumbnail_messages(scene, match.index, thumbnails)
    by_stamp = {view.stamp_ns: view.similarity for view in match.view_similarities}
    shown = [by_stamp.get(stamp_ns(picture.header.stamp), math.nan) for picture in pictures]
    return MatchMsg(
        id=match.instance_id,
        label=match.label,
        label_probability=match.label_probability,
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
        checks=[check.what for check in match.checks],
        check_fits=[check.fit for check in match.checks],
        explanation=match.explanation,
        words=list(match.words),
    )


def to_match(message: MatchMsg, scene: Scene) -> Match:
    """The match of a message about ``scene``; raises InputError naming what does not fit."""
    rows = np.flatnonzero(scene.ids == message.id)
    if not len(rows):
        raise InputError(f"expected a match of this map, got id {message.id}")
    counts = len(message.thumbnails), len(message.view_similarities)
    expect(counts[0] == counts[1], "a similarity for each thumbnail of a match", counts)
    weighed = len(message.checks), len(message.check_fits)
    expect(weighed[0] == weighed[1], "a fit for each check of a match", weighed)
    views = zip(message.thumbnails, message.view_similarities, strict=True)
    return Match(
        instance_id=message.id,
        index=int(rows[0]),
        rank=message.rank,
        similarity=message.similarity,
        score=message.score,
        probability=message.probability,
        present=message.present,
        box=to_box(message.box_pose, message.box_size),
        centroid=to_xyz(message.centroid),
        n_points=message.n_points,
        label=message.label,
        label_probability=message.label_probability,
        view_similarities=tuple(
            ViewSimilarity(stamp_ns(picture.header.stamp), float(similarity))
            for picture, similarity in views
            if not math.isnan(similarity)
        ),
        checks=tuple(map(Check, message.checks, map(float, message.check_fits))),
        explanation=message.explanation,
        words=tuple(message.words),
    )
