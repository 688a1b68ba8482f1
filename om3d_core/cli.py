"""The ``om3d`` command: each sub-command lives in a module of its own, imported when asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from om3d_core import __version__
from om3d_core.data.text import printable
from om3d_core.errors import CanceledError, Om3dError

# By what a person wants to do, in the order in which it is done.
GROUPS = {
    "try it": {
        "demo": ("om3d_ros.commands.demo", "render, record, replay and ask, in one go"),
    },
    "make a map and ask it": {
        "doctor": ("om3d_core.commands.doctor", "say what is wrong with an input, and the cure"),
        "run": ("om3d_core.commands.run", "build a map from a recorded scene or bag"),
        "query": ("om3d_core.commands.query", "ask a map where something is"),
        "embed": ("om3d_core.commands.embed", "encode a map anew with other encoders"),
        "export": ("om3d_core.commands.export", "write a map for other tools"),
    },
    "record, and play through the nodes": {
        "synth": ("om3d_core.commands.synth", "render a labeled synthetic room"),
        "bag": ("om3d_core.commands.bag", "write a recorded scene as a ROS 2 bag"),
        "convert": ("om3d_core.commands.convert", "write any recording as a folder of images"),
        "replay": ("om3d_ros.commands.replay", "play a bag through the ROS 2 nodes and ask them"),
    },
    "measure": {
        "eval-masks": (
            "om3d_core.commands.eval_masks", "score a map's masks against ground truth"
        ),
        "eval-queries": (
            "om3d_core.commands.eval_queries", "score a map's answers to known queries"
        ),
        "eval-names": (
            "om3d_core.commands.eval_names", "score the names of a map's instances"
        ),
        "eval-verdicts": (
            "om3d_core.commands.eval_verdicts", "hold probabilities of answers against the truth"
        ),
        "paper-tables": (
            "om3d_core.commands.paper_tables", "make the OpenMask3D++ paper's tables"
        ),
        "bench": ("om3d_core.commands.bench", "measure speed, memory and answers against bars"),
    },
    "get and train networks": {
        "models": ("om3d_core.commands.models", "list, fetch and check the networks"),
        "train-proposals": (
            "om3d_core.commands.train_proposals", "fine-tune Mask3D without classes"
        ),
    },
}  # fmt: skip
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}
# Commands that do more where the nodes can be imported.
WITH_NODES = {
    "bench": "om3d_ros.commands.bench", "doctor": "om3d_ros.commands.doctor",
}  # fmt: skip
EXIT_ERROR, EXIT_INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command; return the exit status. Errors are one line on stderr."""
    try:
        status = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    return status


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in {"-h", "--help"}:
        print(_usage())
        return 0
    if name == "--version":
        print(f"om3d {__version__}")
        return 0
    if name not in COMMANDS:
        return _fail(f"unknown command {name!r}\n\n{_usage()}")
    try:
        return _command(name)(arguments[1:])
    except (KeyboardInterrupt, CanceledError):
        print("om3d: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except (Om3dError, OSError) as error:
        return _fail(str(error))
    except ImportError as error:
        if not _interrupted(error):
            raise
        print("om3d: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: compiled modules turn it into one of their own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _command(name: str) -> Callable[[Sequence[str]], int]:
    module = COMMANDS[name][0]
    if name in WITH_NODES:
        with suppress(ModuleNotFoundError):
            richer: Callable[[Sequence[str]], int] = importlib.import_module(
                WITH_NODES[name]
            ).main
            return richer
    try:
        command: Callable[[Sequence[str]], int] = importlib.import_module(module).main
    except ModuleNotFoundError as error:
        raise Om3dError(
            f"{name} needs the Python module {error.name!r}, which is not installed here"
            + (": source a ROS 2 workspace with om3d" if module.startswith("om3d_ros") else "")
        ) from error
    return command


def _usage() -> str:
    lines = ["usage: om3d COMMAND [options]; om3d COMMAND --help says more"]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {name:<17}{text}" for name, (_, text) in commands.items()]
    return "\n".join([*lines, "", "om3d --version says which one this is"])


def _fail(message: str) -> int:
    print(printable(f"om3d: error: {message}"), file=sys.stderr)
    return EXIT_ERROR


if __name__ == "__main__":
    sys.exit(main())
