"""The words of a saved map: columns of ``map.json``."""

from __future__ import annotations

from om3d_core.data.map_manifest import Manifest
from om3d_core.data.scene import Scene, WordsOfViews
from om3d_core.data.words import Word
from om3d_core.errors import expect

Columns = tuple[tuple[str, ...], tuple[float, ...], tuple[int, ...]]


def words_to_columns(scene: Scene) -> Columns:
    """Texts, confidences and places of all words, as :class:`Manifest` has them."""
    k = scene.views.stamps.shape[1]
    rows = [
        (word.text, word.confidence, i * k + j)
        for i, views in enumerate(scene.words) for j, words in enumerate(views) for word in words
    ]
    texts, confidences, places = zip(*rows, strict=True) if rows else ((), (), ())
    return texts, confidences, places


def words_from_columns(manifest: Manifest, k: int) -> WordsOfViews:
    """The words of each view, of which there are at most ``k`` an instance.

    Raises :class:`InputError` naming the field that does not fit.
    """
    n, places = len(manifest.labels), manifest.word_places
    counts = len(manifest.words), len(manifest.word_confidences), len(places)
    expect(len(set(counts)) == 1, "as many words as word_confidences and word_places", counts)
    ascending = all(a <= b for a, b in zip(places, places[1:], strict=False))
    expect(ascending and (not places or places[-1] < n * k),
           f"word_places that ascend below {n * k}", "others")
    by_place: dict[int, list[Word]] = {}
    for text, confidence, place in zip(
        manifest.words, manifest.word_confidences, places, strict=True
    ):
        by_place.setdefault(place, []).append(Word(text, confidence))
    if not by_place:
        return ()
    return tuple(
        tuple(tuple(by_place.get(i * k + j, ())) for j in range(k)) for i in range(n)
    )
