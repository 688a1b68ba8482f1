"""A sentence to a :class:`Question`, by a small grammar of English; no model, microseconds.

A sentence is politeness, a quantity, and what :mod:`~om3d_core.query.grammar` reads.
"""

from __future__ import annotations

import re
from dataclasses import replace

from om3d_core.encoders.phrases import clean_prompt
from om3d_core.query import lexicon as words
from om3d_core.query.grammar import Parser
from om3d_core.query.known_words import KnownWords
from om3d_core.query.quantity import split_quantity, without_politeness
from om3d_core.query.question import ALL, ONE, Question, Unknown
from om3d_core.query.wording import purpose_first, reworded, tokens_of

_DESCRIBED = re.compile(rf"\b(?:the|a|an|my|any|some) (?:{'|'.join(words.IMPERATIVES)})\b")
"""An imperative that is what a thing is like: "the open drawer"."""


def parse(sentence: str, known: KnownWords) -> Question:
    """The parts of a sentence.

    Raises :class:`InputError` for no text, no letter or digit, or over 1000 characters.
    """
    phrase, unchecked = reworded(clean_prompt(purpose_first(sentence)))
    ignored = list(map(Unknown, unchecked))
    asked = " ".join(sentence.lower().split())
    open_ended = asked.startswith(("what ", "what's ", "what’s ", "which "))
    for beginning in words.UNANSWERED:
        if asked.startswith(beginning + " "):
            ignored.append(Unknown(beginning))
            phrase = without_politeness(asked[len(beginning) :].strip())
            break
    phrase, quantity = split_quantity(phrase)
    tokens, marks = tokens_of(phrase)
    ignored += map(Unknown, marks)
    if len(tokens) > 1 and tokens[0] in words.IMPERATIVES and not _DESCRIBED.search(asked):
        taken = 2 if tokens[1] in words.PARTICLES and len(tokens) > 2 else 1
        ignored.append(Unknown(" ".join(tokens[:taken])))
        del tokens[:taken]
    question = Parser(tokens, known).question(sentence, quantity)
    if open_ended and question.quantity == ONE and not any(t.text for t in question.targets):
        question = replace(question, quantity=ALL)
    return replace(question, ignored=(*ignored, *question.ignored))
