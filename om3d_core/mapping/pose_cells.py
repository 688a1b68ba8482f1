"""Which frames are of one place: cells of position and viewing direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.settings import Settings, setting

Cell = tuple[int, ...]


@dataclass(frozen=True)
class KeyframeSettings(Settings):
    """Which frames are kept, and where."""

    step_m: float = setting(
        0.08, "side of the cells of camera position of which the best frame is kept (m)",
        low=0.0, high=10.0,
    )
    step_rad: float = setting(
        0.12, "size of the cells of viewing direction of which the best frame is kept (rad)",
        low=0.0, high=3.2,
    )
    max_frames: int = setting(
        2000, "most keyframes kept; beyond it, one goes whose places others see too",
        low=1, high=1_000_000,
    )
    memory_mb: int = setting(
        400, "memory for keyframes, encoded and decoded, before they go to disk (MB)",
        low=1, high=1_000_000,
    )
    jpeg_quality: int = setting(
        95, "quality of the JPEG that keeps the color of a keyframe; 0 keeps it lossless, as PNG",
        low=0, high=100,
    )

    @property
    def one_a_cell(self) -> bool:
        """Whether poses share cells; with a step of 0 every frame has its own."""
        return self.step_m > 0.0 and self.step_rad > 0.0


def pose_cell(map_from_camera: npt.NDArray[np.float64], settings: KeyframeSettings) -> Cell | None:
    """The cell of position and viewing direction of a pose; None if every pose has its own."""
    if not settings.one_a_cell:
        return None
    position = np.floor(map_from_camera[:3, 3] / settings.step_m)
    axes = np.floor(map_from_camera[:3, 1:3].ravel() / settings.step_rad)
    return tuple(int(v) for v in np.concatenate([position, axes]))
