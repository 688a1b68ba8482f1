"""No file of the reference folder, and no array of a file, is left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from parity.kinds import KINDS, Fixture, unknown_arrays, unknown_files


def test_every_file_has_a_test(fixture_folder: Path) -> None:
    assert unknown_files(fixture_folder) == []
    assert list(fixture_folder.glob("*.npz"))
    for kind in KINDS.values():
        assert (Path(__file__).parent / f"{kind.module}.py").is_file()


def test_every_array_is_known(fixture_folder: Path) -> None:
    assert unknown_arrays(fixture_folder) == []


def test_arrays_and_descriptions_come_in_pairs(fixture_folder: Path) -> None:
    stems = [{p.stem for p in fixture_folder.glob(f"*.{suffix}")} for suffix in ("npz", "json")]
    assert stems[0] == stems[1]


@pytest.mark.parametrize("name", ["other.npz", "other.txt", "sparse_conv2.npz", "view"])
def test_an_unknown_file_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / "README.md").write_text("")
    (tmp_path / name).write_bytes(b"")
    assert unknown_files(tmp_path) == [name]


@pytest.mark.parametrize("name, stated", [("views2", "views"), ("views", "other")])
def test_a_file_of_another_name_than_its_kind_is_reported(
    tmp_path: Path, name: str, stated: str
) -> None:
    (tmp_path / f"{name}.npz").write_bytes(b"")
    (tmp_path / f"{name}.json").write_text(json.dumps({"fixture": stated}))
    assert unknown_files(tmp_path) == [f"{name}.json", f"{name}.npz"]


def test_an_unknown_array_is_reported(tmp_path: Path) -> None:
    np.savez(tmp_path / "views.npz", topk7_presel9=np.zeros(1), topk7_other=np.zeros(1))
    assert unknown_arrays(tmp_path) == ["views.npz: topk7_other"]


def test_what_is_looked_for_must_be_there() -> None:
    fixture = Fixture({"topk3_presel8": np.zeros(1)})
    assert [match.groups() for match in fixture.matches(r"topk(\d)_presel(\d)")] == [("3", "8")]
    with pytest.raises(AssertionError, match="no array is named like topk"):
        fixture.matches(r"topk(\d)_openmask3d")


def test_numbers_come_from_the_description() -> None:
    info = {
        "tolerance": "AP50: rtol 1e-3, atol 0.02 on masks, 2e-3 on logits, backbone 0.5",
        "arrays": {"masks": {"meaning": "(DBSCAN eps 0.95 m)"}},
    }
    fixture = Fixture({}, info)
    assert fixture.tolerance("", 1.0) == 1e-3
    assert fixture.tolerance("atol ", 1.0) == 0.02
    assert fixture.tolerance("", 1.0, after=" on logits") == 2e-3
    assert fixture.tolerance("intrinsics ", 1e-12) == 1e-12
    with pytest.raises(AssertionError):
        fixture.tolerance("backbone ", 1e-4)
    assert fixture.meaning("masks", "eps ", 1.0) == 0.95
    assert fixture.meaning("others", "eps ", 1.0) == 1.0
