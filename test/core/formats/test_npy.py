"""Numbers in .npy files, and what is refused by the header."""

from __future__ import annotations

import io

import numpy as np
import pytest

from om3d_core.errors import InputError
from om3d_core.formats.npy import npy_of, npy_shape
from om3d_core.formats.text_matrix import read_numbers, read_rows


def bytes_of(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_numbers_are_read_by_rows(tmp_path):
    values = np.arange(24.0).reshape(2, 3, 4)
    assert npy_shape(bytes_of(values)) == (2, 3, 4)
    np.testing.assert_array_equal(npy_of(bytes_of(values)), values)
    np.save(tmp_path / "a.npy", values.astype(np.float32))
    np.testing.assert_array_equal(read_numbers(tmp_path / "a.npy"), np.arange(24.0))
    np.testing.assert_array_equal(read_rows(tmp_path / "a.npy")[1], np.arange(12.0, 24))


@pytest.mark.parametrize(("data", "said"), [
    (b"", "a .npy file"),
    (b"1 2 3", "a .npy file"),
    (bytes_of(np.array(["a"])), "array of numbers"),
    (bytes_of(np.array([None])), "array of numbers"),
    (bytes_of(np.zeros((3, 3)))[:-8], "72 bytes of numbers, got 64"),
    (bytes_of(np.zeros((3, 3))).replace(b"(3, 3)", b"(3,-3)"), "bytes of numbers"),
    (bytes_of(np.zeros((3, 3))).replace(b"(3, 3), ", b"(9e9,9),"), "a .npy file"),
])
def test_what_is_none_is_refused(data, said):
    with pytest.raises(InputError, match=said):
        npy_of(data)


def test_a_single_row_is_no_table(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(16))
    with pytest.raises(InputError, match="rows of numbers"):
        read_rows(tmp_path / "a.npy")
