"""What a detector is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Detection:
    """A thing that was seen: its class, how sure that is, 0..1, and its box in pixels.

    box: x1, y1, x2, y2; it may reach beyond the image.
    """

    name: str
    confidence: float
    box: tuple[float, float, float, float]


class Detector(Protocol):
    """Finds things of the classes that it knows."""

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """What is in each RGB image (h, w, 3) uint8; it depends on that image only."""
