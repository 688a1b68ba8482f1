"""Prints config/default.yaml: every parameter of both nodes with its default, commented.

Run ``python3 -m om3d_ros.default_config > config/default.yaml`` after a change of settings.
"""

from __future__ import annotations

import textwrap

from om3d_core.settings import FlatSetting, Value
from om3d_ros.mapper_node import PARAMETERS as MAPPER
from om3d_ros.node.parameters import ParameterSet
from om3d_ros.query_node import PARAMETERS as QUERY

WIDTH = 99
HEADER = """\
# Every parameter of the nodes with its default. Written by `python3 -m om3d_ros.default_config`.
# Copy what you change into a file of your own and pass it as params_file, or to `ros2 param load`.
# In the launch files `mapper` and `query` hold in every namespace. Where a node is started by
# hand they are those outside of any namespace, and `/**/mapper` is that of every namespace.
"""


def default_config() -> str:
    """The text of config/default.yaml."""
    parts = [HEADER]
    for node, parameters in (("mapper", MAPPER), ("query", QUERY)):
        parts.append(f"{node}:\n  ros__parameters:\n")
        parts += _lines(parameters)
    return "".join(parts)


def _lines(parameters: ParameterSet) -> list[str]:
    """Comment and value of each setting; a group opens with its first one.

    What changes at start only is a comment as a whole, or a running node could not load the file.
    """
    lines: list[str] = []
    open_groups: list[str] = []
    for leaf in parameters.leaves():
        *groups, name = leaf.name.split(".")
        for depth, group in enumerate(groups):
            if open_groups[: depth + 1] != groups[: depth + 1]:
                lines.append(f"{_indent(depth)}{group}:\n")
        open_groups = groups
        indent = _indent(len(groups))
        comment = f"{leaf.constraint.description}{_allowed(leaf)}; changes "
        comment += parameters.change(leaf.name)
        lines += [f"{indent}# {row}\n" for row in textwrap.wrap(comment, WIDTH - len(indent) - 2)]
        start_only = "# " if leaf.name in parameters.read_only else ""
        lines.append(f"{indent}{start_only}{name}: {_yaml(leaf.default)}\n")
    return lines


def _indent(depth: int) -> str:
    return "  " * (depth + 2)


def _allowed(leaf: FlatSetting) -> str:
    c = leaf.constraint
    if c.allowed:
        return f"; {c.allowed}"
    if c.low is None and c.high is None:
        return ""
    low, high = ("" if bound is None else f"{bound:g}" for bound in (c.low, c.high))
    return f"; {low} .. {high}"


def _yaml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, float) and "." not in (text := repr(value)):
        return text.replace("e", ".0e")
    return repr(value)


if __name__ == "__main__":
    print(default_config(), end="")
