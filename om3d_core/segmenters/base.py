"""What a segmenter is, its settings, and how to get one by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from om3d_core.models.catalog import SAM_HUGE
from om3d_core.models.devices import DEVICES, DTYPES
from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class SegmenterSettings(Settings):
    """Whether and how crops are refined by a 2D mask."""

    method: str = setting(
        "none", "none: a crop is the box of the visible points; sam: that of the mask which"
        " Segment Anything grows from them, as in OpenMask3D",
        choices=("none", "sam"),
    )
    model: str = setting(
        SAM_HUGE.name, "checkpoint of the segment-anything package (a .pth file or its name), or"
        " folder or name on the Hugging Face hub of a SAM of transformers",
    )
    rounds: int = setting(
        10, "masks tried of a view, from other points each; the best is kept", low=1, high=100
    )
    points: int = setting(5, "visible points that a mask is grown from", low=1, high=100)
    seed: int = setting(
        0, "choice of the points; the same choice for the same visible points in the same view,"
        " where OpenMask3D's is random",
        low=0, high=2**31 - 1,
    )
    device: str = setting(
        "auto", "where the network runs; auto takes a GPU if there is one", choices=DEVICES
    )
    dtype: str = setting(
        "auto", "precision of the image encoder; auto: float16 on a GPU, float32 on a CPU",
        choices=DTYPES,
    )
    batch_size: int = setting(
        8, "views whose masks are grown in a pass on a GPU; on a CPU one", low=1, high=256
    )


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


def create_segmenter(settings: SegmenterSettings) -> Segmenter | None:
    """The segmenter that the settings name; its weights load here. None for ``none``.

    Raises :class:`ModelError` if weights are missing.
    """
    from om3d_core.registry import lookup
    from om3d_core.segmenters import REGISTRY

    if settings.method == "none":
        return None
    segmenter: Segmenter = lookup(REGISTRY, settings.method, "segmenter")(settings)
    return segmenter
