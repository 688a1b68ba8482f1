"""What a source is: an iterable of Frames with a length and, perhaps, a cloud of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame


@dataclass
class SkipCount:
    """Frames that could not be used, counted by reason."""

    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str) -> None:
        """Count one skipped frame."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    @property
    def total(self) -> int:
        """All skipped frames."""
        return sum(self.reasons.values())


class Frames(Protocol):
    """A recording. Bad frames are skipped and counted in ``skipped``, never raised."""

    skipped: SkipCount

    def __len__(self) -> int:
        """Number of frames listed, readable or not."""

    def __iter__(self) -> Iterator[Frame]:
        """Frames by ascending stamp."""


class Source(Frames, Protocol):
    """A recorded scene."""

    def cloud(self) -> Cloud | None:
        """The reconstruction that came with the scene, or None."""
