"""What is asked of a place to stand."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class StandingSettings(Settings):
    """The robot, and how it stands at an instance."""

    robot_radius_m: float = setting(
        0.3, "radius of the circle that the robot turns in (m)", low=0.01, high=5.0
    )
    half_width_m: float = setting(
        0.0, "half of the narrowest passage that the robot drives through (m); 0: robot_radius_m",
        low=0.0, high=5.0,
    )
    clearance_m: float = setting(
        0.05, "free room around that circle at the goal (m)", low=0.0, high=5.0
    )
    stand_off_m: float = setting(
        0.6, "wanted distance from the middle of the robot to the box of the instance (m); never"
        " less than robot_radius_m and clearance_m", low=0.0, high=10.0,
    )
    max_stand_off_m: float = setting(1.5, "largest such distance (m)", low=0.1, high=10.0)
    occupied_above: int = setting(
        65, "occupancy above which a cell is an obstacle; 99 for a costmap of Nav2, whose"
        " obstacles are 100", low=0, high=99,
    )
    unknown_is_free: bool = setting(False, "stand on and drive through unknown cells")
    robot_height_m: float = setting(
        1.0, "height of the robot, and of its camera, over the plane of the grid (m): what the map"
        " holds below it is an obstacle at the goal; 0: the grid alone tells obstacles",
        low=0.0, high=10.0,
    )
    floor_m: float = setting(
        0.1, "what the map holds up to this height over the plane of the grid is floor (m)",
        low=0.0, high=1.0,
    )

    @property
    def nearest_m(self) -> float:
        """Smallest distance from the middle of the robot to the box of the instance."""
        return self.robot_radius_m + self.clearance_m

    @property
    def passage_m(self) -> float:
        """Smallest distance from the middle of the robot to an obstacle as it drives."""
        return min(self.half_width_m or self.robot_radius_m, self.robot_radius_m)
