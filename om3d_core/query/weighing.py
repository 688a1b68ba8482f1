"""A question weighed on a scene: targets, exclusions and doubt in one probability an instance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.query.answer import Check
from om3d_core.query.beliefs import CANDIDATES, LEAST, MANY, Beliefs
from om3d_core.query.known_words import KnownWords
from om3d_core.query.language import parse
from om3d_core.query.lexicon import STRUCTURE
from om3d_core.query.question import ONE, Phrase, Question, Unknown

Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

DOUBT = 0.4
"""Factor of what is found for words that may be meant by unknown ones: below every verdict."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """rows: (M,) instances, best first. probability: (M,) 0..1. checks: for each of them.

    unchecked: parts of the question that cannot be checked on the map.
    """

    rows: Rows
    probability: Doubles
    checks: tuple[tuple[Check, ...], ...]
    unchecked: tuple[Unknown, ...] = ()


def understood(sentence: str, known: KnownWords) -> Question:
    """The question of a sentence; one that names nothing to look for is unknown as a whole."""
    question = parse(sentence, known)
    target = question.targets[0]
    empty = not target.text and target.is_plain and not target.unknown
    alone = len(question.targets) == 1 and not question.exclusions
    if empty and alone and question.quantity == ONE:
        said = Unknown(" ".join(sentence.split())[:80])
        return Question(sentence, (Phrase(unknown=(said,)),), ignored=question.ignored)
    return question


def is_noun(question: Question) -> bool:
    """Whether one noun is all that is said, and none of the surfaces of a room."""
    return (question.is_plain and question.quantity == ONE and not question.ignored
            and question.targets[0].text not in STRUCTURE)


def is_picture_of(question: Question) -> bool:
    """Whether an encoder of pictures and texts sees all that is asked for in one picture."""
    alone = len(question.targets) == 1 and not (
        question.exclusions or question.unknown or question.ignored
    )
    target = question.targets[0]
    unseen = target.relations or target.superlatives or target.without_colors
    return (alone and not unseen and question.quantity == ONE
            and target.text not in STRUCTURE)


def corrected(question: Question, known: KnownWords) -> Question:
    """The question with the nearest known words in the place of the unknown ones."""
    meant = {u.text: u.nearest for u in question.not_understood if u.nearest}
    words = question.sentence.lower().replace(",", " , ").split()
    return parse(" ".join(meant.get(word.strip(".?!;:\"'"), word) for word in words), known)


def weigh(question: Question, beliefs: Beliefs, mask_scores: Doubles) -> Weighed:
    """The instances that a question may mean.

    mask_scores: (N,) how sure each mask is: what any thing would answer is a whole one at least.
    """
    best: dict[int, tuple[float, tuple[Check, ...]]] = {}
    unchecked: list[Unknown] = []
    for target in question.targets:
        one_of_few = target.text and question.quantity == ONE
        belief = beliefs.of(target, CANDIDATES if one_of_few else MANY)
        unchecked += belief.unchecked
        sure = np.ones(len(belief.rows)) if target.text else mask_scores[belief.rows]
        values = (belief.probability * sure).tolist()
        for row, value, told in zip(belief.rows.tolist(), values, belief.checks, strict=True):
            if row not in best or value > best[row][0]:
                best[row] = value, told
    rows = np.array(sorted(best), np.int64)
    probability = np.array([best[row][0] for row in rows.tolist()])
    checks = [list(best[row][1]) for row in rows.tolist()]
    nouns = {target.text for target in question.targets}
    for excluded in question.exclusions:
        belief = beliefs.of(excluded, MANY)
        unchecked += belief.unchecked
        found = dict(zip(belief.rows.tolist(), belief.probability.tolist(), strict=True))
        match = np.array([found.get(row, 0.0) for row in rows.tolist()])
        if excluded.text and excluded.text in nouns:  # what is excluded has the noun anyway
            match = np.minimum(match / np.array([told[0].fit for told in checks]), 1)
        elif excluded.text and nouns != {""}:
            match = match * np.clip(0.5 + (match - probability)
                                    / np.maximum(match + probability, LEAST), 0, 1)  # fmt: skip
        kept = np.maximum(1 - match, LEAST)
        probability = probability * kept
        for i, fit in enumerate(kept.tolist()):
            checks[i].append(Check(f"not {excluded}", fit))
    order = np.lexsort((beliefs.ids(rows), -probability))
    return Weighed(rows[order], probability[order], tuple(tuple(checks[i]) for i in order),
                   tuple(dict.fromkeys(unchecked)))  # fmt: skip
