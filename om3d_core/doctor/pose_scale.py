"""The unit of poses by which frames agree, for poses of a scale of their own."""

from __future__ import annotations

from collections.abc import Sequence

from om3d_core.doctor.agreement import Look, agreement
from om3d_core.doctor.cures import Cure, scaled
from om3d_core.doctor.peak import find_peak

LEAST, MOST, TRIED = 0.03, 30.0, 120
"""Units a meter that are tried."""


def pose_scale_cure(looks: Sequence[Look]) -> Cure | None:
    """The units a meter of poses by which frames of metric depth agree best, as those of COLMAP
    and of SLAM by one camera are of no known scale; None where it is not clear."""

    def share(units_per_m: float, near_m: float) -> float:
        found = agreement([scaled(look, units_per_m) for look in looks], near_m)
        return found.share if found.judged else 0.0

    units = find_peak(share, LEAST, MOST, TRIED)
    if units is None:
        return None
    return Cure(
        "pose units", f"the poses have a scale of their own, {units:.4g} units a meter",
        lambda look: scaled(look, units), f"divide their translations by {units:.4g}",
        f"--folder.pose_units_per_m {units:.4g}",
    )  # fmt: skip
