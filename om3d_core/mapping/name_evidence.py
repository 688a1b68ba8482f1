"""What speaks for a name: looks, size, printed words, detections, how common such a thing is.

The similarity of an instance with a name is taken over that which the name has with what pictures
of the space have in common, or with the whole vocabulary where nobody measured that: what is like
everything says little (the hubs of Radovanovic et al. 2010). A softmax of all of it makes it a
probability, and a line through its log-odds one that is as high as names are right (Platt 1999);
weights and line are fitted for each feature space (``om3d eval-names --fit``).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from om3d_core.encoders.base import Encoder
from om3d_core.encoders.phrases import clean_prompt
from om3d_core.errors import expect
from om3d_core.mapping.kinds import Kinds
from om3d_core.mapping.vocabulary import Thing
from om3d_core.models.cache import cached, file_key
from om3d_core.query.printed_words import MIN_RATIO
from om3d_core.query.seen_as import counts_for
from om3d_core.query.usual_size import Doubles, sizes_fit

Floats = npt.NDArray[np.float32]
GENERIC = "generic"
REMEMBERED_WORDS = 10_000
PROBES = 16
UNUSUAL = 1e-3
"""The least that a size fits: what is far from usual is as good as impossible."""


@dataclass(frozen=True)
class NameFit:
    """temperature: of the softmax over the names. min_probability: below it there is no name.

    size, common, words, seen: weights of the logarithm of how well the size fits, of each step in
    how common a thing is, and, in units of similarity, of a printed word and of what a detector
    took it for. sharpness, offset: of the line. background: base64 of the mean feature of pictures
    (D,) as little-endian float16, empty if nobody measured it. provenance: what the numbers were
    fitted on.
    """

    temperature: float
    min_probability: float
    provenance: str
    size: float = 0.0
    common: float = 0.0
    words: float = 0.0
    seen: float = 0.0
    sharpness: float = 1.0
    offset: float = 0.0
    background: str = ""

    def __post_init__(self) -> None:
        expect(self.temperature > 0, "a temperature above 0", self.temperature)
        expect(0 <= self.min_probability <= 1, "min_probability in 0..1", self.min_probability)
        weights = self.size, self.common, self.words, self.seen
        expect(all(0 <= weight < 100 for weight in weights), "weights from 0 to 100", weights)
        line = self.sharpness, self.offset
        expect(0 < self.sharpness < 100 and abs(self.offset) < 100,
               "a sharpness in 0..100 and an offset in -100..100", line)

    def chances(self, probabilities: Floats, scores: Floats) -> Floats:
        """How likely the names of N instances are right (N,), from the probabilities (N,) of the
        likeliest and the scores (N,) of the masks."""
        odds = log_odds(probabilities * scores)
        chances: Floats = expit(self.sharpness * odds + self.offset).astype(np.float32)
        return chances


@cache
def fit_of(space: str) -> NameFit:
    """The numbers of a feature space by name, cautious ones for a space that nobody fitted."""
    table = json.loads(files("om3d_core.mapping").joinpath("names.json").read_text("utf-8"))
    return NameFit(**table.get(space, table[GENERIC]))


def encoded_background(features: Floats) -> str:
    """The mean of unit features (N, D) as :attr:`NameFit.background` has it."""
    return base64.b64encode(features.mean(axis=0).astype("<f2").tobytes()).decode()


def decoded_background(text: str) -> Floats | None:
    """(D,) or None for an empty text."""
    return np.frombuffer(base64.b64decode(text), "<f2").astype(np.float32) if text else None


@dataclass(frozen=True, eq=False)
class NameEvidence:
    """Of N instances for V names; a row depends on its own instance only, bit for bit.

    similarities: (N, V) over those with the background. fits: (N, V) in 0.001..1, how usual the
    size is. common: (V,) steps. printed: (N, V) in 0..1, whether a word of it is printed on it.
    seen: (N, V) in 0..1, how far it was taken for one of its classes.
    """

    similarities: Floats
    fits: Floats
    common: Floats
    printed: Floats
    seen: Floats

    def probabilities(self, fit: NameFit) -> Floats:
        """(N, V), those of an instance sum to 1."""
        told = fit.words * self.printed + fit.seen * self.seen
        looks = (self.similarities + told) / fit.temperature
        return softmax(looks + fit.size * np.log(self.fits) + fit.common * self.common)


class Vocabulary:
    """The names of a vocabulary in the text space of an encoder.

    vectors: (V, D) float32, the unit mean over the words of each thing. hubs: (V,) how similar
    each is with the background (D,), or with all names on average.
    """

    def __init__(
        self, things: Sequence[Thing], encoder: Encoder, space: str,
        background: Floats | None = None,
    ):
        self.names = tuple(thing.name for thing in things)
        self.kinds = Kinds(self.names)
        words = [word for thing in things for word in thing.words]
        rows = _encoded(words, encoder, space)
        starts = np.cumsum([0, *(len(thing.words) for thing in things)])[:-1]
        sums = np.add.reduceat(rows, starts, axis=0)
        self.vectors: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1), 1e-9)[:, None]
        typical = self.vectors.mean(axis=0) if background is None else background
        expect(typical.shape == rows.shape[1:], f"a background {rows.shape[1:]}", typical.shape)
        self.hubs: Floats = self.vectors @ typical
        self._common = np.array([thing.common for thing in things], np.float32)
        self._sizes_m = np.array([thing.longest_m for thing in things], np.float64)
        self._rows_of: dict[str, list[int]] = {}
        for row, thing in enumerate(things):
            for word in _single_words(thing.words):
                self._rows_of.setdefault(word, []).append(row)
        self._printed: dict[str, Floats] = {}
        self._phrases = [clean_prompt(word) for word in words]
        self._starts = starts
        self._counts: dict[str, npt.NDArray[np.bool_]] = {}

    def evidence(
        self, features: Floats, longest_m: Doubles, printed: Sequence[Sequence[str]],
        taken: Sequence[Mapping[str, float]],
    ) -> NameEvidence:
        """For instances with these unit features (N, D), longest sides (N,), printed words and
        shares of the classes that they were taken for."""
        looks = [self.vectors @ feature - self.hubs for feature in features]
        words = [self._printed_on(texts) for texts in printed]
        seen = [self._seen_as(shares) for shares in taken]
        shape = -1, len(self.names)
        fits = np.maximum(sizes_fit(self._sizes_m, longest_m), UNUSUAL)
        return NameEvidence(
            np.array(looks, np.float32).reshape(shape), fits.astype(np.float32), self._common,
            np.array(words, np.float32).reshape(shape), np.array(seen, np.float32).reshape(shape),
        )  # fmt: skip

    def _printed_on(self, texts: Sequence[str]) -> Floats:
        """(V,) 1 for names with a word that is printed, less for what is like one, else 0."""
        best = np.zeros(len(self.names), np.float32)
        for text in {text.lower() for text in texts}:
            if text not in self._printed:
                if len(self._printed) >= REMEMBERED_WORDS:
                    self._printed.clear()
                self._printed[text] = self._like(text)
            best = np.maximum(best, self._printed[text])
        return best

    def _like(self, text: str) -> Floats:
        """(V,) for one printed word: it is the word that it is like most, not others as well."""
        found = np.zeros(len(self.names), np.float32)
        most, words = _nearest(text, self._rows_of)
        for word in words:
            found[self._rows_of[word]] = most
        return found

    def _seen_as(self, shares: Mapping[str, float]) -> Doubles:
        """(V,) how far what has these shares was taken for a class that counts for each name."""
        together = np.zeros(len(self.names))
        for name in sorted(shares):
            if name not in self._counts:
                if len(self._counts) >= REMEMBERED_WORDS:
                    self._counts.clear()
                counts = np.array(counts_for(name, self._phrases), bool)
                self._counts[name] = np.logical_or.reduceat(counts, self._starts)
            together += shares[name] * self._counts[name]
        return np.sqrt(together)


def log_odds(probabilities: Floats) -> Doubles:
    """Those of probabilities, which count as one in a million away from 0 and from 1 at least."""
    bounded = np.clip(probabilities.astype(np.float64), 1e-6, 1 - 1e-6)
    result: Doubles = np.log(bounded / (1 - bounded))
    return result


def softmax(logits: Floats) -> Floats:
    """(N, V) probabilities of the rows."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Floats = weights / weights.sum(axis=1, keepdims=True)
    return result


def _single_words(phrases: Sequence[str]) -> frozenset[str]:
    """Those of four letters or more, in the plural and the singular."""
    words = {word for text in phrases for word in re.findall(r"[^\W\d_]{4,}", text.lower())}
    return frozenset(words | {word.removesuffix("s") for word in words})


def _nearest(printed: str, known: Collection[str]) -> tuple[float, list[str]]:
    """The ratio of difflib of those words that are most like a printed one, and these; none below
    the least ratio.
    """
    if printed in known:
        return 1.0, [printed]
    matcher = SequenceMatcher(None, "", printed, autojunk=False)
    most, words = MIN_RATIO, list[str]()
    for word in known:
        matcher.set_seq1(word)
        if matcher.real_quick_ratio() < most or matcher.quick_ratio() < most:
            continue
        ratio = matcher.ratio()
        if ratio > most:
            most, words = ratio, []
        if ratio == most:
            words.append(word)
    return most, words


def _encoded(words: Sequence[str], encoder: Encoder, space: str) -> Floats:
    """(W, D) vectors of the words, kept in the cache folder.

    Those of some words of the whole list are made anew each time: they tell another template,
    model or table of looks.
    """
    step = max(len(words) // PROBES, 1)
    probe = encoder.encode_texts(words[::step])[space]

    def build() -> bytes:
        data = io.BytesIO()
        np.save(data, encoder.encode_texts(words)[space], allow_pickle=False)
        return data.getvalue()

    key = file_key(space, hashlib.sha256(probe.tobytes()).hexdigest(), "\n".join(words))
    rows: Floats = np.load(io.BytesIO(cached("names", key, build)), allow_pickle=False)
    return rows
