"""Packed depth, whose size is known before it is unpacked."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from om3d_core.errors import InputError
from om3d_core.formats.lzfse import is_lzfse, unpacked

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("content", [
    np.linspace(0.5, 3, 192 * 256, dtype=np.float32).tobytes(), RNG.bytes(5000), bytes(1000),
    np.tile(RNG.random(256).astype(np.float32), 300).tobytes(),
])
def test_what_was_packed_is_unpacked(content):
    packed = pytest.importorskip("liblzfse").compress(content)
    assert is_lzfse(packed) and not is_lzfse(content)
    assert unpacked(packed, len(content)) == content
    with pytest.raises(InputError, match=f"{len(content) - 4} bytes when unpacked"):
        unpacked(packed, len(content) - 4)
    with pytest.raises(InputError, match="damaged or truncated"):
        unpacked(packed[:-4], len(content))


def test_without_the_module_it_is_said_what_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    stored = b"bvx-" + (8).to_bytes(4, "little") + bytes(8) + b"bvx$"
    with pytest.raises(InputError, match="pip install pyliblzfse"):
        unpacked(stored, 8)
