"""How many of a thing a sentence asks for."""

from __future__ import annotations

import re

from om3d_core.encoders.phrases import clean_prompt
from om3d_core.query.question import ALL, COUNT, ONE

_COUNTS = re.compile(r"^(?:how many|count(?: of)?|the number of|number of)\b\s*")
_ALL = re.compile(r"^(?:all|every|each|both|any and all|list|several|a few|few|a couple of|"
                  r"couple of|lots of|a lot of|many)\b(?: of\b)?\s*")
_TAILS = re.compile(r"\s*\b(?:are there|do (?:we|you) (?:have|see|keep)|can you see|"
                    r"exist)(?:$|(?=\s+(?:on|in|at|near|next|around|under|by)\b))")
_YES_NO = re.compile(r"^(?:is|are|was|were|does|do)\s+(?=(?:the|a|an|any|my|your|this|that|"
                     r"anything|something)\b)")


def split_quantity(phrase: str) -> tuple[str, str]:
    """The phrase without what says how many of it are asked for, and that."""
    quantity = ONE
    while True:
        for pattern, meaning in ((_COUNTS, COUNT), (_ALL, ALL)):
            shorter = pattern.sub("", phrase)
            if shorter != phrase and shorter:
                quantity = meaning if quantity == ONE else quantity
                phrase = without_politeness(shorter)
                break
        else:
            shorter = _YES_NO.sub("", _TAILS.sub("", phrase))
            if shorter in ("", phrase):
                return phrase, quantity
            phrase = without_politeness(shorter)


def without_politeness(phrase: str) -> str:
    """The phrase as :func:`clean_prompt` leaves it; one without a letter stays as it is."""
    phrase = _YES_NO.sub("", phrase)
    return clean_prompt(phrase) if any(map(str.isalnum, phrase)) else phrase
