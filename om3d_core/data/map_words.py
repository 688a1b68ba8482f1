"""The words and detections of a saved map: columns of ``map.json``."""

from __future__ import annotations

from om3d_core.data.scene import WordsOfViews
from om3d_core.data.words import Word
from om3d_core.errors import expect

Columns = tuple[tuple[str, ...], tuple[float, ...], tuple[int, ...]]
"""Texts, confidences and places, in the order of instances and views; the place is that of the
view in the table of all, a row an instance."""


def words_to_columns(told: WordsOfViews, k: int) -> Columns:
    """The columns of words of at most ``k`` views an instance."""
    rows = [
        (word.text, word.confidence, i * k + j)
        for i, views in enumerate(told) for j, words in enumerate(views) for word in words
    ]
    texts, confidences, places = zip(*rows, strict=True) if rows else ((), (), ())
    return texts, confidences, places


def words_from_columns(columns: Columns, name: str, n: int, k: int) -> WordsOfViews:
    """The words of each view of n instances, of which there are at most ``k`` an instance.

    name: what they are, for messages. Raises :class:`InputError` naming what does not fit.
    """
    texts, confidences, places = columns
    counts = len(texts), len(confidences), len(places)
    expect(len(set(counts)) == 1, f"as many {name}s as {name}_confidences and {name}_places",
           counts)
    ascending = all(a <= b for a, b in zip(places, places[1:], strict=False))
    expect(ascending and (not places or places[-1] < n * k),
           f"{name}_places that ascend below {n * k}", "others")
    by_place: dict[int, list[Word]] = {}
    for text, confidence, place in zip(texts, confidences, places, strict=True):
        by_place.setdefault(place, []).append(Word(text, confidence))
    if not by_place:
        return ()
    return tuple(
        tuple(tuple(by_place.get(i * k + j, ())) for j in range(k)) for i in range(n)
    )
