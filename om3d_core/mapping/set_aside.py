"""Inputs that a refresh fails at: which one it was, so that the rest can go on without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from om3d_core.errors import CanceledError, EmptyMapError


@dataclass(frozen=True)
class SetAside:
    """An input that made a refresh fail and is left out since: a frame, or (None) a cloud."""

    stamp_ns: int | None
    reason: str

    def __str__(self) -> str:
        what = "the cloud" if self.stamp_ns is None else f"the frame of stamp {self.stamp_ns} ns"
        return f"{what} was set aside: {self.reason}"


class Faulty(Exception):
    """Says which input a refresh failed at; its cause is the error."""

    def __init__(self, stamp_ns: int | None):
        super().__init__(stamp_ns)
        self.stamp_ns = stamp_ns


@contextmanager
def blaming(stamp_ns: int | None) -> Iterator[None]:
    """Say that an error within comes from the frame of this stamp, or (None) from the cloud."""
    try:
        yield
    except (CanceledError, EmptyMapError, MemoryError, Faulty):
        raise
    except Exception as error:
        raise Faulty(stamp_ns) from error
