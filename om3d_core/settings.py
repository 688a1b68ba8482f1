"""Settings: frozen dataclasses whose fields are at once CLI flags and ROS parameters.

A group is a frozen dataclass of :func:`setting` fields; a tree of groups is a frozen dataclass
whose fields are groups. :func:`flatten` and :func:`build` translate between a tree and dotted
names such as ``views.top_k``, so that a default, a description and a range exist once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from om3d_core.errors import SettingsError

T = TypeVar("T")
Value = bool | int | float | str
ALLOWED_TYPES = (bool, int, float, str)


@dataclass(frozen=True)
class Constraint:
    """The description and the allowed values of one setting."""

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def check(self, name: str, kind: type, value: object) -> Value:
        """Return ``value`` as ``kind``, or raise :class:`SettingsError`."""
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not kind or not isinstance(value, ALLOWED_TYPES):
            raise SettingsError(f"{name}: expected {kind.__name__}, got {value!r}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self._check_range(name, value)
        if self.choices and value not in self.choices:
            allowed = ", ".join(self.choices)
            raise SettingsError(f"{name}: expected one of {allowed}, got {value!r}")
        return value

    def _check_range(self, name: str, value: float) -> None:
        if not math.isfinite(value):
            raise SettingsError(f"{name}: expected a finite number, got {value!r}")
        if (self.low is not None and value < self.low) or (
            self.high is not None and value > self.high
        ):
            raise SettingsError(f"{name}: expected {self.low} .. {self.high}, got {value!r}")


def setting(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with a default, a description and a range."""
    constraint = Constraint(description, low, high, choices)
    return dataclasses.field(default=default, metadata={"constraint": constraint})


@dataclass(frozen=True)
class Settings:
    """Base of every group: checks the type and the range of each field."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            constraint = field.metadata.get("constraint")
            if constraint is not None:
                value = constraint.check(field.name, hints[field.name], getattr(self, field.name))
                object.__setattr__(self, field.name, value)


@dataclass(frozen=True)
class FlatSetting:
    """One leaf of a settings tree: dotted name, type, default and constraint."""

    name: str
    kind: type
    default: Value
    constraint: Constraint


def flatten(tree: type[Any], prefix: str = "") -> Iterator[FlatSetting]:
    """Yield every leaf of a settings tree in declaration order."""
    hints = get_type_hints(tree)
    for field in dataclasses.fields(tree):
        name, kind = prefix + field.name, hints[field.name]
        if "constraint" in field.metadata:
            default: Any = field.default
            yield FlatSetting(name, kind, default, field.metadata["constraint"])
        else:
            yield from flatten(kind, name + ".")


def build(tree: type[T], values: Mapping[str, object], prefix: str = "") -> T:
    """Build a settings tree from dotted names; absent names keep their defaults.

    Raises :class:`SettingsError` for an unknown name, a wrong type or a value out of range.
    """
    if not prefix:
        known = {leaf.name for leaf in flatten(tree)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise SettingsError(f"unknown settings: {', '.join(map(str, unknown))}")
    hints = get_type_hints(tree)
    arguments: dict[str, Any] = {}
    for field in dataclasses.fields(tree):  # type: ignore[arg-type]
        name, kind = prefix + field.name, hints[field.name]
        constraint: Constraint | None = field.metadata.get("constraint")
        if constraint is None:
            arguments[field.name] = build(kind, values, name + ".")
        elif name in values:
            arguments[field.name] = constraint.check(name, kind, values[name])
    return tree(**arguments)


def values_of(tree: Any, prefix: str = "") -> dict[str, Value]:
    """The dotted names and values of a settings tree."""
    result: dict[str, Value] = {}
    for field in dataclasses.fields(tree):
        value = getattr(tree, field.name)
        if dataclasses.is_dataclass(value):
            result.update(values_of(value, f"{prefix}{field.name}."))
        else:
            result[prefix + field.name] = value
    return result
