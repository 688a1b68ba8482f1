"""The rows of the OpenMask3D++ paper's tables, and the numbers that it prints."""

from __future__ import annotations

from dataclasses import dataclass, replace

from om3d_core.evaluation.assign import PROMPT
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.views import ViewSettings
from om3d_core.presets import read_preset
from om3d_core.settings import Value, flatten

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
    Row("bearing", "Bearing views (om3d)", selection="bearing"),
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


# fmt: off
ORIGINALS = ("scannet200", "scannetpp", "replica")
VAL, ALL = "scannet200_val.ckpt", "scannet200_model.ckpt"
"""Mask3D of the training split, for its validation split; and of both, for everything else."""

MAP_VALUES: dict[str, tuple[Value, Value, Value]] = {
    # over the preset openmask3d_pp  ScanNet200  ScanNet++  Replica
    "mask3d.checkpoint":            (VAL,       ALL,       ALL),
    "mask3d.color_normalization":   ("dataset", "unit",    "unit"),
    "mask3d.segments":              ("dataset", "none",    "none"),
    "mask3d.num_queries":           (150,       120,       120),
    "visibility.depth_tolerance_m": (0.2,       0.1,       0.2),
}
SCENE_VALUES: dict[str, tuple[Value | None, Value | None, Value | None]] = {
    # over the data set's own      ScanNet200    ScanNet++     Replica
    "step":                       (10,           15,           10),
    "point_step":                 (None,         3,            None),
    "intrinsics_scaling":         ("openmask3d", "openmask3d", None),
    "first_intrinsics":           (None,         True,         None),
}
"""What the originals' scripts for the data sets do otherwise; None where there is no such setting.

Neither original publishes a script for Replica: its column is OpenMask3D's for single scenes.
"""
# fmt: on

N_VIEWS = 5
"""Views of a mask that a row chooses."""
ALL_VIEWS: dict[str, Value] = {
    "views.selection": "visible",
    "views.top_k": 10,
    "views.preselection": 10,
}
"""The ten most visible views are encoded; every row chooses its own among them."""


@dataclass(frozen=True)
class TablePlan:
    """How the table of a data set is made.

    paper_top_k: candidate labels that the paper scores. preset: settings of the map, over which
    map_values go; as many views are encoded as ``views.top_k`` says. scene_values: settings of
    the data set's scenes. prompt: the text for a label. encoders: the first, and perhaps the
    second.
    """

    title: str
    paper_top_k: int
    preset: str
    map_values: dict[str, Value]
    scene_values: dict[str, Value]
    prompt: str
    encoders: tuple[str, ...]

    def settings_values(self, preset: str = "") -> dict[str, Value]:
        """The settings of the map by dotted name. preset: taken instead of all of the plan's."""
        groups = {leaf.name.partition(".")[0] for leaf in flatten(MapSettings)}
        given = read_preset(preset or self.preset) if preset or self.preset else {}
        values = {n: v for n, v in given.items() if n.partition(".")[0] in groups}
        return {**values, **({} if preset else self.map_values), **ALL_VIEWS}


def _original(dataset: str, title: str, paper_top_k: int) -> TablePlan:
    column = ORIGINALS.index(dataset)
    given = {name: row[column] for name, row in SCENE_VALUES.items()}
    return TablePlan(
        title,
        paper_top_k,
        preset="openmask3d_pp",
        map_values={name: row[column] for name, row in MAP_VALUES.items()},
        scene_values={name: value for name, value in given.items() if value is not None},
        prompt=PROMPT,
        encoders=("clip", "siglip"),
    )


PLANS = {
    "scannet200": _original("scannet200", "Table 1, ScanNet200, first 40 scenes of validation", 1),
    "scannetpp": _original("scannetpp", "Table 2, ScanNet++, 40 scenes of validation", 5),
    "replica": _original("replica", "Replica, 8 scenes (not in the paper)", 1),
    "synth": TablePlan(
        title="Synthetic rooms (not in the paper)",
        paper_top_k=1,
        preset="",
        map_values={},
        scene_values={},
        prompt="{}",
        encoders=("lite",),
    ),
}
