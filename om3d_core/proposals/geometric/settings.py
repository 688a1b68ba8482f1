"""Settings of the geometric proposer."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class GeometricSettings(Settings):
    """How a cloud is cut into objects."""

    voxel_m: float = setting(
        0.006, "samples are this far apart, or as far as the cloud's points, meters", low=0.002,
        high=0.1,
    )
    plane_tolerance_m: float = setting(
        0.01, "half thickness of a plane (at least one voxel), meters", low=0.002, high=0.1
    )
    segment_scale: float = setting(
        0.3, "scale of the fine segments (Felzenszwalb's k); larger means larger", low=0.01,
        high=10.0,
    )
    color_weight: float = setting(
        0.3, "weight of color against the bend of normals in the fine segments", low=0.0, high=10.0
    )
    max_concave_rad: float = setting(
        0.5, "two segments bent inward by more are two parts, radians", low=0.0, high=3.2
    )
    min_area_m2: float = setting(
        0.001, "smaller masks are dropped, square meters of seen surface", low=0.0, high=1.0
    )
    max_overlap: float = setting(
        0.75, "of two masks with a greater IoU the worse one is dropped", low=0.0, high=1.0
    )

    min_score: float = setting(0.1, "masks with a lower score are dropped", low=0.0, high=1.0)
    max_masks: int = setting(300, "at most this many masks, the best", low=1, high=100_000)
