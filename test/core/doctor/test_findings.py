"""Findings for people, programs and nodes."""

from __future__ import annotations

import pytest

from om3d_core.doctor.findings import Examination, Finding


@pytest.mark.parametrize(
    ("flag", "parameter"),
    [
        ("--sync.slop_s 0.04", "sync.slop_s:=0.04"),
        ("--depth.units_per_m", "depth.units_per_m"),
        ("-r depth/image_raw:=/depth", "-r depth/image_raw:=/depth"),
        ("--a.b 1 --c.d x", "a.b:=1 c.d:=x"),
        ("", ""),
    ],
)
def test_a_flag_as_a_parameter(flag, parameter):
    assert Finding("kind", "said", "evidence", flag=flag).for_node().flag == parameter


def test_a_finding_in_one_line():
    assert str(Finding("a", "b", "c")) == "a: b: c"
    assert str(Finding("a", "b", "c", "d", "--e 1")) == "a: b: c; cure: d (--e 1)"


def test_examinations_add_up():
    both = Examination((Finding("a", "b", "c"),), ("x",)) + Examination(told=("y",))
    assert both.as_dict()["told"] == ["x", "y"] and len(both.findings) == 1
