"""Which words are known, and which known word an unknown one may be a misspelling of."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache

from om3d_core.encoders.lite.runtime import SENTENCE_TOKENIZER, package_file
from om3d_core.encoders.lite.vocabulary import class_words
from om3d_core.query import lexicon
from om3d_core.query.things import household

SHORT_WORDS = frozenset({
    "tv", "pc", "cd", "ac", "dvd", "usb", "led", "lcd", "ipad", "up", "go", "do", "it", "he",
    "we", "us", "am", "pm", "ok", "to", "of", "in", "on", "at", "by", "as", "an", "is", "my",
    "no", "or", "so", "me", "if", "be",
})  # fmt: skip
MAX_WORD = 40
PART = 3


class KnownWords:
    """English words: those of the sentence encoder, of its classes, and of a list of things.

    A word is known too if it is a known one in the plural, or two known things in one word.
    """

    def __init__(self, common: dict[str, int], things: frozenset[str]):
        steering = " ".join((
            *lexicon.RELATIONS, *lexicon.SUPERLATIVES, *lexicon.SIZES, *lexicon.COLORS,
            *lexicon.SHADES, *lexicon.NUMBERS, *lexicon.STRUCTURE, *lexicon.MATERIALS,
        ))  # fmt: skip
        self._common = common
        self._things = things
        self._steering = frozenset(steering.split())
        self._suggested = sorted(things | self._steering, key=self._rarity)

    def __contains__(self, word: str) -> bool:
        return self._knows(bare(word))

    def is_thing(self, word: str) -> bool:
        """Whether the word is the name of a thing, or the plural of one."""
        return bare(word) in self._things or singular(bare(word)) in self._things

    def is_plural(self, word: str) -> bool:
        """Whether the word is the plural of a known one, and not of the kind of "scissors"."""
        return singular(word) != word and self._knows(singular(word))

    def nearest(self, word: str) -> str:
        """The known thing, color or relation of least edit distance; empty if none is near.

        Near is one change in a word of up to four letters, two in one of up to seven, else three.
        """
        asked = bare(word)
        limit = 1 if len(asked) <= 4 else 2 if len(asked) <= 7 else 3
        best, least = "", limit + 1
        if len(asked) < PART or len(asked) > MAX_WORD:
            return best
        for known in self._suggested:
            if abs(len(known) - len(asked)) < least:
                distance = edit_distance(asked, known, least)
                if distance < least:
                    best, least = known, distance
        return best

    def _knows(self, word: str) -> bool:
        if not word.isascii():
            return False
        parts = [part for part in re.split(r"[^a-z]+", word) if part]
        if len(parts) > 1 and not word.endswith("'s"):
            return all(self._knows_one(part) or len(part) == 1 for part in parts)
        return not parts or self._knows_one(parts[0]) or len(word) == 1

    def _knows_one(self, word: str) -> bool:
        if word in lexicon.OTHER_TONGUES:
            return False
        if word in self._things or word in SHORT_WORDS or word in self._steering:
            return True
        if len(word) >= PART and word in self._common:
            return True
        one = singular(word)
        if one != word and self._knows_one(one):
            return True
        return any(
            word[:cut] in self._things and word[cut:] in self._things
            for cut in range(PART, len(word) - PART + 1)
        )

    def _rarity(self, word: str) -> tuple[int, str]:
        return self._common.get(word, len(self._common)), word


@cache
def known_words() -> KnownWords:
    """The words that come with the embedded encoder; :class:`ModelError` where it is missing."""
    content = json.loads(package_file(*SENTENCE_TOKENIZER).read_text("utf-8"))
    common = {
        word: index for word, index in content["model"]["vocab"].items()
        if word.isascii() and word.isalpha()
    }
    names = " ".join(name for words in class_words() for name in words.names)
    things = {word for word in re.findall(r"[a-z]+", names) if len(word) >= PART}
    return KnownWords(common, frozenset(things | household()))


def bare(word: str) -> str:
    """The word in lower case without accents."""
    apart = unicodedata.normalize("NFKD", word.lower())
    return "".join(c for c in apart if not unicodedata.combining(c))


def singular(word: str) -> str:
    """The singular of a regular English plural, else the word itself."""
    if word in lexicon.PAIRS or len(word) <= PART or word.endswith(("ss", "us", "is", "'s")):
        return word
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("es") and word[:-2] in lexicon.PAIRS:
        return word[:-2]
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") else word


IRREGULAR = {"shelves": "shelf", "bookshelves": "bookshelf", "knives": "knife", "people": "person",
             "leaves": "leaf", "loaves": "loaf", "scarves": "scarf", "mice": "mouse",
             "men": "man", "women": "woman", "children": "child", "feet": "foot",
             "movies": "movie", "hoodies": "hoodie", "potatoes": "potato", "tomatoes": "tomato"}


def edit_distance(a: str, b: str, limit: int) -> int:
    """Letters to insert, delete, change or swap with the next to make ``b`` of ``a``.

    ``limit`` is returned for anything from it on. Optimal string alignment (Boytsov 2011).
    """
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) >= limit:
            return limit
        before, last = last, row
    return min(last[-1], limit)
