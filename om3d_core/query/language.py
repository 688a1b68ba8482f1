"""A sentence to a :class:`Question`, by a small grammar of English; no model, microseconds.

A sentence is politeness, a quantity, a noun phrase and then parts: relations with noun phrases of
their own, exclusions, and attributes said behind the noun. A relation belongs to the noun before
it, after "and" or "that" to the thing that is asked for. What fits nowhere is kept as ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise

from om3d_core.encoders.phrases import clean_prompt
from om3d_core.query import lexicon as words
from om3d_core.query.cursor import Cursor
from om3d_core.query.known_words import KnownWords, singular
from om3d_core.query.quantity import split_quantity, without_politeness
from om3d_core.query.question import ALL, ONE, Phrase, Question, Relation, Unknown

MAX_RELATIONS = 8
_TOKEN = re.compile(r"[^\s,;:.!?()\"]+|,")


def parse(sentence: str, known: KnownWords) -> Question:
    """The parts of a sentence.

    Raises :class:`InputError` for no text, no letter or digit, or over 1000 characters.
    """
    phrase, ignored = clean_prompt(sentence), []
    asked = " ".join(sentence.lower().split())
    open_ended = asked.startswith(("what ", "what's ", "what’s ", "which "))
    for beginning in words.UNANSWERED:
        if asked.startswith(beginning + " "):
            ignored.append(Unknown(beginning))
            phrase = without_politeness(asked[len(beginning) :].strip())
            break
    phrase, quantity = split_quantity(phrase)
    parser = _Parser([t for t in _TOKEN.findall(phrase) if t.strip("-'")], known)
    if parser.tokens and parser.tokens[0] in words.IMPERATIVES and len(parser.tokens) > 1:
        ignored.append(Unknown(parser.tokens.pop(0)))
    question = parser.question(sentence, quantity)
    if open_ended and question.quantity == ONE and not any(t.text for t in question.targets):
        question = replace(question, quantity=ALL)
    return replace(question, ignored=(*ignored, *question.ignored))


@dataclass
class _Draft:
    """A phrase that is being read."""

    noun: list[str] = field(default_factory=list)
    colors: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    superlatives: list[str] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    number: int = 0


class _Parser(Cursor):
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[str], known: KnownWords):
        super().__init__(tokens)
        self._known = known
        self._ignored: list[Unknown] = []
        self._exclusions: list[Phrase] = []
        self._n_relations = 0
        self._depth = 0

    def question(self, sentence: str, quantity: str) -> Question:
        targets = [draft := self._noun_phrase()]
        while not self.ended:
            word = self.tokens[self.at]
            plurals = word == "and" and self._plural_follows(draft)
            if word == "or" or plurals or (word in {"and", ","} and self.noun_follows()):
                self.at += 1
                quantity = ALL if word == "and" and quantity == ONE else quantity
                targets.append(draft := self._noun_phrase())
            else:
                self._part(draft)
        for target, follows in pairwise(targets):
            if not target.noun:  # "the green or blue cup"
                target.noun = list(follows.noun)
        phrases = tuple(self._finished(target) for target in targets)
        if quantity == ONE and any(phrase.plural for phrase in phrases):
            quantity = ALL
        number = max((target.number for target in targets), default=0)
        return Question(
            sentence, phrases, tuple(self._exclusions), quantity, number, tuple(self._ignored)
        )

    def _part(self, draft: _Draft) -> None:
        """One part behind a noun: exclusion, relation, attribute, or nothing known."""
        negation, taken = self.longest(words.NEGATIONS)
        if negation == "without":
            start = self.at
            self.at += taken
            self._noun_phrase()
            self._ignored.append(Unknown(self.said(start)))
        elif negation or (self.word() == "but" and words.ANYTHING.issuperset(draft.noun)):
            self.at += max(taken, 1)
            self._negated(draft)
        elif self.printed_at():
            draft.printed.append(self.take_printed())
        elif self.word() in {"to", "from"} and self._ranked_by_distance(draft):
            self._relation_of_superlative(draft)
        elif self._relation(draft, negated=False) or self._attribute(draft.colors, draft.sizes):
            pass
        elif self.word() in words.SUPERLATIVES:
            draft.superlatives.append(words.SUPERLATIVES[self.take()])
        elif self.word() in words.FILLERS | {"and", "but", ",", "the", "of", "in", "colored"}:
            self.at += 1
        else:
            self._ignore()

    def _negated(self, draft: _Draft) -> None:
        while self.word() in {"a", "an", "the", "that", "is", "to"} and self.next_is_part():
            self.at += 1
        if self._relation(draft, negated=True):
            return
        if self.color_stands_alone():
            self._attribute(draft.without, [])
            return
        self.skip("for", "on", "from")
        excluded = self._noun_phrase()
        while not self.ended and self._relation(excluded, negated=False):
            pass
        if excluded.noun or excluded.colors or excluded.relations or excluded.sizes:
            self._exclusions.append(self._finished(excluded))

    def _relation(self, draft: _Draft, *, negated: bool) -> bool:
        """Read a relation and its anchors, if one begins here."""
        start = self.at
        own, taken = self.longest(words.OWN_SIDES)
        if own:
            self.at += taken
            draft.relations.append(Relation(own, (), self.said(start), negated))
            return True
        side, side_taken = self.longest(words.SIDES)
        kind, taken = self.longest(words.RELATIONS)
        if side and (not kind or side_taken >= taken):
            self.at += side_taken
            self.skip("side")
            draft.superlatives.append(side)
            return True
        if not kind and self.word() in words.SUPERLATIVES and self.word(1) in {"to", "from"}:
            kind, taken = words.SUPERLATIVES[self.word()], 2
        if not kind:
            return False
        self.at += taken
        self._n_relations += 1
        too_many = self._n_relations > MAX_RELATIONS
        anchors = self._anchors(kind)
        said = self.said(start)
        no_thing = any(set(a.text.split()) & (words.ROOMS | {"it", "them"}) for a in anchors)
        if no_thing or too_many:
            self._ignored.append(Unknown(said))
        elif anchors or self.tokens_said(start) & words.SELF:
            draft.relations.append(Relation(kind, tuple(anchors), said, negated))
        else:
            self._ignored.append(Unknown(said))
        return True

    def _ranked_by_distance(self, draft: _Draft) -> bool:
        return bool(draft.superlatives) and draft.superlatives[-1] in {"nearest", "farthest"}

    def _relation_of_superlative(self, draft: _Draft) -> None:
        """"The nearest chair to the table": what the distance is taken to comes behind."""
        start, kind = self.at, draft.superlatives.pop()
        self.at += 1
        draft.relations.append(Relation(kind, tuple(self._anchors(kind)), self.said(start)))

    def _anchors(self, kind: str) -> list[Phrase]:
        """The noun phrases behind a relation; none where they are the viewpoint, or missing."""
        self.skip("the", "of", "both")
        if self.word() in words.SELF and self.word(1) not in words.ANYTHING - {""}:
            self.at += 1
            return []
        anchors = []
        while True:
            anchor = self._noun_phrase(stop_at_and=kind == "between")
            if self._closed(anchor):
                break
            while kind != "between" and self._nested(anchor):
                pass
            anchors.append(self._finished(anchor))
            if kind != "between" or len(anchors) == 2 or self.word() != "and":
                break
            self.at += 1
        return anchors

    def _nested(self, anchor: _Draft) -> bool:
        """Whether a relation of the anchor itself was read: "on the table near the door"."""
        self.skip_fillers_before_relation()
        if self.ended or self._depth >= MAX_RELATIONS:
            return False
        self._depth += 1
        found = self._relation(anchor, negated=False)
        self._depth -= 1
        return found

    def _noun_phrase(self, stop_at_and: bool = False) -> _Draft:
        draft = _Draft()
        while not self.ended:
            word = self.word()
            if not draft.noun and (
                word in words.DETERMINERS or (word == "of" and draft.superlatives)
            ):
                self.at += 1
            elif draft.noun and word in _ARTICLES and draft.noun[-1] not in _BEFORE_ARTICLES:
                break
            elif self._purpose(draft):
                draft.noun += self.tokens[self.at :]
                self.at = len(self.tokens)
            elif self._ends(draft, stop_at_and):
                break
            elif self._describes(draft, word):
                pass
            else:
                draft.noun.append(self.take())
        return draft

    def _describes(self, draft: _Draft, word: str) -> bool:
        """Whether a word before the noun was taken as what it is like."""
        follows = self.word(1)
        named = not words.ANYTHING.issuperset(draft.noun)
        if named or f"{word} {follows}" in words.COLORED_NAMES:
            return False
        last = not follows or follows in {",", "or"} or self.relation_at(1)
        if word in words.ORDINALS and not last:
            self._ignore()
        elif word in words.NUMBERS or word.isdigit():
            draft.number = words.NUMBERS.get(word) or min(int(word), 10**6)
            self.at += 1
        elif word in words.SUPERLATIVES and not (last and word in {"left", "right"}):
            draft.superlatives.append(words.SUPERLATIVES[self.take()])
        elif word in words.SIZES and not last:
            draft.sizes.append(words.SIZES[self.take()])
        elif word == "and" and draft.colors and follows in words.COLORS:
            self.at += 1
        elif (
            self.color_at(0) and not (last and word == "orange")
            and self._attribute(draft.colors, [])
        ):  # fmt: skip
            self.skip("colored", "coloured")
        else:
            return False
        return True

    def _ends(self, draft: _Draft, stop_at_and: bool) -> bool:
        word = self.word()
        if word in {",", "or", "but", "that", "which", "who", "is", "are", "isn't", "aren't"}:
            return True
        if draft.noun and self.printed_at():
            return True
        if word == "and":
            colors = draft.colors and not draft.noun and self.word(1) in words.COLORS
            return not colors and (
                stop_at_and or not draft.noun or self.noun_follows() or self.part_follows(1)
                or self._plural_follows(draft)
            )  # fmt: skip
        if self.longest(words.NEGATIONS)[0] and (word != "no" or not draft.noun):
            return True
        if word in words.FILLERS and draft.noun and self.relation_at(1):
            return True
        if word in {"to", "from"} and self._ranked_by_distance(draft):
            return True
        superlative = word in words.SUPERLATIVES and self.word(1) in {"to", "from"}
        return superlative or self.relation_at(0)

    def _plural_follows(self, draft: _Draft) -> bool:
        """Whether "and" stands between two plurals: "chairs and mugs"."""
        first = draft.noun[-1] if draft.noun else ""
        return self._known.is_plural(first) and self._known.is_plural(self.word(1))

    def _purpose(self, draft: _Draft) -> bool:
        """Whether here begins what the thing is for: "a cup to drink coffee from"."""
        begins = self.word() in {"to", "for"} and bool(draft.noun) and not self.relation_at(0)
        if self._ranked_by_distance(draft):
            return False
        return begins and not self.longest(words.SIDES)[0] and bool(self.word(1))

    def _attribute(self, colors: list[str], sizes: list[str]) -> bool:
        shade = words.SHADES.get(self.word(), "")
        if shade and self.word(1) in words.COLORS:
            self.at += 1
            colors.append(f"{shade} {words.COLORS[self.take()]}")
        elif (tone := self.word().removesuffix("-colored")) in words.COLORS:
            self.at += 1
            colors.append(words.COLORS[tone])
        elif shade and self.word(1) not in {"and", ""}:
            self.at += 1
            colors.append(shade)
        elif self.word() in words.SIZES:
            sizes.append(words.SIZES[self.take()])
        else:
            return False
        return True

    def _finished(self, draft: _Draft) -> Phrase:
        noun = [word for word in draft.noun if word != ","]
        head = noun.index(stop) if (stop := _first(noun, _HEAD_ENDS)) else len(noun)
        unknown = tuple(
            Unknown(word, self._known.nearest(word)) for word in noun if word not in self._known
        )
        name = noun[head - 1] if head else ""
        fatal = 2 * len(unknown) > len(noun) or any(u.text == name for u in unknown)
        if unknown and not fatal:
            self._ignored += unknown
            noun = [word for word in noun if word in self._known]
            head = min(head, len(noun))
        plural = bool(head) and name not in words.ANYTHING and self._known.is_plural(name)
        if plural:
            noun[head - 1] = singular(name)
            plural = not draft.superlatives
        text = " ".join(noun)
        anything = text in words.ANYTHING
        everything = name in {"things", "objects", "items", "ones", "everything", "all"}
        return Phrase(
            "" if anything else text, tuple(draft.colors), tuple(draft.without),
            tuple(draft.sizes), tuple(draft.superlatives), tuple(draft.relations),
            plural or everything, unknown if fatal else (), tuple(filter(None, draft.printed)),
        )  # fmt: skip

    def _ignore(self) -> None:
        """Keep a word that fits nowhere."""
        self._ignored.append(Unknown(word := self.take(), self._suggested(word)))

    def _suggested(self, word: str) -> str:
        return "" if word in self._known else self._known.nearest(word)

    def _closed(self, draft: _Draft) -> bool:
        return not (draft.noun or draft.colors or draft.sizes or draft.superlatives)


_ARTICLES = frozenset({"a", "an", "the", "my", "your"})
_BEFORE_ARTICLES = frozenset(["of", "with", "for", "to", "and", "from", "like", "as"])
_HEAD_ENDS = ("of", "with", "for", "to", "from", "in", "made")


def _first(noun: list[str], stops: tuple[str, ...]) -> str:
    """The first word behind the first that ends a head, empty if there is none."""
    return next((word for word in noun[1:] if word in stops), "")
