"""Settings: one default, one description, one range."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from om3d_core.errors import SettingsError
from om3d_core.settings import Settings, build, flatten, setting, values_of


@dataclass(frozen=True)
class Inner(Settings):
    rate: float = setting(0.5, "a rate", low=0.0, high=1.0)
    mode: str = setting("a", "a mode", choices=("a", "b"))
    on: bool = setting(False, "a switch")


@dataclass(frozen=True)
class Tree:
    inner: Inner = field(default_factory=Inner)


def test_names_are_dotted_and_values_round_trip():
    assert [leaf.name for leaf in flatten(Tree)] == ["inner.rate", "inner.mode", "inner.on"]
    tree = build(Tree, {"inner.rate": 1, "inner.mode": "b"})
    assert tree == Tree(Inner(1.0, "b", False)) and isinstance(tree.inner.rate, float)
    assert build(Tree, values_of(tree)) == tree


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"inner.rate": 1.5}, r"inner\.rate: expected 0\.0 \.\. 1\.0, got 1\.5"),
        ({"inner.rate": float("nan")}, "finite"),
        ({"inner.rate": True}, "expected float, got True"),
        ({"inner.mode": "c"}, "expected one of a, b, got 'c'"),
        ({"inner.on": 1}, "expected bool, got 1"),
        ({"outer.rate": 0.1}, "unknown settings: outer.rate"),
    ],
)
def test_wrong_values_name_the_setting(values, message):
    with pytest.raises(SettingsError, match=message):
        build(Tree, values)


def test_a_group_checks_itself():
    with pytest.raises(SettingsError, match="rate"):
        Inner(rate=-1.0)
