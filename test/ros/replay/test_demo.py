"""The demo's verdicts: by the instance asked for, where the ground truth is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from helpers.labeled_things import MUG, SHELF, TABLE, TRUTH, of, scene_of, shelf_without_back

from om3d_core.evaluation.query_file import LabeledQuery
from om3d_ros.replay.demo import Question, judge

FRAME, ON_THE_PANEL = shelf_without_back()
SCENE = scene_of(FRAME, of(MUG), of(TABLE, MUG))


def answer(row, failed=False):
    match = SimpleNamespace(index=row, instance_id=50 + row, similarity=1.0, present=True)
    given = SimpleNamespace(matches=(match,), present=True)
    return SimpleNamespace(answer=None if failed else given)


def verdicts(truth, *asked):
    questions = [question for question, _ in asked]
    replayed = SimpleNamespace(scene=SCENE, replies=[given for _, given in asked])
    results = [verdict.result for verdict in judge(questions, replayed, truth)]
    return [None if result is None else result.right for result in results]


def test_a_right_shelf_is_right_though_the_position_lies_on_its_back_panel(tmp_path):
    at = LabeledQuery("a shelf", ON_THE_PANEL[None], 0.06, 3.7)
    named = LabeledQuery("a shelf", ON_THE_PANEL[None], 0.06, 3.7, (SHELF,))
    mug = LabeledQuery("a mug", np.zeros((0, 3)), instances=(MUG,))
    asked = [
        (Question("a shelf", named), answer(0)),
        (Question("something to sit on"), answer(0)),
        (Question("a mug", mug), answer(2)),
        (Question("a mug", mug), answer(1, failed=True)),
        (Question("picture", mug, tmp_path / "picture.png"), answer(1)),
    ]
    assert verdicts(TRUTH, *asked) == [True, None, False, None, True]
    assert verdicts(None, (Question("a shelf", at), answer(0))) == [False]
    assert verdicts(None, (Question("a shelf"), answer(0))) == [None]
