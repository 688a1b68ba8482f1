"""MCAP files of small size that unpack to much, hold many records, or overlap in time."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.probe import Probe
from helpers import bombs
from helpers.bounds import assert_refused

from om3d_core.errors import SourceError
from om3d_core.sources.bag.mcap_check import MAX_OPEN_BYTES, Span, check_spans


@pytest.mark.parametrize(
    ("chunks", "chunk_mib", "message"),
    [
        (20, 1024, "at most 536870912 are read"),
        (20, 500, "unpack to more than 50 times the file"),
        (20, 64, "more records up to 33 than 100000"),
    ],
)
def test_chunks_that_unpack_without_end(
    tmp_path: Path, probe: Probe, chunks: int, chunk_mib: int, message: str
) -> None:
    path = bombs.mcap_of_zeros(tmp_path / "z.mcap", chunks, chunk_mib * bombs.MIB)
    assert path.stat().st_size < 1_000_000
    assert_refused(probe, "source", path, message)


def test_chunks_of_one_moment_are_bounded() -> None:
    half = MAX_OPEN_BYTES // 2
    check_spans(Path("a.mcap"), [Span(10 * i, 10 * i + 9, half) for i in range(100)])
    check_spans(Path("a.mcap"), [Span(0, 5, half), Span(5, 9, half), Span(6, 9, half)])
    with pytest.raises(SourceError, match=r"a\.mcap: .*'mcap sort'"):
        check_spans(Path("a.mcap"), [Span(0, 5, half), Span(5, 9, half), Span(5, 9, half)])
