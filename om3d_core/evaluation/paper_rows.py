"""The rows of the OpenMask3D++ paper's tables, and the numbers that it prints."""

from __future__ import annotations

from dataclasses import dataclass, replace

from om3d_core.settings import Value
from om3d_core.views import ViewSettings

Numbers = tuple[float, float, float]
"""AP, AP50 and AP25 in percent."""


@dataclass(frozen=True)
class Row:
    """One modification of the pipeline, alone.

    selection, aggregation, remove_outliers: as in the settings of views and of queries.
    second_encoder: whether the features are the second encoder's (SigLIP in the paper).
    """

    name: str
    title: str
    selection: str = "visible"
    aggregation: str = "mean_similarity"
    remove_outliers: bool = False
    second_encoder: bool = False

    def views(self, given: ViewSettings, top_k: int) -> ViewSettings:
        """The settings that choose the row's views among those that were encoded."""
        return replace(given, selection=self.selection, top_k=top_k)


ROWS = (
    Row("base", "Base"),
    Row("max", "Base + max aggr.", aggregation="max"),
    Row("diverse", "Base + diverse views", selection="diverse"),
    Row("outliers", "Base + outlier removal", remove_outliers=True),
    Row("siglip", "Base + SigLIP emb.", second_encoder=True),
    Row("bearing", "Base + bearing views (om3d)", selection="bearing"),
)

PAPER: dict[str, dict[str, Numbers]] = {
    "scannet200": {
        "base": (11.1, 13.5, 13.8),
        "max": (12.5, 15.4, 15.8),
        "diverse": (9.1, 10.8, 11.3),
        "outliers": (11.0, 13.8, 14.4),
        "siglip": (11.0, 13.8, 14.4),
    },
    "scannetpp": {
        "base": (7.6, 11.2, 14.6),
        "max": (7.4, 11.0, 13.8),
        "diverse": (7.8, 11.6, 14.4),
        "outliers": (8.1, 11.6, 14.8),
        "siglip": (11.2, 16.3, 20.1),
    },
}
"""Tables 1 and 2 of the paper. The last two rows of Table 1 are equal in print."""


@dataclass(frozen=True)
class TablePlan:
    """How the table of a data set is made.

    paper_top_k: candidate labels that the paper scores. views: kept a row. map_values: settings of
    the map by dotted name; as many views are encoded as its ``views.top_k`` says. prompt: the text
    for a label. encoders: the first and the second.
    """

    title: str
    paper_top_k: int
    views: int
    map_values: dict[str, Value]
    prompt: str
    encoders: tuple[str, ...]


PROMPT = "a {} in a scene"
FAITHFUL: dict[str, Value] = {
    "keyframes.step_m": 0.0,
    "keyframes.max_frames": 100_000,
    "visibility.pixel": "truncated",
    "visibility.require_front": False,
    "visibility.require_depth": False,
    "visibility.double_precision": True,
    "views.selection": "visible",
    "views.top_k": 10,
    "views.preselection": 10,
    "views.min_pixels": 0,
    "views.repeat": True,
}
"""Settings of the map that OpenMask3D++ is run with."""

PLANS = {
    "scannet200": TablePlan(
        "Table 1, ScanNet200, first 40 scenes of validation",
        1,
        5,
        {**FAITHFUL, "visibility.depth_tolerance_m": 0.2},
        PROMPT,
        ("clip", "siglip"),
    ),
    "scannetpp": TablePlan(
        "Table 2, ScanNet++, 40 scenes of validation",
        5,
        5,
        {**FAITHFUL, "visibility.depth_tolerance_m": 0.1},
        PROMPT,
        ("clip", "siglip"),
    ),
    "replica": TablePlan(
        "Replica, 8 scenes (not in the paper)",
        1,
        5,
        {**FAITHFUL, "visibility.depth_tolerance_m": 0.2},
        PROMPT,
        ("clip", "siglip"),
    ),
    "synth": TablePlan(
        "Synthetic rooms (not in the paper)",
        1,
        5,
        {"views.selection": "visible", "views.top_k": 10, "views.preselection": 10},
        "{}",
        ("lite",),
    ),
}
