"""Questions as people type them, reduced to the thing that is asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Mapping
from typing import TypeVar

from om3d_core.errors import expect

MAX_CHARACTERS = 1000
T = TypeVar("T")

_LEAD_INS = re.compile(
    r"""^(?:
        (?:please|hey|hi|hello|robot|ok|okay|so|well|um|uh|er|yo)\b |
        do\ (?:you|we|i)\ (?:see|have|keep|know)\b | (?:have|has)\ (?:you|we|i)\ (?:seen|got)\b |
        (?:is|are|was|were)\ there\b |
        (?:can|could|would|will)\ you\b | (?:can|could|should|do)\ (?:i|we)\b |
        be\ so\ kind\ as\ to\b | (?:kindly|just|only)\b | (?:hand|tell)\ (?:me|us)\b |
        grab\b(?=\ (?:me|a|an|the|my|some)\b) |
        like\b(?=\ (?:find|show|get|where)) |
        (?:i|we)(?:'ve)?\ (?:want|need|would\ like|am\ looking\ for|lost|have\ lost)\b
            (?:\ to\ (?:have|get|find|see)\b)? |
        (?:i'm|we're|we\ are)\ looking\ for\b | (?:i'd|we'd)\ (?:like|love)\b |
        (?:i|we)\ (?:can't|cannot|can\ not)\ find\b |
        (?:has|does)\ any(?:one|body)\ (?:seen|see|know|have)\b |
        (?:the\ hell|the\ heck|on\ earth)\ (?:is|are)\b |
        (?:i'm|i\ am)\ trying\ to\ find\b | help\ me\b(?=\ (?:find|get|look)) |
        (?:where|what|which)(?:'s|\ is|\ are|\ can\ i\ find|\ do\ i\ find|\ did\ i\ leave
            |\ did\ i\ put)?\b |
        (?:go|come)\ and\b | see\b(?=\ (?:a|an|any|the|my)\b) |
        of\b(?=\ (?:the|these|those|my|your)\b) |
        (?:find|show|locate|search|look|point|fetch|bring|get|give|go|take|navigate|drive|pick)
            (?:\ up)?(?:\ me)?(?:\ (?:for|at|to))?\b |
        (?:a|an|the)?\ ?(?:photo|picture|image|view|crop)\ of\b |
        (?:a|an|the|some|any|my|your|our|this|that|these|those|me|for|to)\b
    )[\s,:]*""",
    re.VERBOSE,
)
_TAILS = re.compile(
    r"[\s,]*\b(?:please|thanks(?: a lot)?|thank you|kept|"
    r"in (?:the|this|my) (?:room|scene|map|picture|image)|here|there|is|are|located|be)$"
)

_PREPOSITION = re.compile(
    r"\s*\b(?:with|without|on|in|at|for|to|from|near|next|under|by|behind|that|which)\b"
)


def clean_prompt(text: str) -> str:
    """The noun phrase of a query: lower case, without politeness, question words and articles.

    "Where is the red mug, please?" gives "red mug". A text that holds nothing else is kept. Raises
    :class:`InputError` for no text, no letter or digit, or over 1000 characters.
    """
    expect(isinstance(text, str), "a text", type(text).__name__)
    expect(
        len(text) <= MAX_CHARACTERS, f"a text of at most {MAX_CHARACTERS} characters", len(text)
    )
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    words = " ".join(printable.replace("’", "'").lower().split()).strip(" .?!,;:\"'")
    expect(any(map(str.isalnum, words)), "a text with letters or digits", repr(text[:40]))
    phrase = words
    while True:
        shorter = _TAILS.sub("", _LEAD_INS.sub("", phrase, count=1)).strip(" .?!,;:\"'")
        if shorter == phrase or not shorter:
            return phrase
        phrase = shorter


def thing_in(phrase: str, known: Container[str]) -> str | None:
    """Which of the ``known`` things a cleaned phrase asks for, in singular or plural, or None.

    What goes before a preposition counts: "cabinet with drawers" is a cabinet. The longest known
    ending of it wins, so that a "box of popcorn" is popcorn; else of what goes before "of": a
    "glass of water" is a glass.
    """
    before: str = _PREPOSITION.split(phrase, maxsplit=1)[0] or phrase
    for part in (before, before.partition(" of ")[0]):
        words = part.split()
        for start in range(len(words)):
            name = " ".join(words[start:])
            for form in (name, name.removesuffix("s"), name.removesuffix("es"), f"{name}s"):
                if form in known:
                    return form
    return None


def by_name(groups: Mapping[str, T]) -> dict[str, T]:
    """A table whose keys list several names, parted by commas, as one of a row a name."""
    return {name: value for names, value in groups.items() for name in names.split(", ")}
