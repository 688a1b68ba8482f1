"""Who imports whom: down only, in no circle, and as docs/architecture.md draws it."""

from __future__ import annotations

import pytest
from helpers.room_imports import (
    CLI,
    LEVEL_OF,
    LONG_FILE,
    LONGEST_FILE,
    PICTURE_COMMAND,
    PICTURE_FILE,
    ROOT,
    TOP,
    TOP_FILES,
    arrows,
    backward,
    circles,
    drawn,
    imports,
    modules,
    picture,
    room_of,
)


@pytest.fixture(scope="module")
def files():
    return modules()


@pytest.fixture
def tree(tmp_path):
    """Writes files below a folder and returns their modules."""

    def write(texts):
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return modules(tmp_path)

    return write


def test_every_room_has_a_level(files):
    rooms = {room_of(name, path) for name, path in files.items()}
    assert rooms <= set(LEVEL_OF), "declare it in LEVELS of test/helpers/room_imports.py"


def test_no_import_runs_back_up(files):
    assert backward(arrows(files)) == []


def test_no_circle_of_rooms(files):
    assert circles(set(arrows(files))) == []


def test_no_circle_of_modules(files):
    """But for the names in a registry, which a module of its own room reads."""
    pairs = {(entry.source, entry.target) for entry in imports(files) if not entry.lazy}
    assert circles(pairs) == []


def test_what_stands_at_the_top_of_the_core(files):
    folder = ROOT / "om3d_core"
    found = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert found == set(TOP_FILES)
    others = {path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}
    assert others == {"py.typed"}


def test_no_file_is_long(files):
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for path in files.values()
    }
    long = {name: count for name, count in lines.items() if count > LONG_FILE}
    for name, count in sorted(long.items()):
        print(f"{name}: {count} lines, soon too long")
    assert not {name: count for name, count in long.items() if count > LONGEST_FILE}


def test_the_architecture_page_draws_the_imports(files):
    assert drawn(PICTURE_FILE.read_text()) == picture(files), f"run: {PICTURE_COMMAND}"


@pytest.mark.parametrize(
    "text",
    [
        "import om3d_core.mapping.mapper",
        "from om3d_core.mapping import mapper",
        "from om3d_core.mapping.mapper import Mapper",
        "from ..mapping.mapper import Mapper",
        "def late():\n    from om3d_core.mapping.mapper import Mapper",
        "if TYPE_CHECKING:\n    from om3d_core.mapping.mapper import Mapper",
        "REGISTRY = {'x': 'om3d_core.mapping.mapper:Mapper'}",
        "importlib.import_module('om3d_core.mapping.mapper')",
    ],
)
def test_an_import_that_runs_back_up_is_found(tree, text):
    files = tree({
        "om3d_core/__init__.py": "", "om3d_core/mapping/__init__.py": "",
        "om3d_core/mapping/mapper.py": "from om3d_core.data import cloud",
        "om3d_core/data/__init__.py": "", "om3d_core/data/cloud.py": text,
    })
    (line,) = backward(arrows(files))
    assert line.startswith("data imports mapping: om3d_core.data.cloud:")
    assert line.endswith("-> om3d_core.mapping.mapper")
    assert circles(set(arrows(files))) == [["data", "mapping"]]


def test_the_core_may_not_import_the_nodes(tree):
    files = tree({
        "om3d_core/query/scene_query.py": "import om3d_ros.node.qos",
        "om3d_core/cli.py": "COMMANDS = {'demo': 'om3d_ros.commands.demo'}",
        "om3d_core/files.py": "from om3d_core import cli",
        "om3d_ros/node/qos.py": "", "om3d_ros/commands/demo.py": "",
    })
    found = backward(arrows(files))
    assert [line.split(":")[0] for line in found] == [
        "query imports ros/node", f"{TOP} imports {CLI}"
    ]


def test_a_circle_of_modules_is_found_through_a_third(tree):
    files = tree({
        "om3d_core/data/a.py": "from om3d_core.data.b import x",
        "om3d_core/data/b.py": "def f():\n    from om3d_core.data import c",
        "om3d_core/data/c.py": "import om3d_core.data.a",
        "om3d_core/data/d.py": "import om3d_core.data.a",
    })
    pairs = {(entry.source, entry.target) for entry in imports(files)}
    assert circles(pairs) == [["om3d_core.data.a", "om3d_core.data.b", "om3d_core.data.c"]]


def test_words_that_look_like_a_module_are_no_import(tree):
    files = tree({
        "om3d_core/data/a.py": "TEXT = 'om3d_core.mapping.mapper is told of it'",
        "om3d_core/mapping/mapper.py": "",
    })
    assert imports(files) == []
