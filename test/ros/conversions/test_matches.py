"""Answers to messages and back: nothing is lost that a message has a place for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.scenes import make_scene
from hypothesis import given, settings
from hypothesis import strategies as st
from om3d.msg import Match as MatchMsg
from om3d.srv import QueryImage, QueryText
from scipy.spatial.transform import Rotation

from om3d_core.data.boxes import Box
from om3d_core.errors import InputError
from om3d_core.query.answer import VERDICTS, Answer, Check, Match, ViewSimilarity
from om3d_ros.conversions.matches import from_answer, from_match, to_answer, to_match
from om3d_ros.conversions.stamps import header, stamp_ns

SCENE = make_scene()
HEADER = header("map", 12_000_000_345)
ALL_VIEWS = SCENE.views.stamps.shape[1]

shares = st.floats(0, 1, width=32)
cosines = st.floats(-1, 1, width=32)
vectors = st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3).map(np.array)
rotations = st.integers(0, 2**32 - 1).map(lambda seed: Rotation.random(random_state=seed))


@st.composite
def matches(draw, rank=1):
    row = draw(st.integers(0, len(SCENE) - 1))
    stamps = SCENE.views.stamps[row][SCENE.views.valid[row]].tolist()
    seen = [stamp for stamp in stamps if draw(st.booleans())]
    return Match(
        instance_id=int(SCENE.ids[row]), index=row, rank=rank, similarity=draw(cosines),
        score=draw(st.floats(-1e3, 1e3, width=32)), probability=draw(shares),
        present=draw(st.booleans()),
        box=Box(draw(vectors), np.abs(draw(vectors)), draw(rotations).as_matrix()),
        centroid=draw(vectors), n_points=len(SCENE.masks[row]), label=SCENE.labels[row],
        label_probability=draw(shares),
        view_similarities=tuple(ViewSimilarity(stamp, draw(cosines)) for stamp in seen),
        checks=tuple(draw(st.lists(st.builds(Check, st.text(), shares), max_size=3))),
        explanation=draw(st.text()),
    )


@st.composite
def answers(draw):
    found = tuple(draw(matches(rank)) for rank in range(1, 1 + draw(st.integers(0, 4))))
    return Answer(
        draw(st.sampled_from(["text", "image"])), draw(st.text()),
        draw(st.text("a-@0", max_size=9)), found, draw(st.booleans()), SCENE.revision,
        draw(st.sampled_from(VERDICTS)), draw(st.text()), tuple(draw(st.lists(st.text()))),
        draw(st.integers(0, 2**32 - 1)), draw(st.text()),
    )  # fmt: skip


def assert_same_match(back, match):
    for name in ("instance_id", "index", "rank", "similarity", "score", "probability", "present",
                 "n_points", "label", "view_similarities", "checks", "explanation"):
        assert getattr(back, name) == getattr(match, name), name
    assert np.array_equal(back.centroid, match.centroid)
    assert np.array_equal(back.box.center, match.box.center)
    assert np.array_equal(back.box.size, match.box.size)
    np.testing.assert_allclose(back.box.map_from_box, match.box.map_from_box, atol=1e-12)


@given(match=matches(), thumbnails=st.integers(0, ALL_VIEWS))
@settings(max_examples=200, deadline=None)
def test_a_match_survives_with_the_views_that_are_sent(match, thumbnails):
    message = from_match(match, SCENE, thumbnails)
    sent = [stamp_ns(picture.header.stamp) for picture in message.thumbnails]
    assert sent == SCENE.views.stamps[match.index][SCENE.views.valid[match.index]][
        :thumbnails].tolist()
    kept = tuple(view for view in match.view_similarities if view.stamp_ns in sent)
    assert_same_match(to_match(message, SCENE), replace(match, view_similarities=kept))


@given(answer=answers(), kind=st.sampled_from([QueryText, QueryImage]))
@settings(max_examples=100, deadline=None)
def test_an_answer_survives(answer, kind):
    response = kind.Response()
    from_answer(answer, SCENE, HEADER, ALL_VIEWS, response)
    assert response.header == HEADER and response.map_id == SCENE.map_id
    back = to_answer(response, SCENE, answer.kind, answer.query)
    for name in ("kind", "query", "space", "present", "revision", "verdict", "read_as",
                 "not_understood", "n_matching", "clarification"):
        assert getattr(back, name) == getattr(answer, name), name
    for mine, theirs in zip(back.matches, answer.matches, strict=True):
        assert_same_match(mine, theirs)
    again = kind.Response()
    from_answer(back, SCENE, HEADER, ALL_VIEWS, again)
    assert [m.thumbnails for m in again.matches] == [m.thumbnails for m in response.matches]


def response_of(match_fields, **fields):
    message = MatchMsg(**{"id": int(SCENE.ids[0]), **match_fields})
    return QueryText.Response(**{
        "matches": [message], "map_id": SCENE.map_id, "revision": SCENE.revision, **fields
    })


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"revision": SCENE.revision + 1}, "about map and revision .* 1"),
        ({"map_id": "0" * 32}, "about map and revision"),
        ({"match": {"id": 77}}, "match of this map, got id 77"),
        ({"match": {"view_similarities": [0.5]}}, "similarity for each thumbnail"),
        ({"match": {"checks": ["red"]}}, "fit for each check"),
        ({"verdict": 9}, "verdict"),
        ({"quaternion": 0.0}, "quaternion"),
        ({"center": float("nan")}, "finite"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(fields, said):
    of = {name: fields[name] for name in ("map_id", "revision", "verdict") if name in fields}
    response = response_of(fields.get("match", {}), **of)
    message = response.matches[0]
    message.box_pose.orientation.w = fields.get("quaternion", 1.0)
    message.centroid.x = fields.get("center", 0.0)
    with pytest.raises(InputError, match=said):
        to_answer(response, SCENE, "text", "mug")
