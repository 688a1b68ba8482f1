"""Counts of outcomes, and the figure made of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

OUTCOMES = (
    "ok", "refused", "nameless", "untyped", "changed", "slow", "large", "hung", "crashed",
)  # fmt: skip
GOOD = frozenset({"ok", "refused"})
MAX_EXAMPLES = 20


@dataclass
class Tally:
    """What came of the inputs of each kind; the worst of each; examples of what must not be.

    codes: how live nodes told what they did with an input.
    """

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    slowest_s: Counter[str] = field(default_factory=Counter)
    largest_bytes: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(
        self, kind: str, outcome: str, seconds: float = 0.0, n_bytes: int = 0, code: str = ""
    ) -> None:
        """Count one input of a kind."""
        assert outcome in OUTCOMES, outcome
        self.counts[kind][outcome] += 1
        self.codes[code] += bool(code)
        self.slowest_s[kind] = max(self.slowest_s[kind], seconds)
        self.largest_bytes[kind] = max(self.largest_bytes[kind], n_bytes)

    def show(self, example: str) -> None:
        """Keep a line that tells how to repeat a failure."""
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)

    @property
    def total(self) -> int:
        """The number of inputs."""
        return sum(counts.total() for counts in self.counts.values())

    @property
    def failures(self) -> int:
        """The number of inputs after which something happened that must not."""
        return self.total - sum(c[good] for c in self.counts.values() for good in GOOD)

    def figure(self) -> str:
        """A table with one kind a line, its last line the sum."""
        head = ["kind", *OUTCOMES, "worst s", "worst MB"]
        rows = [
            [kind, *(str(c[outcome]) for outcome in OUTCOMES), f"{self.slowest_s[kind]:.2f}",
             f"{self.largest_bytes[kind] / 1e6:.0f}"]
            for kind, c in sorted(self.counts.items())
        ]  # fmt: skip
        total = sum(self.counts.values(), Counter[str]())
        rows.append(
            ["all", *(str(total[outcome]) for outcome in OUTCOMES),
             f"{max(self.slowest_s.values(), default=0):.2f}",
             f"{max(self.largest_bytes.values(), default=0) / 1e6:.0f}"]
        )  # fmt: skip
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            "  ".join([cells[0].ljust(widths[0]),
                       *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))])
            for cells in [head, *rows]
        ]  # fmt: skip
        told = ", ".join(f"{code} {n}" for code, n in sorted(self.codes.items()) if n)
        return "\n".join([*lines, *([f"told as: {told}"] if told else []), *self.examples])
