"""Arrays in .npz files: what is read, and archives that lie, are odd, or unpack without end."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from fuzz.probe import Probe
from helpers import bombs
from helpers.bounds import assert_read, assert_refused

from om3d_core.errors import InputError
from om3d_core.formats.npz import read_npz
from om3d_core.formats.zip_files import MAX_TABLE_BYTES, MAX_UNPACKED_BYTES

ONES = bombs.npy_header((3, 2)) + b"\x01" * 6


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back(tmp_path: Path, save) -> None:
    arrays = {
        "a": np.arange(6, dtype=">i4").reshape(2, 3), "b": np.asfortranarray(np.eye(3)),
        "c": np.array([True, False]), "d": np.float16(1.5), "e": np.zeros((0, 3)),
    }  # fmt: skip
    save(tmp_path / "x.npz", **arrays)
    read = read_npz(tmp_path / "x.npz", ("a", "b", "c", "d", "e", "none"))
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert np.array_equal(read[name], array) and read[name].dtype.isnative


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (b"no array", "array masks as NumPy saves it"),
        (b"", "array masks as NumPy saves it"),
        (ONES[:-1], "masks of 5 bytes, as the file has"),
        (ONES + b"x", "masks of 7 bytes, as the file has"),
        (ONES.replace(b"(3, 2)", b"(-3,2)"), "at most 8 axes"),
        (ONES.replace(b"(3, 2)", b"3     "), "as NumPy saves it"),
        (ONES.replace(b"|u1", b"|O "), "as NumPy saves it|numbers"),
        (bombs.npy_header((3, 2), "|S1") + bytes(6), "numbers of up to 64 bits"),
        (bombs.npy_header((3, 2), "<c16") + bytes(96), "numbers of up to 64 bits"),
        (bombs.npy_header((10**12, 1)) + bytes(100), "masks of 100 bytes, as the file has"),
        (bombs.npy_header((2**62, 2**62)) + bytes(100), "masks of 100 bytes, as the file has"),
    ],
)
def test_an_entry_that_is_not_what_it_says(
    tmp_path: Path, probe: Probe, entry: bytes, message: str
) -> None:
    path = bombs.npz(tmp_path / "x.npz", {"masks.npy": entry})
    assert_refused(probe, "masks", path, message)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path: Path, method: int) -> None:
    path = bombs.npz(tmp_path / "x.npz", {"masks.npy": ONES}, method)
    with pytest.raises(InputError, match="entry 'masks.npy' stored or deflated"):
        read_npz(path, ("masks",))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (8, 0x01, "in the clear, got an encrypted one"),
        (10, 99, "stored or deflated, got method 99"),
        (20, 0xFF, "readable zip archive|entries of at most|bytes"),
    ],
)
def test_a_table_that_is_odd(tmp_path: Path, place: int, value: int, message: str) -> None:
    """place: of a byte of the entry in the table at the end of the archive."""
    path = bombs.npz(tmp_path / "x.npz", {"masks.npy": ONES})
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + place] = value
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_npz(path, ("masks",))


def test_damaged_values_and_names(tmp_path: Path) -> None:
    path = bombs.npz(tmp_path / "x.npz", {"masks.npy": ONES}, zipfile.ZIP_STORED)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x01" * 6, b"\x01" * 5 + b"\x00"))
    with pytest.raises(InputError, match="CRC"):
        read_npz(path, ("masks",))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("masks.npy", ONES)
        archive.writestr("masks.npy", ONES)
    with pytest.raises(InputError, match="different names"):
        read_npz(path, ("masks",))
    bombs.npz(path, {"other.npy": ONES})
    with pytest.raises(InputError, match=r"one of the arrays masks, got \['other'\]"):
        read_npz(path, ("masks",))


def test_a_file_of_ones_unpacks_no_further_than_memory_goes(tmp_path: Path, probe: Probe) -> None:
    assert_read(probe, "masks", bombs.npz_of_ones(tmp_path / "few.npz", 1000, 20))
    bomb = bombs.npz_of_ones(tmp_path / "unpacked.npz", MAX_UNPACKED_BYTES // 1000, 1001)
    assert bomb.stat().st_size < 1_000_000
    assert_refused(probe, "masks", bomb, "at most 201326592 bytes in deflated entries")
    assert_refused(
        probe, "masks", bombs.npz_of_ones(tmp_path / "all.npz", 100_000, 1900),
        "at most 16777216 points in masks, got 190000000",
    )  # fmt: skip
    assert_refused(
        probe, "masks", bombs.npz_of_ones(tmp_path / "wide.npz", 1, 100_000), "at most 5000 masks"
    )


def test_a_table_of_many_entries_is_not_read(tmp_path: Path, probe: Probe) -> None:
    path = bombs.npz(tmp_path / "x.npz", {f"{i:0200d}": b"" for i in range(20_000)})
    assert path.stat().st_size > MAX_TABLE_BYTES
    assert_refused(probe, "masks", path, f"a table of entries of at most {MAX_TABLE_BYTES} bytes")


def test_ground_truth_is_read_by_the_same_reader(tmp_path: Path, probe: Probe) -> None:
    (tmp_path / "scene.json").write_text('{"instances": []}')
    points = bombs.npy_header((10**12, 3), "<f4") + bytes(120)
    bombs.npz(tmp_path / "ground_truth.npz", {"points.npy": points, "instance.npy": ONES})
    assert_refused(probe, "truth", tmp_path, "ground_truth.npz: .* array points of 120 bytes")
