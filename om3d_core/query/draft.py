"""A phrase while it is read, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass, field

from om3d_core.query import lexicon as words
from om3d_core.query.known_words import KnownWords, singular
from om3d_core.query.question import Phrase, Relation, Unknown

_HEAD_ENDS = ("of", "with", "for", "to", "from", "in", "made")


@dataclass
class Draft:
    """A phrase that is being read."""

    noun: list[str] = field(default_factory=list)
    colors: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    superlatives: list[str] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    number: int = 0

    @property
    def named(self) -> bool:
        """Whether its noun says what it is."""
        return not words.ANYTHING.issuperset(self.noun)

    @property
    def says_nothing(self) -> bool:
        """Whether nothing of it was read."""
        return not (self.noun or self.colors or self.without or self.sizes or self.superlatives
                    or self.relations or self.printed)  # fmt: skip

    @property
    def ranked_by_distance(self) -> bool:
        """Whether it is the nearest or farthest one, of what is not yet said."""
        return bool(self.superlatives) and self.superlatives[-1] in {"nearest", "farthest"}

    def completed_by(self, named: Draft) -> None:
        """Take the noun of another phrase for "one", for none, or behind a bare material."""
        material = self.noun and (self.noun[0] == "made" or words.MATERIALS.issuperset(self.noun))
        if material and self.noun[0] != "made":
            self.noun += named.noun
        elif material:
            self.noun[:0] = named.noun
        elif self.noun[-1:] in (["one"], ["ones"]):
            self.noun[-1:] = named.noun

    def finished(self, known: KnownWords) -> tuple[Phrase, tuple[Unknown, ...]]:
        """The phrase, and words of it that are not known and do not matter to what it names."""
        noun = [word for word in self.noun if word != ","]
        head = noun.index(stop) if (stop := _first(noun, _HEAD_ENDS)) else len(noun)
        unknown = tuple(Unknown(w, known.nearest(w)) for w in noun if w not in known)
        unnamed = tuple(Unknown(word) for word in noun if word in words.NO_NAMES)
        if len(noun) > 1 and noun[-1].lstrip("#").isdigit():
            unknown += (Unknown(noun.pop()),)
            head = min(head, len(noun))
        name = noun[head - 1] if head else ""
        foreign = any(u.text in words.OTHER_TONGUES for u in unknown)
        fatal = foreign or 2 * len(unknown) > len(noun) or any(u.text == name for u in unknown)
        if unnamed or (len(noun) == 1 and name in words.SPEECH):
            unknown, fatal = (Unknown(" ".join(noun)),), True
        ignored = () if fatal else unknown
        if ignored:
            noun = [word for word in noun if word in known]
            head = min(head, len(noun))
        plural = bool(head) and name not in words.ANYTHING and known.is_plural(name)
        if plural:
            noun[head - 1] = singular(name)
            plural = not (self.superlatives or any(r.compares for r in self.relations))
        text = " ".join(noun)
        everything = name in {"things", "objects", "items", "ones", "everything", "all"}
        phrase = Phrase(
            "" if text in words.ANYTHING else text, tuple(self.colors), tuple(self.without),
            tuple(self.sizes), tuple(self.superlatives), tuple(self.relations),
            plural or everything, unknown if fatal else (), tuple(filter(None, self.printed)),
        )  # fmt: skip
        return phrase, ignored


def _first(noun: list[str], stops: tuple[str, ...]) -> str:
    """The first word behind the first that ends a head, empty if there is none."""
    return next((word for word in noun[1:] if word in stops), "")
