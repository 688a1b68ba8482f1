"""How streams of messages become frames."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class PoseSettings(Settings):
    """Where the camera's pose in the map frame comes from."""

    source: str = setting(
        "odometry",
        "odometry: nav_msgs/Odometry on `odometry`, pose: geometry_msgs/PoseStamped on `pose`; "
        "either is the pose of the camera's optical frame",
        choices=("odometry", "pose"),
    )
    max_gap_s: float = setting(
        0.5, "longest time between two poses that is interpolated (s)", low=0.001, high=10.0
    )


@dataclass(frozen=True)
class SyncSettings(Settings):
    """Pairing of color, depth and camera_info."""

    slop_s: float = setting(
        0.01, "largest difference of stamps within a frame (s); less than half a frame period",
        low=0.0, high=1.0,
    )
    wait_s: float = setting(
        1.0, "time by stamps that an image waits for partners and pose (s)", low=0.05, high=10.0
    )
    capacity: int = setting(
        30, "most images a topic that wait for partners or pose", low=2, high=1000
    )
