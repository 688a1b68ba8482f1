"""Answers of several maps as one: the best of all, and what each map keeps."""

from __future__ import annotations

import numpy as np

from om3d_core.data.boxes import Box
from om3d_core.query.answer import Answer, Match
from om3d_core.query.merging import merged

BOX = Box(np.zeros(3), np.ones(3), np.eye(3))


def answer(*probabilities, similarity=0.5, threshold=0.5):
    matches = tuple(
        Match(10 + i, i, i + 1, similarity, 0.0, p, p >= threshold, BOX, np.zeros(3), 1, "", ())
        for i, p in enumerate(probabilities)
    )
    return Answer("text", "mug", "toy@1", matches, bool(matches) and matches[0].present, 1)


def ranked(answers):
    """The rank and the probability of what each answer keeps."""
    return [[(m.rank, m.probability) for m in answer.matches] for answer in answers]


def test_matches_are_ranked_among_all_and_the_best_are_kept():
    found = merged([answer(0.9, 0.3, 0.1), answer(), answer(0.6, 0.4)], 3)
    assert ranked(found) == [[(1, 0.9)], [], [(2, 0.6), (3, 0.4)]]
    assert [one.present for one in found] == [True, False, True]
    assert [m.instance_id for m in found[2].matches] == [10, 11]


def test_of_equal_probabilities_similarity_then_the_order_of_the_maps_counts():
    found = merged([answer(0.5, 0.5), answer(0.5, similarity=0.7), answer(0.5)], 9)
    assert [[m.rank for m in one.matches] for one in found] == [[2, 3], [1], [4]]


def test_an_answer_that_keeps_no_match_is_not_present():
    first, second = merged([answer(0.9), answer(0.8)], 1)
    assert first.present and not second.present and not second.matches


def test_one_answer_is_as_it_was():
    alone = answer(0.7, 0.2)
    (same,) = merged([alone], 5)
    assert ranked([same]) == ranked([alone]) and same.present
