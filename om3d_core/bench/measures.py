"""Which function measures which row; those of the nodes are added by who has ROS."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from om3d_core.bench import crops, growth, query, scoring, sparse_network, views, whole_map
from om3d_core.bench.rows import Row
from om3d_core.bench.workbench import Workbench

Measure = Callable[[Workbench], Row]

CORE: Mapping[str, Measure] = {
    "P1": views.visibility,
    "P2": views.choices,
    "P3": crops.segmenting,
    "P4": crops.streaming,
    "P5": crops.throughput,
    "P6": query.asking,
    "P8": scoring.scoring,
    "P9": whole_map.duration,
    "P10": whole_map.memory,
    "P11": growth.entering,
    "P12": sparse_network.convolving,
    "P13": growth.crops_anew,
    "P14": growth.stable_ids,
    "P15": growth.farther,
}
