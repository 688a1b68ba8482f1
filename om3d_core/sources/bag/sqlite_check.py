"""A check of sqlite3 storage before a library queries it: stored tables, as large as told."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from om3d_core.errors import InputError, SourceError, expect, reason_of
from om3d_core.files import open_regular
from om3d_core.sources.bag.qos_check import QosCheck

TABLES = ("schema", "metadata", "topics", "message_definitions", "messages")
MAX_ENTRIES = 64
MAX_TOPICS = 4000
STEPS, STEPS_A_CALL = 2_000_000, 10_000
"""Instructions of SQLite: so many, and two a byte of the file, are enough for whole tables."""


def check_sqlite(path: Path, max_message_bytes: int) -> None:
    """Raise SourceError unless the file holds plain tables of messages that are as it says.

    Views, triggers and computed columns are refused, and tables that name pages twice: what they
    yield has no bounds.
    """
    try:
        descriptor = open_regular(path)
        size = os.fstat(descriptor).st_size
        os.close(descriptor)
        where = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(where, uri=True)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_message_bytes)
            left = [(STEPS + 2 * size) // STEPS_A_CALL]
            database.set_progress_handler(lambda: _spend(left), STEPS_A_CALL)
            _check_schema(database)
            _check_topics(database)
            _check_messages(database, max_message_bytes, size)
    except (InputError, OSError, OverflowError, ValueError) as error:
        raise SourceError(f"{path}: the bag cannot be opened: {reason_of(error)}") from error
    except sqlite3.Error as error:
        raise SourceError(
            f"{path}: the bag cannot be opened: expected sqlite3 storage with topics and messages,"
            f" got: {reason_of(error)}"
        ) from error


def _spend(left: list[int]) -> bool:
    """Whether to stop: no more steps are left."""
    left[0] -= 1
    return left[0] < 0


def _check_schema(database: sqlite3.Connection) -> None:
    entries = database.execute(
        "SELECT type, name, sql FROM sqlite_master LIMIT ?", (MAX_ENTRIES + 1,)
    ).fetchall()
    expect(len(entries) <= MAX_ENTRIES, f"at most {MAX_ENTRIES} tables and indexes", "more")
    for kind, name, sql in entries:
        expect(kind in ("table", "index"), "tables and indexes", f"a {kind} {name!r:.60}")
        words = str(sql).upper().split()[:2]
        expect(words != ["CREATE", "VIRTUAL"], "stored tables", f"a virtual one {name!r:.60}")
    for table in TABLES:
        for column in database.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (table,)):
            expect(column[1] == 0, f"{table} of stored columns", f"a computed {column[0]!r:.60}")


def _check_topics(database: sqlite3.Connection) -> None:
    (count,) = database.execute("SELECT count(*) FROM topics").fetchone()
    expect(count <= MAX_TOPICS, f"at most {MAX_TOPICS} topics", count)
    columns = {column[1] for column in database.execute("PRAGMA table_info(topics)")}
    qos, checks = "offered_qos_profiles", QosCheck()
    chosen = f"name, type, {qos if qos in columns else repr('')}"
    for name, msgtype, text in database.execute(f"SELECT {chosen} FROM topics"):
        texts = all(isinstance(value, str) for value in (name, msgtype, text))
        expect(texts, "topics of texts", f"{name!r:.60}")
        checks.check(text)


def _check_messages(database: sqlite3.Connection, max_bytes: int, size: int) -> None:
    # The length of a value is in its head: nothing of the messages themselves is read.
    count, longest, total, odd = database.execute(
        "SELECT count(*), max(length(data)), sum(length(data)), sum(typeof(data) != 'blob')"
        " FROM messages NOT INDEXED"
    ).fetchone()
    expect(not odd, "messages of bytes", f"{odd} of another type")
    expect((longest or 0) <= max_bytes, f"messages of at most {max_bytes} bytes", longest)
    expect((total or 0) <= size, f"messages of at most {size} bytes, as the file", total)
    for (name,) in database.execute("SELECT name FROM pragma_index_list('messages')").fetchall():
        quoted = str(name).replace('"', '""')
        (listed,) = database.execute(
            f'SELECT count(*) FROM messages INDEXED BY "{quoted}"'
        ).fetchone()
        expect(listed == count, f"an index of {count} messages", listed)
