"""The answers of a replay: as records, JSON files and pictures."""

from __future__ import annotations

import json
import re
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from om3d.msg import Error

from om3d_core.data.scene import Scene
from om3d_core.files import write_atomically
from om3d_core.pictures import render_answer, save_png
from om3d_ros.conversions.stamps import stamp_ns

MAX_SLUG = 40


@dataclass(frozen=True)
class ReplayMatch:
    """One match of a response; index is the row of the instance in the scene."""

    index: int
    instance_id: int
    rank: int
    label: str
    similarity: float
    score: float
    probability: float
    present: bool


@dataclass(frozen=True)
class ReplayAnswer:
    """The response to one question, asked by ``kind`` text or image."""

    query: str
    kind: str
    matches: tuple[ReplayMatch, ...]
    present: bool
    response: Any

    @property
    def failed(self) -> bool:
        """Whether the response is an error."""
        return bool(self.response.error_code != Error.NONE)


def answer_of(query: str, kind: str, response: Any, scene: Scene) -> ReplayAnswer:
    """The response in terms of ``scene``, which has the same revision."""
    rows = {int(instance): row for row, instance in enumerate(scene.ids)}
    matches = tuple(
        ReplayMatch(
            rows[m.id], m.id, m.rank, m.label, m.similarity, m.score, m.probability, m.present
        )
        for m in response.matches
    )
    return ReplayAnswer(query, kind, matches, bool(response.present), response)


def write_answers(
    answers: list[ReplayAnswer], scene: Scene, status: Any, out: Path
) -> list[Path]:
    """Write answers.json, and for each answer its markers as JSON and its picture.

    status: om3d/MapperStatus, whose counts go into answers.json.

    Returns the pictures.
    """
    records, pictures = [], []
    for number, answer in enumerate(answers, 1):
        record = _record(answer)
        if not answer.failed:
            name = f"{number:02d}-{_slug(answer.query)}"
            markers, picture = out / f"{name}.markers.json", out / f"{name}.png"
            write_json(markers, to_plain(answer.response.markers))
            save_png(picture, render_answer(scene, answer, view_similarities=_views(answer)))
            record |= {"markers": markers.name, "picture": picture.name}
            pictures.append(picture)
        records.append(record)
    content = {"revision": scene.revision, "mapper": to_plain(status), "answers": records}
    write_json(out / "answers.json", content)
    return pictures


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON; a killed write leaves the previous file whole."""
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False).encode())


def to_plain(message: Any) -> Any:
    """A message as dictionaries, lists and plain values, without the bytes of pictures."""
    if hasattr(message, "get_fields_and_field_types"):
        return {
            name: to_plain(getattr(message, name))
            for name in message.get_fields_and_field_types()
            if name != "thumbnails"
        }
    if isinstance(message, (np.ndarray, array)):
        return message.tolist()
    if isinstance(message, (list, tuple)):
        return [to_plain(item) for item in message]
    return message


def _views(answer: ReplayAnswer) -> dict[int, float]:
    """The similarities of the best match's views, by their stamps."""
    best = answer.response.matches[:1]
    return {
        stamp_ns(view.header.stamp): float(similarity)
        for match in best
        for view, similarity in zip(match.thumbnails, match.view_similarities, strict=True)
        if np.isfinite(similarity)
    }


def _record(answer: ReplayAnswer) -> dict[str, Any]:
    response = answer.response
    return {
        "query": answer.query,
        "kind": answer.kind,
        "present": answer.present,
        "matches": [to_plain(match) for match in response.matches],
        "revision": response.revision,
        "stale": response.stale,
        "latency_s": response.latency_s,
        "error_code": response.error_code,
        "error_msg": response.error_msg,
    }


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_SLUG] or "query"
