"""What a source is: an iterable of Frames with a length and, perhaps, a cloud of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.streams.settings import RecordedStreamSettings


@dataclass
class SkipCount:
    """Frames that could not be used, counted by reason, with what the first of each held."""

    reasons: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, example: str = "") -> None:
        """Count one skipped frame; example: which file it was, what it held and was to hold."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if example:
            self.examples.setdefault(reason, example)

    def clear(self) -> None:
        """Begin anew."""
        self.reasons.clear()
        self.examples.clear()

    @property
    def lines(self) -> list[str]:
        """Each reason for people: how often, and an example where there is one."""
        return [
            f"{count} x {reason}" + (f", such as {self.examples[reason]}"
                                     if reason in self.examples else "")
            for reason, count in self.reasons.items()
        ]  # fmt: skip

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


@runtime_checkable
class Picking(Protocol):
    """A recording of which a few frames can be read without the others."""

    def pick(self, places: Iterable[int]) -> Iterator[Frame]:
        """Only the frames at these places among all that are listed, in ascending order."""


class Source(Frames, Protocol):
    """A recorded scene."""

    def cloud(self) -> Cloud | None:
        """The reconstruction that came with the scene, or None."""


class SourceType(Protocol):
    """The class of a registered source."""

    layout: str
    """The files that make up a scene, as a noun phrase for help and messages."""

    def recognizes(self, path: Path) -> bool:
        """Whether ``path`` looks like a scene of this kind; reads no more than names."""

    def __call__(
        self, path: Path, *settings: Any, streams: RecordedStreamSettings | None
    ) -> Source:
        """Open it, with the source's settings if it has some; SourceError if it is damaged.

        streams: units, poses and pairing, as every source reads them; None for the defaults.
        """
