"""Words that were read on things, and names of the classes that things were taken for."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.errors import expect

MAX_WORD = 80
MAX_WORDS = 32


@dataclass(frozen=True)
class Word:
    """A word as it is printed, or the name of a class, and how sure that is, 0..1."""

    text: str
    confidence: float

    def __post_init__(self) -> None:
        expect(
            0 < len(self.text) <= MAX_WORD and self.text.isprintable(),
            f"a word of 1 to {MAX_WORD} printable characters", repr(self.text[: MAX_WORD + 1]),
        )  # fmt: skip
        expect(0 <= self.confidence <= 1, "the confidence of a word in 0..1", self.confidence)


Words = tuple[Word, ...]
"""Those of a view, the surest first, at most MAX_WORDS."""
