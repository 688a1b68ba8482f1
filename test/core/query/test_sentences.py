"""Questions of several parts to a room whose things and places are known."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.errors import EmptyMapError, InputError
from om3d_core.query.relations import Viewpoint
from om3d_core.query.scene_query import SceneQuery
from om3d_core.query.settings import QuerySettings

NOUNS = ("chair", "table", "mug", "book", "cabinet", "microwave", "plant")
SPACE = FeatureSpace("nouns@1", len(NOUNS) + 1, text=True, image=False)
PICTURES = FeatureSpace("noun-pictures@1", len(NOUNS) + 1, text=False, image=True)
RED, BLUE, BROWN, WHITE = (190, 30, 30), (30, 60, 170), (110, 65, 35), (245, 245, 245)
ROOM = {
    1: ("", (0, 0, -0.05), (8, 8, 0.1), BROWN),
    2: ("", (0, 4, 1.25), (8, 0.1, 2.5), WHITE),
    3: ("table", (0, 0, 0.4), (2, 1, 0.8), BROWN),
    4: ("chair", (1.5, 0, 0.45), (0.5, 0.5, 0.9), RED),
    5: ("chair", (-3, 2, 0.5), (0.6, 0.6, 1.0), BLUE),
    6: ("mug", (0.3, 0.2, 0.85), (0.1, 0.1, 0.1), WHITE),
    7: ("book", (-0.5, 0, 0.83), (0.2, 0.3, 0.06), BLUE),
    8: ("cabinet", (-1, -3.5, 0.5), (1, 0.6, 1.0), WHITE),
    9: ("microwave", (-1, -3.5, 1.15), (0.5, 0.4, 0.3), WHITE),
    10: ("plant", (3, 3, 0.5), (0.5, 0.5, 1.0), (40, 140, 50)),
    11: ("mug", (-3, 3.2, 0.05), (0.1, 0.1, 0.1), RED),
}
ROBOT = Viewpoint(np.array([0.0, -2.0, 1.0]), np.array([0.0, 1.0, 0.0]))


class NounEncoder:
    """A text or picture is the noun that its last word, or its brightness, stands for."""

    spaces = (SPACE, PICTURES)

    def encode_texts(self, texts):
        return {SPACE.name: np.array([noun_vector(text.split()[-1]) for text in texts])}

    def encode_images(self, crops):
        return {PICTURES.name: np.array([noun_vector(NOUNS[int(c[0, 0, 0])]) for c in crops])}


def noun_vector(noun):
    row = np.full(len(NOUNS) + 1, 0.05, np.float32)
    row[NOUNS.index(noun) if noun in NOUNS else -1] = 1
    return row / np.linalg.norm(row)


@pytest.fixture(scope="module")
def room():
    rng = np.random.default_rng(0)
    points, colors, members, n = [], [], [], 0
    for _, center, size, color in ROOM.values():
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        some = np.concatenate([corners, rng.uniform(-1, 1, (200, 3))])
        points.append(np.array(center) + some * np.array(size) / 2)
        colors.append(np.tile(np.array(color, np.uint8), (len(some), 1)))
        members.append(np.arange(n, n := n + len(some)))
    cloud = Cloud(np.concatenate(points).astype(np.float32), np.concatenate(colors),
                  np.zeros((n, 3), np.float32))  # fmt: skip
    names = [name for name, *_ in ROOM.values()]
    structure = [not name for name in names]
    masks = InstanceMasks.from_lists(members, n, np.ones(len(ROOM)), structure)
    vectors = np.stack([noun_vector(name) for name in names])[:, None]
    valid = np.array([[not s] for s in structure])
    tables = tuple(
        FeatureTable(space, np.where(valid[..., None], vectors, np.float32(0)), valid,
                     valid.astype(np.float32)) for space in (SPACE, PICTURES)
    )  # fmt: skip
    views = ViewTable(np.where(valid, 5, -1).astype(np.int64), valid.astype(np.int32),
                      np.zeros((len(ROOM), 1, 4), np.int32))  # fmt: skip
    return Scene(1, cloud, masks, np.array(list(ROOM)), np.array([0.0, 0.0, 1.0]), views, tables,
                 ((),) * len(ROOM), ("",) * len(ROOM))  # fmt: skip


@pytest.fixture(scope="module")
def ask(room):
    query = SceneQuery(room, NounEncoder(), QuerySettings(present_threshold=0.45))
    return lambda text, **options: query.text(text, viewpoint=ROBOT, **options)


FOUND = [
    ("the chair next to the table", [4]), ("chair left of the table", [5]),
    ("the mug on the table", [6]), ("the mug on the floor", [11]),
    ("the mug that is not on the table", [11]), ("the red chair", [4]), ("the blue chair", [5]),
    ("a chair that is not red", [5]), ("the white mug", [6]), ("chair but not the red chair", [5]),
    ("a chair, not the blue one", [4]), ("the largest chair", [5]), ("the nearest chair", [4]),
    ("the chair nearest to the plant", [4]), ("the chair farthest from the plant", [5]),
    ("the microwave on the cabinet", [9]), ("the cabinet under the microwave", [8]),
    ("the blue thing on the table", [7]), ("the floor", [1]), ("the wall", [2]),
    ("the table between the chairs", [3]), ("all the chairs", [4, 5]),
    ("chairs and mugs", [4, 5, 6, 11]), ("how many mugs are there", [6, 11]),
    ("what is on the table", [6, 7]),
    ("the table with a mug on it", [3]), ("the cabinet that the microwave stands on", [8]),
    ("the plant opposite the table", [10]),
    ("the leftmost mug", [11]), ("the table in front of me", [3]), ("the mug near the book", [6]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "ids"), FOUND, ids=lambda value: str(value)[:40])
def test_the_right_things_are_found(ask, text, ids):
    answer = ask(text)
    assert answer.present and answer.verdict == "unique", answer.matches[0].explanation
    assert sorted(m.instance_id for m in answer.matches if m.present)[: len(ids)] == ids
    assert answer.matches[0].instance_id in ids
    assert answer.n_matching == len(ids)


ABSENT = ["the green chair", "the mug under the table", "the plant on the table",
          "the chair next to the guitar", "the microwave left of the plant in the cabinet",
          "the ceiling", "the red table"]  # fmt: skip


@pytest.mark.parametrize("text", ABSENT)
def test_what_is_not_there_is_absent(ask, text):
    answer = ask(text)
    assert (answer.verdict, answer.present, answer.n_matching) == ("absent", False, 0)


def test_not_a_chair_is_no_chair(ask):
    answer = ask("not a chair", top_k=20)
    order = [m.instance_id for m in answer.matches]
    assert set(order[-2:]) == {4, 5}
    assert answer.verdict == "ambiguous"


def test_an_ambiguous_answer_asks_what_tells_its_rivals_apart(ask):
    answer = ask("chair")
    assert (answer.verdict, answer.n_matching) == ("ambiguous", 2)
    assert answer.clarification in {
        "Do you mean the red chair (#4) or the blue chair (#5)?",
        "Do you mean the blue chair (#5) or the red chair (#4)?",
    }


@pytest.mark.parametrize("text", ["microwve", "der Stuhl", "椅子", "the chiar near the table",
                                  "the mug on the glorp"])  # fmt: skip
def test_unknown_words_are_below_every_real_match(ask, text):
    answer = ask(text)
    assert (answer.verdict, answer.present) == ("not_understood", False)
    assert answer.not_understood
    assert answer.probability < 0.5 < ask("microwave").probability


def test_what_is_not_understood_is_never_present(room):
    query = SceneQuery(room, NounEncoder(), QuerySettings(present_threshold=0.0))
    mug = np.full((4, 4, 3), NOUNS.index("mug"), np.uint8)
    for answer in (query.text("microwve"), query.image(mug, text="the mgu")):
        assert (answer.verdict, answer.present, answer.n_matching) == ("not_understood", False, 0)
        assert not any(match.present for match in answer.matches)
        assert answer.probability <= 0.4


def test_the_nearest_word_is_told_and_searched(ask):
    answer = ask("microwve")
    assert answer.not_understood == ("microwve (microwave?)",)
    assert answer.matches[0].instance_id == 9


def test_parts_that_are_not_understood_are_told(ask):
    answer = ask("the red chair in the kitchen without a cushion")
    assert answer.matches[0].instance_id == 4 and answer.verdict == "unique"
    assert answer.not_understood == ("in the kitchen", "without a cushion")


def test_left_of_me_takes_a_direction_of_view(room):
    query = SceneQuery(room, NounEncoder())
    here = Viewpoint(np.zeros(3))
    answer = query.text("the chair to my left", viewpoint=here)
    assert answer.not_understood == ("to my left",)
    looking = Viewpoint(np.zeros(3), np.array([1.0, 0.0, 0.0]))
    answer = query.text("the chair to my left", viewpoint=looking)
    assert (answer.not_understood, answer.matches[0].instance_id) == ((), 5)


def test_matches_say_what_was_weighed_and_why_the_others_lost(ask):
    first, second = ask("the chair next to the table").matches[:2]
    assert [check.what for check in first.checks] == ["chair", "near table #3"]
    assert first.explanation.startswith("chair 0.") and "near table #3 0." in first.explanation
    assert "behind #4 by near table #3" in second.explanation


def test_a_picture_with_a_text(room):
    query = SceneQuery(room, NounEncoder())
    mug = np.full((4, 4, 3), NOUNS.index("mug"), np.uint8)
    assert query.image(mug).verdict == "ambiguous"
    for text, right in (("on the floor", 11), ("the white mug", 6), ("not on the table", 11)):
        answer = query.image(mug, text=text)
        assert (answer.kind, answer.matches[0].instance_id) == ("image", right)
    assert query.image(mug, text="green").verdict == "absent"


def test_a_plural_has_as_many_matches_as_match_unless_told(ask):
    assert len(ask("chairs").matches) == 2
    one = ask("chairs", top_k=1)
    assert (len(one.matches), one.n_matching) == (1, 2)


def test_without_language_the_text_is_encoded_as_it_is(room):
    seen = []

    class Listening(NounEncoder):
        def encode_texts(self, texts):
            seen.extend(texts)
            return super().encode_texts(texts)

    answer = SceneQuery(room, Listening(), QuerySettings(language=False)).text("not a red chair")
    assert seen == ["not a red chair"]
    assert answer.matches[0].checks == () and answer.not_understood == ()
    seen.clear()
    SceneQuery(room, Listening()).text("Where is the chair?")
    assert seen == ["Where is the chair?"]


def test_boxes_that_are_known_are_not_measured(room, monkeypatch):
    boxes = dict(zip(room.ids.tolist(), room.boxes, strict=True))
    monkeypatch.setattr("om3d_core.query.beliefs.fit_box", None)
    answer = SceneQuery(room, NounEncoder(), boxes=boxes).text("the mug on the table")
    assert answer.matches[0].box is boxes[6]


@pytest.mark.parametrize("text", ["", "?", "x" * 2000])
def test_a_text_that_says_nothing_is_refused(ask, text):
    with pytest.raises(InputError):
        ask(text)


def test_an_empty_map_has_no_answer():
    with pytest.raises(EmptyMapError):
        SceneQuery(Scene.empty(), NounEncoder()).text("the mug on the table")
