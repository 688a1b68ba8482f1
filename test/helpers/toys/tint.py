"""A toy encoder: a crop is its mean color."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.settings import Settings, setting

GRAY = 60
WORDS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}


@dataclass(frozen=True)
class TintSettings(Settings):
    """How colors are weighed."""

    red_gain: float = setting(1.0, "weight of red against green and blue", low=0.1, high=10.0)


class TintEncoder:
    """Crops and the words red, green and blue as unit vectors of color."""

    def __init__(self, settings: TintSettings):
        self._gain = np.array([settings.red_gain, 1.0, 1.0])
        self.spaces = (FeatureSpace("tint@1", 3, text=True, image=True, encoder="tint"),)

    def encode_images(
        self, crops: Sequence[npt.NDArray[np.uint8]]
    ) -> dict[str, npt.NDArray[np.float32]]:
        """See Encoder."""
        return self._unit([crop.reshape(-1, 3).mean(axis=0) - GRAY for crop in crops])

    def encode_texts(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """See Encoder."""
        return self._unit([np.array(WORDS.get(text, (1, 1, 1)), np.float64) for text in texts])

    def _unit(self, rows: list[npt.NDArray[np.float64]]) -> dict[str, npt.NDArray[np.float32]]:
        table = np.array(rows).reshape(-1, 3) * self._gain
        table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
        return {"tint@1": table.astype(np.float32)}
