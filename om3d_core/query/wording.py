"""What people say to the same effect, in the words that the grammar reads."""

from __future__ import annotations

import re

_MEASURE = (
    r"(?:\d+(?:\.\d+)?|one|two|three|four|five|a few|a couple of|half a)"
    r"\s?(?:m|cm|mm|ft|met(?:er|re)s?|centimet(?:er|re)s?|feet|foot|inch(?:es)?|steps?)"
)
_UNCHECKED = re.compile(
    rf"\b(?:within\s+)?{_MEASURE}(?:\s+away)?\b(?=\s+(?:of|from|to|left|right|in|behind|above)\b)|"
    r"\b(?:more|less|fewer) than\b(?=\s+(?:\d+|one|two|three|four|five|six)\b)|"
    r"\b(?:at least|at most|exactly|up to)\b(?=\s+(?:\d+|one|two|three|four|five|six)\b)|"
    r"\bover there\b"
)
"""What is said of distances and numbers that no map is asked about."""

_THING = r"(?:(?:the|a|an|my|your|some)\s+)?((?:(?!and\b)[\w-]+\s+){0,2}?[\w-]+)"
_HAS = (
    r"(?:with|(?:(?:that|which)\s+)?(?:has|have))\s+(?!no\b)"
    r"(?!(?:(?:the|a)\s+)?(?:word|words|text|label|writing|letters|title)\b)"
)
_PART_OF_IT = (
    r"(?!(?:[\w-]+\s+){0,3}(?:lid|cap|handle|hole|button|picture|pattern|flower|logo|dot|stripe"
    r"|drawing|print|sticker|spot)s?\s+on\b)"
)
"""What is a thing's own does not stand on it."""
_STANDS = r"(?:is|are|stands?|sits?|lies|lie|hangs?|rests?)"
_REWRITTEN = tuple(
    (re.compile(rf"\b{pattern}"), by)
    for pattern, by in (
        (r"(that|which|who|it|there|what)'s\b", r"\1 is"),
        (r"(?:does|do|did)(?:n't|\s+not)\b", "not"),
        (r"cannot\b|can't\b", "can not"),
        (r"(something|anything|things?|one|stuff)\s+(?:that\s+|which\s+)?"
         r"(?:i|we|you|one|people)\s+can\b", r"\1 to"),
        (r"(?:as seen\s+)?from\s+(?:my|your|the robot's)\s+"
         r"(?:point of view|perspective|viewpoint|view|side)\b", ""),
        (r"top of (?:the|a|my) (table|desk|counter)$", r"\1 top"),
        (rf"{_HAS}{_PART_OF_IT}{_THING}\s+and\s+{_THING}\s+on (?:it|them)\b",
         r"carrying \1 and carrying \2"),
        (r"(thing|something|anything|one)\s+(?:i|we|you)\s+(\w+)\s+(from|on|in|with)$",
         r"\1 to \2 \3"),
        (rf"{_HAS}{_PART_OF_IT}{_THING}\s+"
         r"(?:on top of it|on top|on it|on them|standing on it)\b", r"carrying \1"),
        (rf"{_HAS}{_THING}\s+(?:in it|in them|inside it|inside)$", r"containing \1"),
        (rf"(?:that|which)\s+{_THING}\s+{_STANDS}\s+on$", r"carrying \1"),
        (rf"(?:that|which)\s+{_THING}\s+{_STANDS}\s+(?:in|inside)$", r"containing \1"),
        (rf"(?:that|which)\s+{_THING}\s+{_STANDS}\s+(?:under|below)$", r"above \1"),
        (rf"on which\s+{_THING}(?:\s+{_STANDS})?$", r"carrying \1"),
        (rf"in which\s+{_THING}(?:\s+{_STANDS})?$", r"containing \1"),
        (rf"under which\s+{_THING}(?:\s+{_STANDS})?$", r"above \1"),
        (rf"(things?)\s+{_THING}\s+{_STANDS}\s+on$", r"\1 carrying \2"),
    )
)  # fmt: skip
_TOKEN = re.compile(r"[^\s,;:.!?()\"“”«»]+|,")
_WHAT_CAN_I = re.compile(r"^\s*what (?:can|could) (?:i|we)\s+(?!find|see)(?=\w)", re.IGNORECASE)


def purpose_first(sentence: str) -> str:
    """The sentence, "what can I sit on" as "something to sit on"."""
    return _WHAT_CAN_I.sub("something to ", sentence) if isinstance(sentence, str) else sentence


def reworded(text: str) -> tuple[str, list[str]]:
    """A text in lower case as the grammar reads it, and what of it says nothing to a map."""
    unchecked = [" ".join(found.group().split()) for found in _UNCHECKED.finditer(text)]
    text = _UNCHECKED.sub(_near, text)
    for pattern, by in _REWRITTEN:
        text = pattern.sub(by, text)
    return " ".join(text.replace("&", " and ").split()), unchecked


def tokens_of(text: str) -> tuple[list[str], list[str]]:
    """Words and commas, and what is neither, such as pictographs."""
    tokens = [token if token == "," else token.strip("'‘’-") for token in _TOKEN.findall(text)]
    words = [t for t in tokens if t == "," or any(map(str.isalnum, t))]
    return words, [t for t in tokens if t and t not in words]


def _near(found: re.Match[str]) -> str:
    return "near" if found.group().startswith("within") else ""
