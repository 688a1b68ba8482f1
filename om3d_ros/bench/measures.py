"""Which function measures which row about the nodes."""

from __future__ import annotations

from collections.abc import Mapping

from om3d_core.bench.measures import Measure
from om3d_ros.bench import live, messages

NODES: Mapping[str, Measure] = {
    "P7": live.full_rate,
    "P16": messages.unchanged,
    "P17": messages.answers,
    "P18": live.used,
}
