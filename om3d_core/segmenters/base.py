"""What a segmenter is. See the README of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt


class Segmenter(Protocol):
    """Grows the masks of instances in an image from pixels that are known to be theirs."""

    def segment(
        self,
        rgb: npt.NDArray[np.uint8],
        pixels: Sequence[npt.NDArray[np.int32]],
        seeds: Sequence[int],
    ) -> list[npt.NDArray[np.bool_] | None]:
        """A mask (H, W), not empty, for each instance, or None where it cannot tell.

        rgb: (H, W, 3) uint8. pixels: of each instance the flat indices ``y * W + x`` that show
        it, ascending, at least one. seeds: of each instance, at least 0, for random choices.
        The image is encoded once; a mask depends on its own pixels and seed only, on a CPU bit
        for bit.
        """
