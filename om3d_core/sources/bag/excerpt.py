"""Which part of a bag is read."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.data.poses import NS_PER_S

Span = tuple[int | None, int | None]
"""From when on and until when, exclusive, something was recorded (ns); None: without a bound."""


@dataclass(frozen=True)
class Excerpt:
    """The first seconds of a recording, or parts that are spread evenly over these.

    duration_s: seconds from its first message; 0 is all. parts: how many parts of them are read,
    each of part_s seconds; where part_s is 0, or the parts would fill all, it is read in one.
    """

    duration_s: float = 0.0
    parts: int = 1
    part_s: float = 0.0

    def spans(self, start_ns: int, length_ns: int) -> list[Span]:
        """What is read, in order, of a recording from ``start_ns`` that lasts ``length_ns``."""
        end_ns = start_ns + round(self.duration_s * NS_PER_S) if self.duration_s else None
        if end_ns is not None:
            length_ns = min(length_ns, end_ns - start_ns)
        part_ns = round(self.part_s * NS_PER_S)
        if not part_ns or self.parts * part_ns >= length_ns:
            return [(None, end_ns)]
        steps = max(1, self.parts - 1)
        starts = [start_ns + i * (length_ns - part_ns) // steps for i in range(self.parts)]
        return [(start, start + part_ns) for start in starts]


WHOLE = Excerpt()
"""All of a recording."""
