"""The rooms of the code, and who imports whom: what test_imports.py checks, and how it is drawn.

``python test/helpers/room_imports.py`` writes the picture into docs/architecture.md.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURE_FILE = ROOT / "docs" / "architecture.md"
PICTURE_COMMAND = "python test/helpers/room_imports.py"
PICTURE_WIDTH = 99
PACKAGES = ("om3d_core", "om3d_ros")

# A room may import what stands above it here or beside it, nothing below. TOP: the files at the
# top of om3d_core but cli, which names the commands; NODES: the files at the top of om3d_ros.
TOP, CLI, NODES = "top files", "cli", "ros/nodes"
TOP_FILES = ("cli", "errors", "files", "presets", "progress", "registry", "settings")
LEVELS = (
    ("data", TOP),
    ("formats", "models", "streams", "sparse"),
    ("sources", "encoders", "segmenters", "proposals", "evidence"),
    ("mapping", "query", "navigation"),
    ("pictures", "synthetic", "evaluation", "training", "doctor", "edits", "viewer", "agents"),
    ("export", "bench", "batch"),
    ("commands",),
    ("ros/conversions", "ros/node"),
    (NODES,),
    ("ros/replay",),
    ("ros/bench",),
    ("ros/commands",),
    (CLI,),
)
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

LONG_FILE, LONGEST_FILE = 330, 350  # lines

_MODULE_NAME = re.compile(r"(?:om3d_core|om3d_ros)(?:\.\w+)+(?=:\w+$|$)")
_FENCE = re.compile(r"(?<=```imports\n).*?(?=```)", re.DOTALL)


@dataclass(frozen=True)
class Import:
    """One module that names another; lazy: in a string, as a registry does."""

    source: str
    target: str
    line: int
    lazy: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.line} -> {self.target}"


def modules(root: Path = ROOT) -> dict[str, Path]:
    """The file of every module of the packages below ``root``, by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(module: str, path: Path) -> str:
    """The room of a module: its folder below the package, or one of the rooms of single files."""
    package, *inside = module.split(".")
    is_folder = len(inside) > 1 or (len(inside) == 1 and path.stem == "__init__")
    if package == "om3d_ros":
        return f"ros/{inside[0]}" if is_folder else NODES
    if is_folder:
        return inside[0]
    return CLI if inside == [CLI] else TOP


def imports(files: dict[str, Path]) -> list[Import]:
    """Every import among the modules ``files``, wherever in a file it stands."""
    found = (entry for name, path in files.items() for entry in _imports_of(name, path, files))
    return list(dict.fromkeys(found))


def arrows(files: dict[str, Path]) -> dict[tuple[str, str], list[Import]]:
    """The imports between two different rooms."""
    rooms = {name: room_of(name, path) for name, path in files.items()}
    found: dict[tuple[str, str], list[Import]] = {}
    for entry in imports(files):
        pair = rooms[entry.source], rooms[entry.target]
        if pair[0] != pair[1]:
            found.setdefault(pair, []).append(entry)
    return found


def backward(pairs: dict[tuple[str, str], list[Import]]) -> list[str]:
    """The imports that run back up, as lines that name both rooms."""
    return [
        f"{source} imports {target}: {entry}"
        for (source, target), entries in sorted(pairs.items())
        if LEVEL_OF[target] > LEVEL_OF[source]
        for entry in entries
    ]


def circles(pairs: set[tuple[str, str]]) -> list[list[str]]:
    """The groups of names that can all reach each other, each sorted; none without a circle."""
    after: dict[str, set[str]] = {}
    for source, target in pairs:
        after.setdefault(source, set()).add(target)
    reach = {name: _reachable(name, after) for name in after}
    groups = {
        tuple(sorted(other for other in reach[name] if name in reach.get(other, ())))
        for name in after
    }
    return [list(group) for group in sorted(groups) if group]


def picture(files: dict[str, Path]) -> str:
    """A line for each room: what it imports; the rooms in the order of their levels."""
    pairs = arrows(files)
    existing = {room_of(name, path) for name, path in files.items()}
    lines = []
    for rooms in LEVELS:
        shown = [room for room in rooms if room in existing and room != TOP]
        for room in shown:
            targets = sorted(
                (target for source, target in pairs if source == room and target != TOP),
                key=lambda target: (LEVEL_OF[target], target),
            )
            line = f"{room:<16}{' '.join(targets) or '-'}"
            lines.append(textwrap.fill(line, PICTURE_WIDTH, subsequent_indent=" " * 16) + "\n")
        if shown:
            lines.append("\n")
    return "".join(lines[:-1])


def drawn(text: str) -> str:
    """The picture as it stands in the text of docs/architecture.md."""
    (block,) = _FENCE.findall(text)
    return block


def _reachable(start: str, after: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for target in after.get(todo.pop(), set()) - seen:
            seen.add(target)
            todo.append(target)
    return seen


def _imports_of(name: str, path: Path, files: dict[str, Path]) -> Iterator[Import]:
    package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            targets = [
                inner if (inner := f"{base}.{alias.name}") in files else base
                for alias in node.names
            ]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = _MODULE_NAME.match(node.value)
            targets = [match.group()] if match else []
        lazy = isinstance(node, ast.Constant)
        for target in targets:
            if target in files and target != name:
                yield Import(name, target, getattr(node, "lineno", 0), lazy)


if __name__ == "__main__":
    page = PICTURE_FILE.read_text(encoding="utf-8")
    PICTURE_FILE.write_text(_FENCE.sub(lambda _: picture(modules()), page), encoding="utf-8")
    print(f"{PICTURE_FILE} holds who imports whom")
