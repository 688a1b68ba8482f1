"""What a sentence asks for, in parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unknown:
    """Words that were not understood, and the known word nearest to them, if one is near."""

    text: str
    nearest: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.nearest}?)" if self.nearest else self.text


@dataclass(frozen=True)
class Relation:
    """Where a thing is.

    kind: one of the values of ``RELATIONS`` in the lexicon. anchors: what it is related to, two
    for "between" or one plural; none where that is the viewpoint. words: as they were said.
    """

    kind: str
    anchors: tuple[Phrase, ...]
    words: str
    negated: bool = False

    @property
    def compares(self) -> bool:
        """Whether one of several has more of it than the others."""
        return self.kind in {"nearest", "farthest"}

    def __str__(self) -> str:
        anchors = " and ".join(map(str, self.anchors)) or "viewpoint"
        return f"[{'not ' if self.negated else ''}{self.kind} {anchors}]"


@dataclass(frozen=True)
class Phrase:
    """One kind of thing: "the large red mug on the table".

    text: the noun with what describes it, for the encoder, without color and size; empty where any
    thing will do. colors: names, with "dark" or "light" before them. sizes, superlatives: names
    in the lexicon. without_colors: colors that it does not have. unknown: words of the noun itself
    that are not known; there is nothing to look for then. printed: words said to be on it.
    """

    text: str = ""
    colors: tuple[str, ...] = ()
    without_colors: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    superlatives: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    plural: bool = False
    unknown: tuple[Unknown, ...] = ()
    printed: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it was understood: "largest dark blue chair [near table]"."""
        noun = self.text or " ".join(u.text for u in self.unknown) or "anything"
        without = (f"not {color}" for color in self.without_colors)
        says = (f'"{said}"' for said in self.printed)
        where = map(str, self.relations)
        return " ".join(
            (*self.superlatives, *self.sizes, *self.colors, *without, noun, *says, *where)
        )

    @property
    def is_plain(self) -> bool:
        """Whether the noun is all there is to it."""
        return not (self.colors or self.without_colors or self.sizes or self.superlatives
                    or self.relations or self.printed)  # fmt: skip

    def unknowns(self) -> tuple[Unknown, ...]:
        """Unknown nouns in it, and in what it is related to."""
        anchors = (a for relation in self.relations for a in relation.anchors)
        return self.unknown + tuple(u for anchor in anchors for u in anchor.unknowns())


ONE, ALL, COUNT = "one", "all", "count"


@dataclass(frozen=True)
class Question:
    """A sentence, understood.

    targets: what is asked for, any of them. exclusions: what is not meant. quantity: ONE, ALL
    ("all the chairs", "chairs") or COUNT ("how many chairs"). number: how many of them are said to
    be, 0 where it is not said. ignored: parts that say nothing that can be checked.
    """

    sentence: str
    targets: tuple[Phrase, ...]
    exclusions: tuple[Phrase, ...] = ()
    quantity: str = ONE
    number: int = 0
    ignored: tuple[Unknown, ...] = ()

    def __str__(self) -> str:
        """As it was understood: "all: chair or stool, not office chair"."""
        wanted = " or ".join(map(str, self.targets))
        excluded = "".join(f", not {phrase}" for phrase in self.exclusions)
        amount = "" if self.quantity == ONE else f"{self.quantity}: "
        return f"{amount}{wanted}{excluded}"

    @property
    def is_plain(self) -> bool:
        """Whether the sentence is one noun, to be asked for as it was said."""
        return (
            len(self.targets) == 1 and self.targets[0].is_plain and not self.exclusions
            and not self.unknown and bool(self.targets[0].text)
        )  # fmt: skip

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """Unknown nouns: with one of them there is no answer."""
        phrases = self.targets + self.exclusions
        return tuple(unknown for phrase in phrases for unknown in phrase.unknowns())

    @property
    def not_understood(self) -> tuple[Unknown, ...]:
        """All that was not understood: unknown nouns and parts that were ignored."""
        return tuple(dict.fromkeys(self.unknown + self.ignored))
