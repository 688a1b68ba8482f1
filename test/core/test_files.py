"""Files that appear whole or not at all, and JSON of strangers."""
from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from fuzz.probe import Probe
from helpers.bombs import yaml_of_merges
from helpers.bounds import assert_refused
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.errors import InputError
from om3d_core.files import (
    MAX_JSON_VALUES,
    parse_json,
    read_json,
    read_yaml,
    user_path,
    write_atomically,
    write_durably,
)


def test_a_write_replaces_the_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "map.json"
    for content in (b"old", b"", b"new" * 10_000):
        write_atomically(path, content)
        assert path.read_bytes() == content
        assert [p.name for p in tmp_path.iterdir()] == ["map.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("broken", ["fsync", "replace", "chmod"])
def test_a_write_that_fails_or_is_killed_leaves_the_old_file(tmp_path, monkeypatch, broken):
    path = tmp_path / "map.json"
    path.write_bytes(b"old")
    for error in (OSError("disk full"), KeyboardInterrupt()):

        def fail(*_, error=error):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(os, broken, fail)
            with pytest.raises(type(error)):
                write_atomically(path, b"new")
        assert path.read_bytes() == b"old"
        assert [p.name for p in tmp_path.iterdir()] == ["map.json"]


def test_a_folder_that_is_missing_is_an_os_error(tmp_path):
    for write in (write_atomically, write_durably):
        with pytest.raises(FileNotFoundError):
            write(tmp_path / "none" / "a", b"x")
    write_durably(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_tilde_is_the_home_of_the_user_where_there_is_one(monkeypatch):
    monkeypatch.setenv("HOME", "/home/robot")
    assert str(user_path("~/maps")) == "/home/robot/maps"
    assert str(user_path("~no-such-user/maps")) == "~no-such-user/maps"
    assert str(user_path("maps/~")) == "maps/~"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=json_values, encoding=st.sampled_from(["utf-8", "utf-16", "utf-32", "utf-8-sig"]))
@settings(max_examples=60, deadline=None)
def test_json_of_any_encoding_is_read(tmp_path_factory, value, encoding):
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_bytes(json.dumps(value, ensure_ascii=False).encode(encoding, "surrogatepass"))
    assert read_json(path) == value


@given(content=st.binary(max_size=64))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_json_or_a_value_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_bytes(content)
    try:
        read_json(path)
    except ValueError:
        return
    json.loads(content)


def test_json_that_is_too_large_or_nests_too_deeply(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nests too deeply"):
        read_json(path)
    path.write_text("[1, 2, 3]")
    assert read_json(path, max_bytes=9) == [1, 2, 3]
    with pytest.raises(ValueError, match="more than 8 bytes"):
        read_json(path, max_bytes=8)
    with pytest.raises(OSError):
        read_json(tmp_path / "none.json")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32", "utf-8-sig"])
def test_json_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps({"é": [1, 2.5, None]}, ensure_ascii=False).encode(encoding))
    assert read_json(path) == {"é": [1, 2.5, None]}


def test_json_that_would_fill_memory(tmp_path: Path, probe: Probe) -> None:
    lists = write(tmp_path / "l.json", '{"queries": [' + "[]," * 10_000_000 + "[]]}")
    assert_refused(probe, "queries", lists, f"more than {MAX_JSON_VALUES} values")
    with pytest.raises(ValueError, match="nests too deeply"):
        parse_json("[" * 100_000)
    with pytest.raises(ValueError, match="values"):
        parse_json('{"a":1,' * (MAX_JSON_VALUES // 4 + 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (yaml_of_merges(12), "an alias .* in line 2"),
        ("a: &a [1]\nb: *a\n", "an alias .* in line 2"),
        ("a: &a [*a]\n", "an alias .* in line 1"),
        ("a: [" + "1," * 400_000 + "]", "at most 6000 values and lines"),
        ("- " * 3000 + "1", "at most 64|expected YAML"),
        ("[" * 65 + "]" * 65, "at most 64 deep"),
        ("a: !!python/object/apply:os.system ['true']", "expected YAML"),
        ("a: 1\na: 2", "expected YAML"),
        ("? [1, 2]\n: {}\n? {a: 1}\n: 3", "expected YAML"),
    ],
)
def test_yaml_that_is_no_plain_data(
    tmp_path: Path, probe: Probe, text: str, message: str
) -> None:
    path = write(tmp_path / "a.yaml", text)
    with pytest.raises(InputError, match=message):
        read_yaml(path)
    assert_refused(probe, "settings", path, message)


def test_yaml_of_plain_data(tmp_path: Path) -> None:
    text = "a: {b: [1, 2.5, x, true, null]}\n# a comment\nc: |\n  lines\n  of text\nd: '*&'\n"
    assert read_yaml(write(tmp_path / "a.yaml", text)) == {
        "a": {"b": [1, 2.5, "x", True, None]}, "c": "lines\nof text\n", "d": "*&",
    }  # fmt: skip


@pytest.mark.parametrize("reader", ["settings", "queries", "masks", "cloud", "picture"])
def test_what_is_no_regular_file_blocks_nothing(
    tmp_path: Path, probe: Probe, reader: str
) -> None:
    suffix = {"settings": ".yaml", "masks": ".npz", "picture": ".bmp"}.get(reader, ".x")
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        assert_refused(probe, reader, tmp_path / f"{name}{suffix}", "expected|found")
