"""What a seed is: whole files of a kind, to be changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Seed(NamedTuple):
    """A folder of files; ``reader`` of :mod:`fuzz.readers` is given ``target`` in it."""

    kind: str
    reader: str
    write: Callable[[Path], object]
    target: str = ""
