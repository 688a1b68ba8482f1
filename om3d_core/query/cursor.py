"""A place in the words of a sentence, and what of the lexicon begins there."""

from __future__ import annotations

from collections.abc import Mapping

from om3d_core.query import lexicon as words

LONGEST_PHRASE = 5


class Cursor:
    """Reads tokens from left to right; an offset counts words from where it is."""

    def __init__(self, tokens: list[str]):
        self.tokens = tokens
        self.at = 0

    @property
    def ended(self) -> bool:
        """Whether all tokens are read."""
        return self.at >= len(self.tokens)

    def noun_follows(self) -> bool:
        """Whether behind this word a noun phrase of its own begins: "and the table"."""
        follows = self.word(1)
        return follows in words.DETERMINERS - {"that", "this"} and not self.part_follows(2)

    def part_follows(self, offset: int) -> bool:
        word = self.word(offset)
        return self.relation_at(offset) or word in words.NEGATIONS or word in {"is", "are"}

    def next_is_part(self) -> bool:
        return self.relation_at(1) or self.color_at(1)

    def color_at(self, offset: int) -> bool:
        word, follows = self.word(offset), self.word(offset + 1)
        shade = word in words.SHADES and (follows in words.COLORS or word == "dark")
        return shade or word.removesuffix("-colored") in words.COLORS

    def color_stands_alone(self) -> bool:
        width = 2 if self.word() in words.SHADES else 1
        after = self.word(width)
        ends = {"", ",", "and", "or", "nor", "but", "that"}
        return self.color_at(0) and after in ends

    def negated_at(self, offset: int) -> bool:
        start, self.at = self.at, self.at + offset
        found = bool(self.longest(words.NEGATIONS)[0])
        self.at = start
        return found

    def relation_at(self, offset: int) -> bool:
        start, self.at = self.at, self.at + offset
        found = any(self.longest(table)[0] for table in
                    (words.RELATIONS, words.SIDES, words.OWN_SIDES))
        if found and self.word() in {"nearest", "closest", "left", "right", "before"}:
            follows = {"to", "of", "from"} | words.SELF
            if self.word() in {"nearest", "closest"}:
                follows |= words.DETERMINERS
            found = self.word(1) in follows
        self.at = start
        return found

    def printed_at(self) -> int:
        """How many words say here that others, printed on the thing, follow; 0 for none."""
        ahead = 0
        if self.word() in {"with", "without"}:
            ahead = 2 if self.word(1) in {"the", "a"} else 1
        elif self.word() in words.SAYS:
            ahead = 2 if self.word(1) == "the" else 1
        written = self.word(ahead) in words.WRITING
        if not ahead or not (written or self.word() in words.SAYS):
            return 0
        ahead = ahead + 1 if written else 1
        return ahead if self.word(ahead) else 0

    def take_printed(self) -> str:
        """The words that are said to be printed on the thing, up to the next part."""
        self.at += self.printed_at()
        start = self.at
        while not self.ended and self.word() not in {",", "and", "or", "on"}:
            if self.relation_at(0) or self.word() in words.NEGATIONS:
                break
            self.at += 1
        said = self.said(start).replace("'", "")
        if self.word() == "on" and self.word(1) in {"it", "them"}:
            self.at += 2
        return said

    def skip_fillers_before_relation(self) -> None:
        ahead = 0
        while self.word(ahead) in words.FILLERS - {"that", "which", "one", "also"}:
            ahead += 1
        if ahead and self.relation_at(ahead):
            self.at += ahead

    def longest(self, table: Mapping[str, str]) -> tuple[str, int]:
        """The meaning of the longest phrase of a table that begins here, and its words."""
        for count in range(min(LONGEST_PHRASE, len(self.tokens) - self.at), 0, -1):
            meaning = table.get(" ".join(self.tokens[self.at : self.at + count]))
            if meaning:
                return meaning, count
        return "", 0

    def skip(self, *skipped: str) -> None:
        while self.at < len(self.tokens) and self.tokens[self.at] in skipped:
            self.at += 1

    def said(self, start: int) -> str:
        return " ".join(self.tokens[start : self.at])

    def tokens_said(self, start: int) -> set[str]:
        return set(self.tokens[start : self.at])

    def word(self, offset: int = 0) -> str:
        index = self.at + offset
        return self.tokens[index] if index < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]
