"""No file of the reference folder is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.kinds import kind_of, unknown_files


def test_every_file_has_a_test(fixture_folder: Path) -> None:
    assert unknown_files(fixture_folder) == []


@pytest.mark.parametrize("name", ["other.npz", "other.txt", "sparse_conv2.npz"])
def test_an_unknown_file_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / "README.md").write_text("")
    (tmp_path / name).write_bytes(b"")
    assert unknown_files(tmp_path) == [name]


def test_the_description_states_the_kind(tmp_path: Path) -> None:
    (tmp_path / "any_name.json").write_text('{"fixture": "views"}')
    assert kind_of(tmp_path / "any_name.npz") == "views"
