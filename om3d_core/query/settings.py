"""How a question is answered."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.query.aggregation import AGGREGATIONS, OUTLIER_DISTANCE, OUTLIER_SHARE
from om3d_core.settings import Settings, setting

AS_FOR_TEXT = "same"


@dataclass(frozen=True)
class QuerySettings(Settings):
    """How a question is answered."""

    top_k: int = setting(5, "most matches in an answer", low=1, high=1_000_000)
    aggregation: str = setting(
        "mean",
        "views of an instance combined: mean of the features of views or of all crops, mean or"
        " max of the views' similarities, or the features' largest value in each dimension",
        choices=AGGREGATIONS,
    )
    image_aggregation: str = setting(
        AS_FOR_TEXT, "views combined where the question is a picture; same: as aggregation says",
        choices=(AS_FOR_TEXT, *AGGREGATIONS),
    )
    remove_outliers: bool = setting(
        False, "leave out views unlike the others (DBSCAN), as OpenMask3D++ does"
    )
    image_outliers: bool = setting(
        True, "where outliers are removed, do so where the question is a picture too"
    )
    outlier_distance: float = setting(
        OUTLIER_DISTANCE, "cosine distance within which two views are alike", low=0.0, high=2.0
    )
    outlier_share: float = setting(
        OUTLIER_SHARE, "share of an instance's views that must be alike", low=0.0, high=1.0
    )
    usual_sizes: bool = setting(
        True, "weigh instances by how usual their size is for the thing asked for by text, where"
        " its size is known (om3d_core/query/things.toml)"
    )
    printed_text: bool = setting(
        True, "weigh instances by words that were read on them and that a question names"
    )
    detections: bool = setting(
        True, "weigh instances by what a detector took them for, where the map was made with one"
    )
    include_structure: bool = setting(False, "rank floor, walls and ceiling too")
    language: bool = setting(
        True, "understand colors, sizes, relations, exclusions and numbers in a question; else"
        " its text goes to the encoder as it is",
    )
    present_threshold: float = setting(
        0.5, "probability from which a match is said to be present", low=0.0, high=1.0
    )
