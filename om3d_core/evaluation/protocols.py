"""Rules of the closed-vocabulary evaluation: as in the OpenMask3D++ paper, or comparable."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class Protocol(Settings):
    """How labeled predictions are scored. The defaults give numbers that compare with others'."""

    uniform_scores: bool = setting(
        False, "give every prediction the score 1, as OpenMask3D does, so that nothing is ranked"
    )
    oracle: bool = setting(
        False, "of a mask's candidate labels let the ground truth choose the one that overlaps"
        " most, as the top-5 of OpenMask3D++; else each candidate is a prediction of its own",
    )
    stop_at_unscored: bool = setting(
        False, "a candidate label that is not scored hides those after it, as in OpenMask3D++"
    )
    zero_is_a_class: bool = setting(
        False, "read ground truth by division alone, as OpenMask3D++: points without a label"
        " count as class 0 instead of void, and instances of class 0 are never found",
    )
    carry_average_recall: bool = setting(
        False, "the average recall of a class without ground truth repeats that of the class"
        " before it, as in OpenMask3D",
    )
    min_region_points: int = setting(
        100, "smaller predictions and ground-truth instances do not count, points", low=1
    )


PROTOCOLS = {
    "benchmark": Protocol(),
    "paper": Protocol(
        uniform_scores=True, oracle=True, stop_at_unscored=True, zero_is_a_class=True
    ),
}
