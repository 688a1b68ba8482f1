"""Answers as JSON."""

from __future__ import annotations

import json

from helpers.answers import make_answer
from helpers.scenes import make_scene


def test_an_answer_is_plain_json():
    scene = make_scene()
    answer = make_answer(scene, 2, 0, query="a mug", views={7: 0.25, 9: 0.5})
    content = json.loads(json.dumps(answer.to_json()))
    first, second = content.pop("matches")
    assert content == {
        "query": "a mug", "kind": "text", "space": "toy@1", "present": True, "revision": 1,
        "verdict": "unique", "probability": 0.8, "read_as": "", "not_understood": [],
        "n_matching": 0, "clarification": "",
    }
    assert (first["checks"], first["explanation"]) == ([], "")
    assert (first["id"], first["rank"], first["label"], second["id"]) == (7, 1, "chair", 5)
    assert first["box"]["size"] == answer.matches[0].box.size.tolist()
    assert first["views"] == [
        {"stamp_ns": 7, "similarity": 0.25}, {"stamp_ns": 9, "similarity": 0.5}]
    assert second["views"] == []
