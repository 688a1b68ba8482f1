"""ROS parameters of a node, made from settings trees: declare, validate, apply.

A setting is changed at run time only if its name is among those the node can apply while it is
configured; any other is refused until the node is unconfigured again. To set a value again that a
parameter has already is no change. Validation has no side effects, application happens after the
set.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)

from om3d_core.errors import SettingsError
from om3d_core.settings import FlatSetting, Value, build, flatten

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.parameter import Parameter

T = TypeVar("T")
FLOAT_LIMIT, INT_LIMIT = 1.7e308, 2**63 - 1


@dataclass(frozen=True)
class ParameterSet:
    """The settings trees of one node and which of their names can change when.

    live: applied at once, also while the node is configured. read_only: only at start.
    """

    trees: tuple[type[Any], ...]
    live: frozenset[str]
    read_only: frozenset[str]

    def __post_init__(self) -> None:
        names = [leaf.name for leaf in self.leaves()]
        repeated = {name for name in names if names.count(name) > 1}
        unknown = (self.live | self.read_only) - set(names)
        if repeated or unknown:
            raise SettingsError(f"parameters declared twice {repeated} or unknown {unknown}")

    def leaves(self) -> list[FlatSetting]:
        """Every setting, in declaration order."""
        return [leaf for tree in self.trees for leaf in flatten(tree)]

    def change(self, name: str) -> str:
        """When ``name`` may change, for people."""
        if name in self.read_only:
            return "at start only"
        return "at any time" if name in self.live else "while unconfigured"


class NodeParameters:
    """The parameters of ``node``, declared from a :class:`ParameterSet`.

    Raises :class:`SettingsError` for a start-up value that is out of range.
    """

    def __init__(
        self,
        node: Node,
        parameters: ParameterSet,
        is_configured: Callable[[], bool],
        apply: Callable[[Collection[str]], None],
    ):
        self._parameters = parameters
        self._is_configured = is_configured
        self._apply = apply
        self._leaves = {leaf.name: leaf for leaf in parameters.leaves()}
        self._values: dict[str, Value] = {}
        for leaf in self._leaves.values():
            descriptor = describe(leaf, parameters)
            declared = node.declare_parameter(leaf.name, leaf.default, descriptor)
            self._values[leaf.name] = _checked(leaf, declared.value)
        self._build_all(self._values)
        node.add_on_set_parameters_callback(self._validate)
        node.add_post_set_parameters_callback(self._after_set)

    def get(self, tree: type[T]) -> T:
        """The current values as an instance of one of the trees."""
        return build(tree, {leaf.name: self._values[leaf.name] for leaf in flatten(tree)})

    def _validate(self, changes: Sequence[Parameter[Any]]) -> SetParametersResult:
        try:
            self._build_all(self._values | self._checked(changes))
        except SettingsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _after_set(self, changes: Sequence[Parameter[Any]]) -> None:
        mine = {
            p.name: _checked(self._leaves[p.name], p.value)
            for p in changes if p.name in self._leaves
        }
        self._values |= mine
        if applicable := self._parameters.live & set(mine):
            self._apply(applicable)

    def _checked(self, changes: Sequence[Parameter[Any]]) -> dict[str, Value]:
        """The changed values, checked one by one; parameters of others are left alone."""
        checked: dict[str, Value] = {}
        for parameter in changes:
            leaf = self._leaves.get(parameter.name)
            if leaf is None:
                continue
            value = _checked(leaf, parameter.value)
            fixed = self._is_configured() and leaf.name not in self._parameters.live
            if fixed and value != self._values[leaf.name]:
                raise SettingsError(f"{leaf.name} can change only while the node is unconfigured")
            checked[leaf.name] = value
        return checked

    def _build_all(self, values: Mapping[str, Value]) -> None:
        for tree in self._parameters.trees:
            build(tree, {leaf.name: values[leaf.name] for leaf in flatten(tree)})


def _checked(leaf: FlatSetting, value: object) -> Value:
    """A parameter's value as its setting has it: a list of names is one string with commas."""
    if leaf.constraint.several and isinstance(value, (list, tuple)):
        value = ", ".join(map(str, value))
    return leaf.constraint.check(leaf.name, leaf.kind, value)


def changes_among(parameters: Sequence[Parameter[Any]], node: Node) -> list[Parameter[Any]]:
    """Those of ``parameters`` that differ from what ``node`` has, in the types of the node's.

    `ros2 param` guesses types from text: what YAML reads as a number or a switch may be a string
    of the node, and a whole number, or 1e-05, one of its floats.
    """
    changes = []
    for parameter in parameters:
        if not node.has_parameter(parameter.name):
            changes.append(parameter)
            continue
        current = node.get_parameter(parameter.name)
        wanted = _retyped(parameter, current)
        if (wanted.type_, wanted.value) != (current.type_, current.value):
            changes.append(wanted)
    return changes


def _retyped(parameter: Parameter[Any], current: Parameter[Any]) -> Parameter[Any]:
    """``parameter`` in the type of ``current`` if it means such a value, else as it is."""
    kinds, value = type(parameter).Type, parameter.value
    if current.type_ == kinds.DOUBLE and parameter.type_ in {kinds.INTEGER, kinds.STRING}:
        with suppress(ValueError, OverflowError):
            return type(parameter)(parameter.name, kinds.DOUBLE, float(value))
    if current.type_ == kinds.STRING and isinstance(value, (bool, int, float)):
        read = _read_yaml(current.value)
        if type(read) is type(value) and read == value:
            return current
    return parameter


def _read_yaml(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text


def describe(leaf: FlatSetting, parameters: ParameterSet) -> ParameterDescriptor:
    """The descriptor of one setting: description, range, choices and when it may change."""
    constraint = leaf.constraint
    descriptor = ParameterDescriptor(
        name=leaf.name,
        description=f"{constraint.description}; changes {parameters.change(leaf.name)}",
        read_only=leaf.name in parameters.read_only,
        additional_constraints=constraint.allowed,
        dynamic_typing=constraint.several,
    )
    bounded = constraint.low is not None or constraint.high is not None
    if bounded and leaf.kind is float:
        low, high = _bounds(constraint.low, constraint.high, FLOAT_LIMIT)
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)
        ]
    elif bounded and leaf.kind is int:
        low, high = _bounds(constraint.low, constraint.high, INT_LIMIT)
        descriptor.integer_range = [
            IntegerRange(from_value=int(low), to_value=int(high), step=1)
        ]
    return descriptor


def _bounds(low: float | None, high: float | None, limit: float) -> tuple[float, float]:
    return -limit if low is None else low, limit if high is None else high
