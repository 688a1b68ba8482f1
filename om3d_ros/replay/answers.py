"""The answers of a replay: as records, JSON files and pictures."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from om3d.msg import Error

from om3d_core.data.scene import Scene
from om3d_core.files import write_atomically
from om3d_core.pictures import render_answer, save_png
from om3d_core.query.answer import Answer
from om3d_ros.conversions.matches import to_answer

MAX_SLUG = 40


@dataclass(frozen=True, eq=False)
class Reply:
    """What the query node said to one question, asked by ``kind`` text or image.

    response: om3d/QueryText or QueryImage. answer: None where it is an error.
    """

    query: str
    kind: str
    response: Any
    answer: Answer | None

    @classmethod
    def of(cls, query: str, kind: str, response: Any, scene: Scene) -> Reply:
        """The response in terms of ``scene``, which is the map of its revision."""
        failed = response.error_code != Error.NONE
        return cls(query, kind, response, None if failed else to_answer(
            response, scene, kind, query
        ))


def write_answers(replies: Sequence[Reply], scene: Scene, status: Any, out: Path) -> None:
    """Write answers.json, and for each answer its markers as JSON and its picture.

    status: om3d/MapperStatus, whose counts go into answers.json.
    """
    records = []
    for number, reply in enumerate(replies, 1):
        record = _record(reply)
        if reply.answer is not None:
            name = f"{number:02d}-{_slug(reply.query)}"
            markers, picture = out / f"{name}.markers.json", out / f"{name}.png"
            write_json(markers, to_plain(reply.response.markers))
            save_png(picture, render_answer(scene, reply.answer))
            record |= {"markers": markers.name, "picture": picture.name}
        records.append(record)
    content = {"revision": scene.revision, "mapper": to_plain(status), "answers": records}
    write_json(out / "answers.json", content)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON; a killed write leaves the previous file whole."""
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False).encode())


def to_plain(message: Any) -> Any:
    """A message as dictionaries, lists and plain values."""
    if hasattr(message, "get_fields_and_field_types"):
        return {
            name: to_plain(getattr(message, name))
            for name in message.get_fields_and_field_types()
        }
    if isinstance(message, (np.ndarray, array)):
        return message.tolist()
    if isinstance(message, (list, tuple)):
        return [to_plain(item) for item in message]
    return message


def _record(reply: Reply) -> dict[str, Any]:
    response = reply.response
    return {
        **({"query": reply.query, "kind": reply.kind, "matches": []}
           if reply.answer is None else reply.answer.to_json()),
        "stale": response.stale,
        "latency_s": response.latency_s,
        "error_code": response.error_code,
        "error_msg": response.error_msg,
    }


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_SLUG] or "query"
