"""What is known of a scene, and when it is not taken."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from om3d_core.batch.jobs import FAILED, Outcome
from om3d_core.batch.journal import RESULT, keep, key_of, known


def test_what_was_done_is_known_until_anything_is_otherwise(job, tmp_path):
    done = Outcome("a", "done", 2, 1.5, 3.0, 100.0, {"points": 7})
    product = tmp_path / "map.json"
    assert known(job("a"), "key", product) is None
    keep(job("a"), "key", done)
    assert known(job("a"), "key", product) is None, "the map is not there"
    product.touch()
    assert known(job("a"), "key", product) == done
    assert known(job("a"), "other", product) is None
    keep(job("a"), "key", replace(done, state=FAILED))
    assert known(job("a"), "key", product) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"key": "key", "outcome": {"name": "a", "state": "done", "x": 1}}',
     b'{"key": "key", "outcome": {"name": "a", "state": "done", "summary": 3}}',
     b'{"key": "key", "outcome": {"name": "a", "state": "done", "seconds": "long"}}'],
)  # fmt: skip
def test_a_damaged_journal_is_none(job, tmp_path, content):
    product = tmp_path / "map.json"
    product.touch()
    keep(job("a"), "key", Outcome("a", "done"))
    assert known(job("a"), "key", product) is not None
    (job("a").folder / RESULT).write_bytes(content)
    assert known(job("a"), "key", product) is None


def test_a_key_follows_source_and_flags(tmp_path):
    folder = tmp_path / "scene"
    (folder / "color").mkdir(parents=True)
    picture = folder / "color" / "0.png"
    picture.write_bytes(b"abc")
    keys = [key_of(folder, ["--views.top_k=3"]), key_of(folder, [])]
    os.utime(picture, ns=(0, 0))
    keys.append(key_of(folder, []))
    picture.rename(folder / "color" / "1.png")
    keys.append(key_of(folder, []))
    keys += [key_of(folder / "color" / "1.png", []), key_of(tmp_path / "none", [])]
    assert len(set(keys)) == 6 and key_of(tmp_path / "none", []) == keys[-1]
    assert all(json.dumps(key).isascii() and len(key) == 64 for key in keys)
