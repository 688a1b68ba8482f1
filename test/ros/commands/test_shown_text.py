"""What ``om3d replay`` and ``om3d demo`` print of questions, labels and errors from outside."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from helpers.answers import make_answer, make_match
from helpers.scenes import make_scene
from om3d.msg import Error
from om3d.srv import QueryText

from om3d_ros.commands import demo, replay
from om3d_ros.replay.answers import Reply
from om3d_ros.replay.demo import Question, Verdict

STEERING = "\x1b[31m\x9b2J\x07"
SCENE = make_scene()


@pytest.fixture
def replies():
    """An answer and an error to a question that would clear the screen, with markup in it."""
    match = make_match(SCENE, 0, label=f"{STEERING}chair")
    answer = replace(make_answer(SCENE, 0, query=f"{STEERING}a [bold]mug"), matches=(match,))
    failed = QueryText.Response(error_msg=f"{STEERING}no [bold]map", error_code=Error.NO_MAP)
    return (
        Reply(answer.query, "text", QueryText.Response(), answer),
        Reply(answer.query, "text", failed, None),
    )


def check(captured, *shown):
    for text in (captured.out, captured.err):
        assert not any(mark in text for mark in "\x1b\x9b\x07")
    for text in shown:
        assert text in captured.out + captured.err


def test_replay(replies, monkeypatch, tmp_path, capsys):
    done = SimpleNamespace(scene=SCENE, replies=replies, failed=replies[1:])
    monkeypatch.setattr(replay, "replay", lambda *_: done)
    assert replay.main([str(tmp_path / "bag"), "-o", str(tmp_path)]) == 1
    check(capsys.readouterr(), "a [bold]mug", "chair", "no [bold]map")


def test_demo(replies, monkeypatch, tmp_path, capsys):
    verdicts = tuple(Verdict(Question(reply.query), reply, None) for reply in replies)
    done = SimpleNamespace(verdicts=verdicts, replayed=SimpleNamespace(failed=replies[1:]))
    monkeypatch.setattr(demo, "run_demo", lambda *_: done)
    assert demo.main(["-o", str(tmp_path)]) == 1
    check(capsys.readouterr(), "a [bold]mug", "no [bold]map")
