"""Query files: questions about a scene with their right answers: instances, or positions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.errors import SourceError
from om3d_core.evaluation.ground_truth import GroundTruth, read_ground_truth
from om3d_core.files import read_json


@dataclass(frozen=True, eq=False)
class LabeledQuery:
    """One question and what answers it.

    positions: (K, 3) float64 meters in the map frame. radius_m: how far a position may lie from a
    point of the right instance. max_extent_m: the longest side that the box of a right instance
    may have. Both are 0 without positions. instances: ids in the ground truth of the scene; where
    there are any, they decide, and the positions only say where to look. A thing that is absent
    has neither.
    """

    text: str
    positions: npt.NDArray[np.float64]
    radius_m: float = 0.0
    max_extent_m: float = 0.0
    instances: tuple[int, ...] = ()

    @property
    def absent(self) -> bool:
        """Whether the scene holds no such thing."""
        return not len(self.positions) and not self.instances


def read_queries(path: Path) -> tuple[LabeledQuery, ...]:
    """Read a query file; keys that it does not know are left alone.

    Raises :class:`SourceError` that names the query and what is wrong with it.
    """
    try:
        entries = read_json(path)["queries"]
    except OSError as error:
        raise SourceError(f"{path}: expected a file of queries: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path}: expected JSON with a list of queries: {error!r}") from error
    if not isinstance(entries, list) or not entries:
        raise SourceError(f"{path}: expected a list of at least one query")
    return tuple(_parse(entry, f"{path}: query {i}") for i, entry in enumerate(entries))


def truth_of(queries: Iterable[LabeledQuery], folder: Path) -> GroundTruth | None:
    """The ground truth in ``folder`` whose instances the queries name; None if they name none.

    Raises :class:`SourceError` if the folder holds no ground truth.
    """
    if not any(query.instances for query in queries):
        return None
    try:
        return read_ground_truth(folder)
    except SourceError as error:
        raise SourceError(
            f"{error}; the queries name instances of it (--ground-truth says where it is)"
        ) from error


def queries_to_json(queries: Iterable[LabeledQuery]) -> list[dict[str, Any]]:
    """The ``queries`` list of a query file."""
    return [_to_json(query) for query in queries]


def _to_json(query: LabeledQuery) -> dict[str, Any]:
    if query.absent:
        return {"text": query.text, "absent": True}
    entry: dict[str, Any] = {"text": query.text}
    if query.instances:
        entry["instances"] = list(query.instances)
    if len(query.positions):
        entry |= {
            "positions": query.positions.tolist(),
            "radius": query.radius_m,
            "max_extent": query.max_extent_m,
        }
    return entry


def _parse(entry: Any, where: str) -> LabeledQuery:
    if not isinstance(entry, dict):
        raise SourceError(f"{where}: expected an object, got {type(entry).__name__}")
    text, absent = entry.get("text"), entry.get("absent", False)
    if not isinstance(text, str) or not text.strip():
        raise SourceError(f"{where}: expected a text, got {text!r}")
    if not isinstance(absent, bool):
        raise SourceError(f"{where}: expected absent to be true or false, got {absent!r}")
    if absent:
        if entry.get("positions") or entry.get("instances"):
            raise SourceError(f"{where}: expected no positions or instances of an absent thing")
        return LabeledQuery(text, np.zeros((0, 3)))
    instances = _instances(entry["instances"], where) if "instances" in entry else ()
    if instances and "positions" not in entry:
        return LabeledQuery(text, np.zeros((0, 3)), instances=instances)
    return LabeledQuery(
        text,
        _positions(entry.get("positions"), where),
        _length(entry.get("radius"), f"{where}: radius"),
        _length(entry.get("max_extent"), f"{where}: max_extent"),
        instances,
    )


def _instances(value: Any, where: str) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)
    if not whole or not value:
        raise SourceError(f"{where}: expected instances, ids of the ground truth, got {value!r}")
    return tuple(value)


def _positions(value: Any, where: str) -> npt.NDArray[np.float64]:
    try:
        positions = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        positions = np.zeros(0)
    if positions.ndim != 2 or positions.shape[1] != 3 or not np.isfinite(positions).all():
        raise SourceError(
            f"{where}: expected instances, or positions [[x, y, z], ...] in meters, got {value!r}"
        )
    return positions


def _length(value: Any, where: str) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise SourceError(f"{where}: expected a positive length in meters, got {value!r}")
    return float(value)
