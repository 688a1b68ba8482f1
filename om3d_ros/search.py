"""One question to one or several maps: what each answers, ranked as one, and what each was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from om3d.msg import SearchedMap

from om3d_core.query.answer import Answer
from om3d_core.query.merging import merged
from om3d_core.query.scene_query import SceneQuery
from om3d_core.query.settings import QuerySettings
from om3d_ros.followed_map import FollowedMap, Map
from om3d_ros.node.outcomes import NoMapError, failed


@dataclass(frozen=True, eq=False)
class Part:
    """What one map has of an answer."""

    about: Map
    stale: bool
    answer: Answer


@dataclass(frozen=True, eq=False)
class Search:
    """parts: of the maps that answered, that of the best match first. searched: all that were
    asked, in their order, with what went wrong.
    """

    parts: tuple[Part, ...]
    searched: list[SearchedMap]


def search(
    maps: Sequence[FollowedMap],
    settings: QuerySettings,
    ask: Callable[[SceneQuery, str], Answer],
    logger: Any,
) -> Search:
    """Ask each of ``maps``, in its frame; one that fails is told as long as another answers.

    If none does, raises what the first that has a map raised, or :class:`NoMapError`.
    """
    parts, searched, errors = [], [], []
    for followed in maps:
        current, told = followed.told()
        searched.append(told)
        try:
            if current is None:
                raise NoMapError("expected a map to search, got none yet")
            answer = ask(followed.query(current, settings), current.frame_id)
            parts.append(Part(current, told.stale, answer))
        except Exception as error:
            errors.append(error)
            if len(maps) > 1:
                failed(told, error, logger)
    if not parts:
        raise min(errors, key=lambda error: isinstance(error, NoMapError))
    if len(maps) > 1:
        answers = merged([part.answer for part in parts], settings.top_k)
        parts = [
            Part(part.about, part.stale, answer)
            for part, answer in zip(parts, answers, strict=True)
        ]
        parts.sort(key=lambda part: part.answer.matches[0].rank if part.answer.matches
                   else settings.top_k + 1)
    return Search(tuple(parts), searched)
