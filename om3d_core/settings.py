"""Settings: frozen dataclasses whose fields are at once CLI flags and ROS parameters.

A group is a frozen dataclass of :func:`setting` fields; a tree of groups is a frozen dataclass
whose fields are groups, or :class:`Groups` where plug-ins decide which groups there are.
:func:`flatten` and :func:`build` translate between a tree and dotted names such as
``views.top_k``, so that a default, a description and a range exist once.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_type_hints

from om3d_core.errors import SettingsError

T = TypeVar("T")
GroupsT = TypeVar("GroupsT", bound="Groups")
Value = bool | int | float | str
ALLOWED_TYPES = (bool, int, float, str)


@dataclass(frozen=True)
class Constraint:
    """The description and the allowed values of one setting.

    choices: may be a registry, which counts as it is when a value is checked. several: the value
    is a list of choices, separated by commas, at least one.
    """

    description: str
    low: float | None = None
    high: float | None = None
    choices: Collection[str] = ()
    several: bool = False

    @property
    def allowed(self) -> str:
        """The choices for people; empty where there are none to choose from."""
        kind = "one or several of" if self.several else "one of"
        return f"{kind} {', '.join(self.choices)}" if self.choices else ""

    def check(self, name: str, kind: type, value: object) -> Value:
        """Return ``value`` as ``kind``, or raise :class:`SettingsError`."""
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not kind or not isinstance(value, ALLOWED_TYPES):
            raise SettingsError(f"{name}: expected {kind.__name__}, got {value!r}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self._check_range(name, value)
        if self.choices:
            chosen = split_names(str(value)) if self.several else (value,)
            if not chosen or any(choice not in self.choices for choice in chosen):
                raise SettingsError(f"{name}: expected {self.allowed}, got {value!r:.200}")
        return value

    def _check_range(self, name: str, value: float) -> None:
        if not math.isfinite(value):
            raise SettingsError(f"{name}: expected a finite number, got {value!r}")
        if (self.low is not None and value < self.low) or (
            self.high is not None and value > self.high
        ):
            raise SettingsError(f"{name}: expected {self.low} .. {self.high}, got {value!r}")


def split_names(text: str) -> tuple[str, ...]:
    """The names of a list that is separated by commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def setting(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Collection[str] = (),
    several: bool = False,
) -> Any:
    """A dataclass field with a default, a description and a range; see :class:`Constraint`."""
    constraint = Constraint(description, low, high, choices, several)
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


class Groups(ABC):
    """Groups by name, of types that are known only when they are asked for. Immutable.

    A subclass says in :meth:`kinds` which there are. Where a tree has a field of this type, the
    groups take the field's place: their names have no prefix. Groups that are not given have
    their defaults; raises :class:`SettingsError` for an unknown name or another type.
    """

    def __init__(self, **groups: Settings):
        kinds = self.kinds()
        for name, group in groups.items():
            if name not in kinds or not isinstance(group, kinds[name]):
                raise SettingsError(f"{name}: expected settings of one of {', '.join(kinds)}, "
                                    f"got {type(group).__name__}")
        self._groups = {name: groups.get(name) or kind() for name, kind in kinds.items()}

    @classmethod
    @abstractmethod
    def kinds(cls) -> Mapping[str, type[Settings]]:
        """The type of each group by name."""

    def __getitem__(self, name: str) -> Settings:
        return self._groups[name]

    def replaced(self: GroupsT, **groups: Settings) -> GroupsT:
        """The same with other groups in place of some."""
        return type(self)(**{**self._groups, **groups})

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(tuple(self._groups.items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._groups})"


@dataclass(frozen=True)
class FlatSetting:
    """One leaf of a settings tree: dotted name, type, default and constraint."""

    name: str
    kind: type
    default: Value
    constraint: Constraint


def flatten(tree: type[Any], prefix: str = "") -> Iterator[FlatSetting]:
    """Yield every leaf of a settings tree in declaration order."""
    for name, kind, field in _branches(tree, prefix):
        if field is None:
            yield from flatten(kind, name)
        else:
            default: Any = field.default
            yield FlatSetting(name, kind, default, field.metadata["constraint"])


def build(tree: type[T], values: Mapping[str, object]) -> T:
    """Build a settings tree from dotted names; absent names keep their defaults.

    Raises :class:`SettingsError` for an unknown name, a wrong type or a value out of range.
    """
    known = {leaf.name for leaf in flatten(tree)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise SettingsError(f"unknown settings: {', '.join(map(str, unknown))}")
    return cast(T, _build(tree, values, ""))


def values_of(tree: Any) -> dict[str, Value]:
    """The dotted names and values of a settings tree."""
    return dict(_values(tree, ""))


def _branches(
    tree: type[Any], prefix: str
) -> Iterator[tuple[str, type[Any], dataclasses.Field[Any] | None]]:
    """Name, type and field of every leaf of a tree; of every group the prefix, type and None."""
    if issubclass(tree, Groups):
        for name, group in tree.kinds().items():
            yield f"{prefix}{name}.", group, None
        return
    hints = get_type_hints(tree)
    for field in dataclasses.fields(tree):
        kind = hints[field.name]
        if "constraint" in field.metadata:
            yield prefix + field.name, kind, field
        else:
            yield prefix if issubclass(kind, Groups) else f"{prefix}{field.name}.", kind, None


def _build(tree: type[Any], values: Mapping[str, object], prefix: str) -> Any:
    names = _names(tree)
    arguments: dict[str, Any] = {}
    for own, (name, kind, field) in zip(names, _branches(tree, prefix), strict=True):
        if field is None:
            arguments[own] = _build(kind, values, name)
        elif name in values:
            constraint: Constraint = field.metadata["constraint"]
            arguments[own] = constraint.check(name, kind, values[name])
    return tree(**arguments)


def _values(tree: Any, prefix: str) -> Iterator[tuple[str, Value]]:
    names = _names(type(tree))
    for own, (name, _, field) in zip(names, _branches(type(tree), prefix), strict=True):
        value: Any = tree[own] if isinstance(tree, Groups) else getattr(tree, own)
        if field is None:
            yield from _values(value, name)
        else:
            yield name, value


def _names(tree: type[Any]) -> list[str]:
    """The names of a tree's own members, in the order of :func:`_branches`."""
    if issubclass(tree, Groups):
        return list(tree.kinds())
    return [field.name for field in dataclasses.fields(tree)]
