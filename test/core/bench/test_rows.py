"""Bars, verdicts, the choice of rows, and their JSON."""

from __future__ import annotations

import json
import math

import pytest

from om3d_core.bench.measures import CORE
from om3d_core.bench.rows import (
    FAIL,
    NOT_RUN,
    PASS,
    SPECS,
    STAGES,
    Bar,
    Check,
    Row,
    chosen,
    counted,
    format_number,
    measured,
    not_run,
)
from om3d_core.errors import InputError, SettingsError

KEYS = {"id", "stage", "what", "value", "unit", "bar", "verdict", "why", "details"}


@pytest.mark.parametrize(
    ("relation", "value", "holds"),
    [(">=", 10.0, True), (">=", 9.99, False), ("<=", 10.0, True), ("<=", 10.01, False),
     (">=", math.nan, False), ("<=", math.nan, False)],
)
def test_a_bar_holds_at_its_limit_and_never_for_nan(relation, value, holds):
    assert Bar(relation, 10.0).holds(value) == holds


@pytest.mark.parametrize("relation", ["<", "=", ""])
def test_a_bar_has_one_of_two_relations(relation):
    with pytest.raises(InputError, match="expected >= or <="):
        Bar(relation, 1.0)


def test_a_row_passes_only_if_all_its_checks_do():
    good, bad = Check("memory", 50, Bar("<=", 60, "MB")), Check("memory", 70, Bar("<=", 60, "MB"))
    assert measured("P2", "times faster", 41, good).verdict == PASS
    row = measured("P2", "times faster", 41, bad)
    assert row.verdict == FAIL and row.reason == "memory: 70 MB (<= 60 MB)"
    row = measured("P2", "times faster", 39, bad, why="a busy machine")
    assert row.verdict == FAIL
    assert row.reason == "times faster: 39 x (>= 40 x); memory: 70 MB (<= 60 MB); a busy machine"


def test_a_row_without_a_number_says_why():
    row = not_run(SPECS[0], "no scene")
    assert (row.verdict, row.value, row.reason) == (NOT_RUN, None, "no scene")
    with pytest.raises(InputError, match="why there is none"):
        Row(SPECS[0])


def test_the_rows_are_p1_to_p18_and_each_is_measured_by_somebody():
    assert [spec.id for spec in SPECS] == [f"P{n}" for n in range(1, 19)]
    assert set(CORE) == {spec.id for spec in SPECS if not spec.needs_nodes}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_json_has_the_same_keys_with_and_without_a_number(spec):
    rows = not_run(spec, "why"), measured(spec.id, "it", spec.bar.limit, frames=3)
    texts = [json.loads(json.dumps(row.to_json(), allow_nan=False)) for row in rows]
    assert [set(text) for text in texts] == [KEYS, KEYS]
    assert [text["value"] for text in texts] == [None, spec.bar.limit]
    assert [text["verdict"] for text in texts] == [NOT_RUN, PASS]
    assert texts[1]["details"]["frames"] == 3
    assert texts[1]["details"]["checks"][0]["bar"] == texts[0]["bar"] == str(spec.bar)


def test_a_number_that_is_none_is_refused_in_json():
    with pytest.raises(InputError, match="finite"):
        measured("P1", "times faster", math.nan).to_json()


def test_rows_are_chosen_by_id_and_by_stage_in_their_own_order():
    assert chosen("") == SPECS
    assert [s.id for s in chosen("P9, P1")] == ["P1", "P9"]
    assert [s.id for s in chosen("views,P9,P1")] == ["P1", "P2", "P9"]
    assert [s.id for stage in STAGES for s in chosen(stage)] != []
    assert sum(len(chosen(stage)) for stage in STAGES) == len(SPECS)


@pytest.mark.parametrize("only", ["P19", "P1,p2", "view", ",", "P1;P2"])
def test_what_is_no_row_is_refused_with_what_there_is(only):
    with pytest.raises(SettingsError, match="P1 to P18 or stages views, crops") as caught:
        chosen(only)
    assert caught.value.args[0].startswith("--only: ")


def test_verdicts_are_counted():
    rows = [not_run(SPECS[0], "x"), measured("P3", "it", 1), measured("P3", "it", 2)]
    assert counted(rows) == {PASS: 1, FAIL: 1, NOT_RUN: 1}


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (41.08, "41.1"), (0.916, "0.916"), (12345.6, "12346")]
)
def test_numbers_for_people(value, text):
    assert format_number(value) == text
