"""What a scene of a labeled data set is, and how its missing files are reported."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.errors import SourceError
from om3d_core.settings import Settings
from om3d_core.sources.base import Frames
from om3d_core.sources.datasets import REGISTRY


class DatasetScene(ABC):
    """A Source whose cloud carries ground truth."""

    def __init__(self, frames: Frames):
        self._frames, self.skipped = frames, frames.skipped

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    @abstractmethod
    def cloud(self) -> Cloud:
        """The scene's reconstruction, with the segments that the data set ships, if any."""

    @abstractmethod
    def ground_truth(self) -> npt.NDArray[np.int64]:
        """(P,) ``label id * 1000 + instance`` of each point of the cloud, 0 where it has none."""


@dataclass(frozen=True)
class Origin:
    """Where a data set comes from, for messages about missing files."""

    title: str
    homepage: str
    license: str

    def require(self, scene: str, files: Mapping[str, Path]) -> None:
        """Raise SourceError that names every file of ``files`` (what it is: path) not there."""
        missing = [f"{path} ({what})" for what, path in files.items() if not path.exists()]
        if missing:
            raise SourceError(
                f"{scene}: {self.title} lacks {'; '.join(missing)}. Get it from {self.homepage} "
                f"({self.license})"
            )


def settings_type(dataset: str) -> type[Settings]:
    """The settings of a data set's scenes. Raises SettingsError for an unknown data set."""
    return REGISTRY.settings_type(dataset) or Settings


def open_dataset_scene(
    dataset: str, root: Path, scene: str, settings: Settings | None = None
) -> DatasetScene:
    """A scene by name in the folder where the data set lies, in its official layout.

    settings: of the type that :func:`settings_type` gives. Raises SettingsError for an unknown
    data set and SourceError for missing or damaged files.
    """
    factory: Callable[[Path, str, Settings], DatasetScene] = REGISTRY.implementation(dataset)
    if not scene or Path(scene).name != scene or scene in {".", ".."}:
        raise SourceError(f"expected the name of a scene, got {scene!r}")
    return factory(Path(root), scene, settings or settings_type(dataset)())
