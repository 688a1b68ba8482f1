"""Query files: what is read, what is refused, and the ground truth that they name."""

from __future__ import annotations

import json

import numpy as np
import pytest

from om3d_core.errors import SourceError
from om3d_core.evaluation.query_file import (
    LabeledQuery,
    queries_to_json,
    read_queries,
    truth_of,
)


def write(folder, content):
    path = folder / "queries.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


GOOD = {"text": "a mug", "positions": [[0, 0, 1]], "radius": 0.06, "max_extent": 0.35}


def test_read_queries(tmp_path):
    path = write(tmp_path, {
        "scene": "s", "note": 1,
        "queries": [{**GOOD, "hint": "x"}, {"text": "a bicycle", "absent": True}],
    })
    mug, bicycle = read_queries(path)
    assert (mug.text, mug.radius_m, mug.max_extent_m) == ("a mug", 0.06, 0.35)
    assert mug.positions.tolist() == [[0, 0, 1]]
    assert not mug.absent
    assert bicycle.absent


def test_instances_stand_alone_or_beside_positions(tmp_path):
    alone = {"text": "a mug", "instances": [4, 7]}
    only, both, neither = read_queries(
        write(tmp_path, {"queries": [alone, {**GOOD, "instances": [2]}, GOOD]})
    )
    assert (only.instances, only.positions.shape, only.absent) == ((4, 7), (0, 3), False)
    assert (both.instances, both.radius_m, both.max_extent_m) == ((2,), 0.06, 0.35)
    assert neither.instances == ()


def test_queries_round_trip(tmp_path):
    entries = [
        GOOD, {"text": "a bicycle", "absent": True}, {"text": "a cup", "instances": [3]},
        {"text": "a mug", "instances": [2, 5], **{k: GOOD[k] for k in GOOD if k != "text"}},
    ]
    queries = read_queries(write(tmp_path, {"queries": entries}))
    assert queries_to_json(queries) == entries


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        "\x00",
        {"queries": []},
        {"queries": {}},
        {"query": [GOOD]},
        *(
            {"queries": [GOOD, entry]}
            for entry in (
                "a mug",
                None,
                {"positions": [[0, 0, 0]], "radius": 1, "max_extent": 1},
                {**GOOD, "text": "  "},
                {**GOOD, "text": 3},
                {**GOOD, "positions": []},
                {**GOOD, "positions": [[0, 0]]},
                {**GOOD, "positions": [0, 0, 0]},
                {**GOOD, "positions": [["a", 0, 0]]},
                {**GOOD, "positions": [[0, 0, 0], [0, 0]]},
                {**GOOD, "positions": [[0, 0, float("nan")]]},
                {**GOOD, "positions": None},
                {**GOOD, "radius": 0},
                {**GOOD, "radius": -1},
                {**GOOD, "radius": True},
                {**GOOD, "radius": "1"},
                {**GOOD, "radius": float("inf")},
                {**GOOD, "max_extent": None},
                {**GOOD, "absent": "yes"},
                {**GOOD, "absent": True},
                {"text": "a mug", "instances": [1], "absent": True},
                {"text": "a mug", "instances": []},
                {"text": "a mug", "instances": 3},
                {"text": "a mug", "instances": None},
                {"text": "a mug", "instances": [-1]},
                {"text": "a mug", "instances": [True]},
                {"text": "a mug", "instances": ["3"]},
                {"text": "a mug", "instances": [1.0]},
                {**GOOD, "instances": []},
                {**GOOD, "instances": [1], "positions": [[0, 0]]},
            )
        ),
    ],
    ids=lambda content: repr(content)[:60],
)
def test_malformed_files_are_refused(tmp_path, content):
    with pytest.raises(SourceError, match=r"queries\.json"):
        read_queries(write(tmp_path, content))


def test_the_error_names_the_query(tmp_path):
    path = write(tmp_path, {"queries": [GOOD, {**GOOD, "radius": 0}]})
    with pytest.raises(SourceError, match="query 1: radius: expected a positive length"):
        read_queries(path)


def test_missing_file_and_binary_file(tmp_path):
    with pytest.raises(SourceError):
        read_queries(tmp_path / "nothing.json")
    (tmp_path / "queries.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError):
        read_queries(tmp_path / "queries.json")


def test_the_truth_is_read_where_instances_are_named(tmp_path):
    at = LabeledQuery("mug", np.zeros((1, 3)), 0.1, 0.5)
    named = LabeledQuery("mug", np.zeros((0, 3)), instances=(5,))
    assert truth_of([at], tmp_path) is None
    with pytest.raises(SourceError, match=r"found no scene\.json; .*--ground-truth"):
        truth_of([at, named], tmp_path)
    entry = {"id": 5, "class": "mug", "structure": False}
    (tmp_path / "scene.json").write_text(json.dumps({"instances": [entry]}))
    np.savez(tmp_path / "ground_truth.npz", points=np.zeros((2, 3), np.float32),
             instance=np.array([5, 0]))
    truth = truth_of([at, named], tmp_path)
    assert truth is not None and truth.ids.tolist() == [5] and truth.masks[0].tolist() == [0]
