"""Answers of several maps to one question, ranked as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from om3d_core.query.answer import Answer, Match


def merged(answers: Sequence[Answer], top_k: int) -> list[Answer]:
    """What each answer keeps: its matches among the best ``top_k`` of all, ranked among all.

    Ordered by probability, then by similarity, then as the answers are given: probabilities are
    calibrated a feature space, so those of two spaces compare, while their similarities do not. An
    answer that keeps no match is no longer present.
    """
    found = [(which, match) for which, answer in enumerate(answers) for match in answer.matches]
    kept: list[list[Match]] = [[] for _ in answers]
    best = sorted(
        found, key=lambda f: (-f[1].probability, -f[1].similarity, f[0], f[1].rank)
    )[:top_k]
    for rank, (which, match) in enumerate(best, 1):
        kept[which].append(replace(match, rank=rank))
    return [
        replace(answer, matches=tuple(matches), present=answer.present and bool(matches))
        for answer, matches in zip(answers, kept, strict=True)
    ]
