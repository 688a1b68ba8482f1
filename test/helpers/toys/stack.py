"""A toy source: frames stacked in a file ``NAME.stack``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.settings import Settings, setting
from om3d_core.sources.base import SkipCount


@dataclass(frozen=True)
class StackSettings(Settings):
    """How a stack is read."""

    step: int = setting(1, "use every step-th frame", low=1)


class StackSource:
    """A stack of frames."""

    layout = "a .stack file"

    def __init__(self, path: Path, settings: StackSettings, streams=None):
        self.skipped = SkipCount()
        with np.load(path, allow_pickle=False) as file:
            camera = file["camera"].tolist()
            names = [name for name in file.files if name != "camera"]
            arrays = {name: file[name][:: settings.step] for name in names}
        height, width = arrays["depth"].shape[1:]
        intrinsics = Intrinsics(*camera, width, height)
        self._frames = [
            Frame(rgb, depth, intrinsics, pose, int(stamp))
            for rgb, depth, pose, stamp in zip(
                arrays["rgb"], arrays["depth"], arrays["map_from_camera"], arrays["stamp_ns"],
                strict=True,
            )
        ]

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether the file has the suffix."""
        return path.suffix == ".stack" and path.is_file()

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def cloud(self) -> Cloud | None:
        """It has none."""
        return None
