"""What the commands share: progress bars, settings as flags, interrupts."""

from __future__ import annotations

import argparse
import signal
import textwrap
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from om3d_core.data.text import one_line
from om3d_core.errors import SettingsError
from om3d_core.presets import DEFAULT_PRESET, read_preset
from om3d_core.progress import Report
from om3d_core.settings import FlatSetting, build, flatten

T = TypeVar("T")
TRUE, FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@contextmanager
def progress_report(around: str = "") -> Iterator[Report]:
    """A report that draws one bar a stage on stderr; a stage is over when another begins.

    around: the stage that all others are steps of; they begin anew at each of its steps.
    """
    with Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as progress:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            for name, task in tasks.items():
                if name not in {stage, around} and not progress.tasks[task].finished:
                    progress.update(task, completed=progress.tasks[task].total)
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            elif progress.tasks[tasks[stage]].finished and done < total:
                progress.reset(tasks[stage])
            progress.update(tasks[stage], completed=done, total=total)

        yield report
        for task in tasks.values():
            progress.update(task, completed=progress.tasks[task].total)


def plain(text: str) -> Text:
    """Text from outside for a table: shown as it reads, neither markup nor escape sequences."""
    return Text(one_line(text))


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event; the second one raises KeyboardInterrupt."""
    event = threading.Event()

    def handle(signum: int, frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)


class _ShortUsage(argparse.HelpFormatter):
    """Help whose usage leaves out the settings, of which there can be a hundred."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Each line of a text as a paragraph of its own, so that a list stays one."""
        return "\n".join(
            textwrap.fill(line, width, initial_indent=indent, subsequent_indent=f"{indent}  ")
            for line in text.splitlines()
        )

    def add_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], groups: Iterable[Any],
        prefix: str | None = None,
    ) -> None:  # fmt: skip
        settings = [a for a in actions if a.default is argparse.SUPPRESS and a.nargs != 0]
        shown = [action for action in actions if action not in settings]
        super().add_usage(usage, shown, groups, prefix)


def add_out_flag(parser: argparse.ArgumentParser, text: str, default: Path | None = None) -> None:
    """Give ``parser`` the output ``-o/--out``, which every command but those with OUT has.

    It is required without a default; ``text`` says what is written.
    """
    shown = text if default is None else f"{text} (default {default})"
    parser.add_argument(
        "-o", "--out", type=Path, default=default, required=default is None, help=shown
    )


def add_setting_flags(parser: argparse.ArgumentParser, tree: type[Any], prefix: str = "") -> None:
    """Give ``parser`` one flag for every leaf of a settings tree, such as ``--views.top_k``.

    A flag is then known by its whole name only: an abbreviation may be another's tomorrow. A leaf
    that another tree has as well is one flag for both.
    """
    parser.allow_abbrev = False
    parser.formatter_class = _ShortUsage
    group = parser.add_argument_group(f"settings {prefix}".strip(" ."))
    known = {action.dest for action in parser._actions}
    for leaf in flatten(tree):
        if prefix + leaf.name in known:
            continue
        group.add_argument(
            f"--{prefix}{leaf.name}",
            dest=prefix + leaf.name,
            default=argparse.SUPPRESS,
            type=_parser_of(leaf),
            metavar=leaf.kind.__name__.upper(),
            help=_help_of(leaf),
        )


def parse_with_preset(
    parser: argparse.ArgumentParser, argv: Sequence[str], node: str = "mapper"
) -> argparse.Namespace:
    """Parse ``argv``, where ``--preset`` sets the flags that are not given.

    node: whose section of the preset is read. Settings that the command does not have are left
    alone; raises :class:`SettingsError` for an unknown one in a group that it has. The preset
    ``default`` sets nothing: it lists the defaults of the nodes, and a command has its own where
    a recording offers more than a live stream.
    """
    text = "openmask3d, openmask3d_pp, default, or a .yaml file in the layout of ROS parameters"
    parser.add_argument("--preset", metavar="NAME|FILE", help=f"{text}; flags win over it")
    early = argparse.ArgumentParser(parser.prog, add_help=False, allow_abbrev=False)
    early.add_argument("--preset")
    name = early.parse_known_args(argv)[0].preset
    given = argparse.Namespace()
    if name is not None and name != DEFAULT_PRESET:
        flags = {action.dest for action in parser._actions}
        groups = {flag.partition(".")[0] for flag in flags if "." in flag}
        values = read_preset(name, node)
        unknown = sorted(v for v in set(values) - flags if v.partition(".")[0] in groups)
        if unknown:
            raise SettingsError(f"preset {name}: unknown settings: {', '.join(unknown)}")
        vars(given).update({flag: values[flag] for flag in flags & set(values)})
    return parser.parse_args(argv, given)


def settings_from(args: argparse.Namespace, tree: type[T], prefix: str = "") -> T:
    """The settings tree that the flags of :func:`add_setting_flags` describe."""
    names = [leaf.name for leaf in flatten(tree)]
    given = {name: getattr(args, prefix + name) for name in names if hasattr(args, prefix + name)}
    return build(tree, given)


def flags_of(
    parser: argparse.ArgumentParser, args: argparse.Namespace, without: Collection[str] = ()
) -> list[str]:
    """The flags that give ``args`` again, but for arguments by place and those ``without``."""
    flags: list[str] = []
    for action in parser._actions:
        value = getattr(args, action.dest, action.default)
        if not action.option_strings or action.dest in without or value == action.default:
            continue
        flag = action.option_strings[-1]
        if isinstance(action, argparse._StoreTrueAction):
            flags.append(flag)
        elif isinstance(value, list):
            flags += [flag, *map(str, value)]
        else:
            flags.append(f"{flag}={value}")
    return flags


def _parser_of(leaf: FlatSetting) -> Any:
    return _parse_bool if leaf.kind is bool else leaf.kind


def _parse_bool(text: str) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
    return text.lower() in TRUE


def _help_of(leaf: FlatSetting) -> str:
    c = leaf.constraint
    allowed = ""
    if c.allowed:
        allowed = f"; {c.allowed}"
    elif c.low is not None or c.high is not None:
        allowed = f"; {c.low} .. {c.high}"
    return f"{c.description} (default {leaf.default}{allowed})".replace("%", "%%")
