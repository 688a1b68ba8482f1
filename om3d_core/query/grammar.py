"""The words of a sentence, from left to right, to the parts of a question.

A noun phrase comes first and then parts: relations with noun phrases of their own, exclusions, and
attributes said behind the noun. A relation belongs to the noun before it, after "and" or "that" to
the thing that is asked for. What fits nowhere is kept as ignored.
"""

from __future__ import annotations

import re
from itertools import pairwise

from om3d_core.query import lexicon as words
from om3d_core.query.cursor import Cursor
from om3d_core.query.draft import Draft
from om3d_core.query.known_words import KnownWords
from om3d_core.query.question import ALL, ONE, Phrase, Question, Relation, Unknown

MAX_RELATIONS = 8


class Parser(Cursor):
    """Reads the words and commas of a sentence, without politeness and quantity."""

    def __init__(self, tokens: list[str], known: KnownWords):
        super().__init__(tokens)
        self._known = known
        self._ignored: list[Unknown] = []
        self._excluded: list[Draft] = []
        self._n_relations = 0
        self._depth = 0

    def question(self, sentence: str, quantity: str) -> Question:
        """What they ask for; sentence: as it was said. quantity: how many, as far as is known."""
        targets = [draft := self._noun_phrase()]
        while not self.ended:
            word = self.tokens[self.at]
            if word == "but" and not draft.noun and self._excluded and not self.negated_at(1):
                self.at += 1  # "not the chair but the stool"
                targets[-1] = draft = self._noun_phrase()
                draft.completed_by(self._excluded[-1])
            elif word == "or" or self._another_follows(draft):
                self.at += 1
                quantity = ALL if word in {"and", ","} and quantity == ONE else quantity
                targets.append(draft := self._noun_phrase())
            else:
                self._part(draft)
        for target, follows in pairwise(targets):
            if not target.noun:  # "the green or blue cup"
                target.noun = list(follows.noun)
            if target.named:  # "the green cup and the blue one"
                follows.completed_by(target)
        phrases = tuple(self._finished(target) for target in targets)
        if quantity == ONE and any(phrase.plural for phrase in phrases):
            quantity = ALL
        number = max((target.number for target in targets), default=0)
        exclusions = tuple(map(self._finished, self._excluded))
        return Question(
            sentence, phrases, exclusions, quantity, number, tuple(self._ignored)
        )

    def _part(self, draft: Draft) -> None:
        """One part behind a noun: exclusion, relation, attribute, or nothing known."""
        negation, taken = self.longest(words.NEGATIONS)
        if negation == "without" and self.printed_at():
            self._excluded.append(Draft(printed=[self.take_printed()]))
        elif negation == "without":
            start = self.at
            self.at += taken
            self._noun_phrase()
            self._ignored.append(Unknown(self.said(start)))
        elif negation or (self.word() == "but" and not draft.named):
            self.at += max(taken, 1)
            self._negated(draft)
        elif self.printed_at():
            draft.printed.append(self.take_printed())
        elif self.word() in {"to", "from"} and draft.ranked_by_distance:
            self._relation_of_superlative(draft)
        elif self._relation(draft, negated=False) or self._attribute(draft.colors, draft.sizes):
            pass
        elif self.word() in words.SUPERLATIVES:
            draft.superlatives.append(words.SUPERLATIVES[self.take()])
        elif self.word() in _ARTICLES:
            self._described_again(draft)
        elif self.word() in words.FILLERS | {"and", "but", ",", "of", "in", "colored"}:
            self.at += 1
        else:
            self._ignore()

    def _described_again(self, draft: Draft) -> None:
        """"The largest" behind a noun; another noun there is not understood."""
        start, again = self.at, self._noun_phrase()
        if again.named:
            self._ignored.append(Unknown(self.said(start)))
            return
        draft.colors += again.colors
        draft.sizes += again.sizes
        draft.superlatives += again.superlatives

    def _negated(self, draft: Draft) -> None:
        while self.word() in {"a", "an", "the", "that", "is", "to"} and self.next_is_part():
            self.at += 1
        if self._relation(draft, negated=True):
            return
        if self.color_stands_alone():
            self._attribute(draft.without, [])
            while self.word() == "or" and self.color_at(1):
                self.at += 1
                self._attribute(draft.without, [])
            return
        if self.printed_at():
            self._excluded.append(Draft(printed=[self.take_printed()]))
            return
        self.skip("for", "on", "from")
        while True:
            excluded = self._noun_phrase()
            while not self.ended and self._relation(excluded, negated=False):
                pass
            if draft.without and not draft.noun and excluded.colors and excluded.named:
                draft.without += excluded.colors  # "neither red nor blue chairs"
                draft.noun = excluded.noun
            elif not excluded.says_nothing:
                if excluded.named:  # "not the wooden ones"
                    excluded.completed_by(draft)
                self._excluded.append(excluded)
            if not (self.word() == "or" or self._another_follows(excluded)):
                return
            self.at += 1

    def _relation(self, draft: Draft, *, negated: bool) -> bool:
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
        if no_thing or too_many or kind == "unchecked":
            self._ignored.append(Unknown(said))
        elif anchors or self.tokens_said(start) & words.SELF:
            draft.relations.append(Relation(kind, tuple(anchors), said, negated))
        else:
            self._ignored.append(Unknown(said))
        return True

    def _relation_of_superlative(self, draft: Draft) -> None:
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
            if anchor.says_nothing:
                break
            while kind != "between" and self._nested(anchor):
                pass
            anchors.append(self._finished(anchor))
            if kind != "between" or len(anchors) == 2 or self.word() != "and":
                break
            self.at += 1
        return anchors

    def _nested(self, anchor: Draft) -> bool:
        """Whether a relation of the anchor itself was read: "on the table near the door"."""
        self.skip_fillers_before_relation()
        if self.ended or self._depth >= MAX_RELATIONS:
            return False
        self._depth += 1
        found = self._relation(anchor, negated=False)
        self._depth -= 1
        return found

    def _noun_phrase(self, stop_at_and: bool = False) -> Draft:
        draft = Draft()
        while not self.ended:
            word = self.word()
            if not draft.noun and (
                word in words.DETERMINERS or (word == "of" and draft.superlatives)
            ):
                self.at += 1
            elif draft.noun and word in _ARTICLES and draft.noun[-1] not in _BEFORE_ARTICLES:
                break
            elif self._purpose(draft):
                self._take_purpose(draft)
            elif self._ends(draft, stop_at_and):
                break
            elif self._describes(draft, word):
                pass
            else:
                draft.noun.append(self.take())
        return draft

    def _describes(self, draft: Draft, word: str) -> bool:
        """Whether a word before the noun was taken as what it is like."""
        follows = self.word(1)
        if draft.named or f"{word} {follows}" in words.COMPOUNDS:
            return False
        last = not follows or follows in {",", "or"} or self.relation_at(1)
        if (word in words.UNMEASURED or _ORDINAL.fullmatch(word)) and not last:
            self._ignored.append(Unknown(self.take()))
        elif word == "one" and self._known.is_thing(follows):
            self.at += 1
        elif word.startswith("non-") and word[4:] in words.COLORS:
            draft.without.append(words.COLORS[self.take()[4:]])
        elif word in words.NUMBERS or word.isdigit():
            draft.number = words.NUMBERS.get(word) or min(int(word), 10**6)
            self.at += 1
        elif word in words.SUPERLATIVES and not (
            word in words.SIDE_WORDS and (last or follows in {"of", "and"})
        ):
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

    def _ends(self, draft: Draft, stop_at_and: bool) -> bool:
        word = self.word()
        if word in {",", "or", "but", "that", "which", "who", "is", "are", "isn't", "aren't"}:
            return True
        if draft.noun and (self.printed_at() or self.color_stands_alone()):
            return True
        if word == "and":
            colors = draft.colors and not draft.noun and self.word(1) in words.COLORS
            return not colors and (
                stop_at_and or not draft.noun or self.noun_follows() or self.part_follows(1)
                or self._plural_follows(draft)
            )  # fmt: skip
        if self.negated_at(0) and (word != "no" or not draft.noun):
            return True
        if word in words.FILLERS and draft.noun and self.relation_at(1):
            return True
        if word in {"to", "from"} and draft.ranked_by_distance:
            return True
        superlative = word in words.SUPERLATIVES and self.word(1) in {"to", "from"}
        return superlative or self.relation_at(0)

    def _another_follows(self, draft: Draft) -> bool:
        """Whether "and" or a comma stands here before a noun phrase of its own."""
        if self.word() not in {"and", ","}:
            return False
        listed = self.word() == "," and self._known.is_thing(self.word(1)) and (
            self.word(2) in {"", ",", "and", "or"}
        ) and not self.color_at(1)  # fmt: skip
        plurals = self.word() == "and" and self._plural_follows(draft)
        return listed or plurals or self.noun_follows()

    def _plural_follows(self, draft: Draft) -> bool:
        """Whether "and" stands between two plurals: "chairs and mugs"."""
        first = draft.noun[-1] if draft.noun else ""
        if not _BEFORE_ARTICLES.isdisjoint(draft.noun):  # "a box of pens and markers"
            return False
        return self._known.is_plural(first) and self._known.is_plural(self.word(1))

    def _take_purpose(self, draft: Draft) -> None:
        """Up to a relation with an anchor; "to put on the wall" is what it is for."""
        start, is_verb = self.at, self.word() == "to"
        while not self.ended:
            kind, taken = self.longest(words.RELATIONS)
            of_verb = kind in {"on", "in", "at"} and self.at - start == 2 and is_verb
            anchored = self.word(taken) != "" and not self.relation_at(taken)
            if kind and self.relation_at(0) and anchored and not of_verb:
                return
            draft.noun.append(self.take())

    def _purpose(self, draft: Draft) -> bool:
        """Whether here begins what the thing is for: "a cup to drink coffee from"."""
        begins = self.word() in {"to", "for"} and bool(draft.noun) and not self.relation_at(0)
        if draft.ranked_by_distance:
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
            self.skip(words.COLORS[tone])  # "navy blue"
        elif shade and self.word(1) not in {"and", ""}:
            self.at += 1
            colors.append(shade)
        elif self.word() in words.SIZES:
            sizes.append(words.SIZES[self.take()])
        else:
            return False
        return True

    def _finished(self, draft: Draft) -> Phrase:
        phrase, ignored = draft.finished(self._known)
        self._ignored += ignored
        return phrase

    def _ignore(self) -> None:
        """Keep a word that fits nowhere."""
        self._ignored.append(Unknown(word := self.take(), self._suggested(word)))

    def _suggested(self, word: str) -> str:
        return "" if word in self._known else self._known.nearest(word)


_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)")
_ARTICLES = frozenset({"a", "an", "the", "my", "your"})
_BEFORE_ARTICLES = frozenset(["of", "with", "for", "to", "and", "from", "like", "as"])
