"""Bags in sqlite3 whose tables are computed, shared or not what they say."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from fuzz.probe import Probe
from helpers import bombs
from helpers.bounds import assert_refused

from om3d_core.errors import SourceError
from om3d_core.sources.bag.sqlite_check import check_sqlite

COMPUTED = (
    "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER,"
    " data BLOB GENERATED ALWAYS AS (zeroblob(900000000)){});"
    "INSERT INTO messages(topic_id, timestamp) VALUES (1, 1);"
)
ONE = "INSERT INTO messages(topic_id, timestamp, data) VALUES (1, 1, {});"


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ((COMPUTED.format(""),), "messages of stored columns, got a computed 'data'"),
        (("CREATE VIEW messages AS SELECT 1 topic_id, 1 timestamp, zeroblob(900000000) data;",),
         "tables and indexes, got a view 'messages'"),
        ((bombs.MESSAGES, "CREATE TRIGGER t AFTER INSERT ON messages BEGIN SELECT 1; END;"),
         "got a trigger 't'"),
        (("CREATE VIRTUAL TABLE messages USING fts5(topic_id, timestamp, data);",),
         "a virtual one 'messages'"),
        ((bombs.MESSAGES, ONE.format("9000000000")), "messages of bytes, got 1 of another type"),
        ((bombs.MESSAGES, ONE.format("'text'")), "messages of bytes, got 1 of another type"),
        ((bombs.MESSAGES, "UPDATE topics SET name = x'00';"), "topics of texts"),
        ((bombs.MESSAGES, "UPDATE topics SET offered_qos_profiles = 'a: &a 1';"), "an alias"),
        ((), "no such table"),
    ],
)  # fmt: skip
def test_tables_that_are_not_stored(
    tmp_path: Path, probe: Probe, statements: tuple[str, ...], message: str
) -> None:
    assert_refused(probe, "source", bombs.db3(tmp_path / "b.db3", *statements), message)


def test_messages_beyond_the_limit_and_large_ones_below(tmp_path: Path) -> None:
    path = bombs.db3(tmp_path / "b.db3", bombs.MESSAGES, ONE.format("zeroblob(30000000)"))
    check_sqlite(path, 40_000_000)
    with pytest.raises(SourceError, match="b.db3: .*at most 20000000 bytes|too big"):
        check_sqlite(path, 20_000_000)


def test_pages_that_are_named_again_and_again(tmp_path: Path, probe: Probe) -> None:
    """A tree all of whose branches are one yields rows without end: here 300 ** 5 of them."""
    rows = "INSERT INTO messages(topic_id, timestamp, data) SELECT 1, 1, zeroblob(3000) FROM n;"
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
    path = bombs.db3(tmp_path / "b.db3", bombs.MESSAGES, numbers + rows)
    database = sqlite3.connect(path)
    (page,) = database.execute("PRAGMA page_size").fetchone()
    (root,) = database.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'messages'"
    ).fetchone()
    database.close()
    data = bytearray(path.read_bytes())
    assert data[(root - 1) * page] == 5, "an interior page"
    leaf = int.from_bytes(data[(root - 1) * page + 8 : (root - 1) * page + 12], "big")
    assert data[(leaf - 1) * page] == 13, "a leaf"
    chain = [root, *(n for n in range(len(data) // page, 3, -1) if n not in (root, leaf))][:5]
    for number, child in zip(chain, [*chain[1:], leaf], strict=True):
        cells = b"".join(child.to_bytes(4, "big") + b"\x01" for _ in range(300))
        start = page - len(cells)
        places = b"".join((start + 5 * i).to_bytes(2, "big") for i in range(300))
        head = b"\x05\x00\x00" + (300).to_bytes(2, "big") + start.to_bytes(2, "big") + b"\x00"
        content = head + child.to_bytes(4, "big") + places
        at = (number - 1) * page
        data[at : at + page] = content + bytes(start - len(content)) + cells
    path.write_bytes(data)
    assert_refused(probe, "source", path, "interrupted")
