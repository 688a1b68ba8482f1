"""Segment Anything: the mask of an instance in a view, grown from its visible points.

OpenMask3D encodes the image anew for every instance in it; here an image is encoded once, and all
rounds of points of an instance are one batch, of which only the chosen mask is enlarged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from om3d_core.errors import expect
from om3d_core.models.catalog import SAM_HUGE, require
from om3d_core.models.devices import DEVICES, DTYPES, choose_device, choose_dtype
from om3d_core.segmenters.prompts import best_round, point_rounds
from om3d_core.segmenters.sam_networks import SamNetwork, load_sam
from om3d_core.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SamSettings(Settings):
    """How SAM grows masks."""

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


class SamSegmenter:
    """SAM prompted with random visible points; see :class:`~om3d_core.segmenters.base.Segmenter`.

    Of ``rounds`` masks from ``points`` points each, that of the highest predicted IoU is taken.
    An empty mask, or none predicted to be better than nothing, is no answer.
    """

    types = ("sam", ".pth")

    def __init__(self, settings: SamSettings | None = None, network: SamNetwork | None = None):
        """``network``: use this one instead of the one that the settings name."""
        self._settings = settings = settings or SamSettings()
        self._device = choose_device(settings.device)
        self._network = network or load_sam(require(settings.model, "sam.model"))
        self._network.place(self._device, choose_dtype(settings.dtype, self._device))
        self._batch_size = 1 if self._device.type == "cpu" else settings.batch_size

    def segment(
        self,
        rgb: npt.NDArray[np.uint8],
        pixels: Sequence[npt.NDArray[np.int32]],
        seeds: Sequence[int],
    ) -> list[Mask | None]:
        """A mask (H, W) for each instance or None; see Segmenter."""
        import torch

        expect(len(pixels) == len(seeds), f"{len(pixels)} seeds", len(seeds))
        expect(all(map(len, pixels)), "at least one pixel of each instance", "none")
        if not pixels:
            return []
        s, width = self._settings, rgb.shape[1]
        rounds = [
            point_rounds(p, width, s.rounds, s.points, np.random.default_rng([s.seed, seed]))
            for p, seed in zip(pixels, seeds, strict=True)
        ]
        masks: list[Mask | None] = [None] * len(pixels)
        with torch.inference_mode():
            embedding, size = self._encode(rgb)
            for rows in _same_length(rounds, self._batch_size):
                for row, mask in zip(rows, self._grow(
                    embedding, [rounds[row] for row in rows], size, rgb.shape[:2]
                ), strict=True):
                    masks[row] = mask
        return masks

    def _encode(self, rgb: npt.NDArray[np.uint8]) -> tuple[Tensor, tuple[int, int]]:
        """The embedding of an image, and its height and width in the encoded square."""
        import torch

        side = self._network.side_px
        scale = side / max(rgb.shape[:2])
        height, width = (max(1, int(length * scale + 0.5)) for length in rgb.shape[:2])
        image = Image.fromarray(np.ascontiguousarray(rgb)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        pixels = torch.tensor(np.asarray(image)).to(self._device).permute(2, 0, 1).float()
        mean, std = (torch.tensor(v, device=self._device)[:, None, None] for v in (MEAN, STD))
        square = torch.zeros((1, 3, side, side), device=self._device)
        square[0, :, :height, :width] = (pixels - mean) / std
        return self._network.encode(square), (height, width)

    def _grow(
        self,
        embedding: Tensor,
        rounds: Sequence[npt.NDArray[np.int64]],
        size: tuple[int, int],
        image_size: tuple[int, int],
    ) -> Iterator[Mask | None]:
        """The masks of some instances, whose rounds have the same number of points.

        The batch is filled up with its last instance, so that every pass has one shape.
        """
        import torch

        filled = [*rounds, *[rounds[-1]] * (self._batch_size - len(rounds))]
        scale = np.array([size[1] / image_size[1], size[0] / image_size[0]])
        points = torch.tensor(np.concatenate(filled) * scale, dtype=torch.float32)
        logits, iou = self._network.decode(embedding, points.to(self._device))
        logits = logits.reshape(len(filled), -1, *logits.shape[1:])
        predicted = iou.reshape(len(filled), -1).float().cpu().numpy()
        for i in range(len(rounds)):
            best = best_round(predicted[i])
            yield None if best is None else self._enlarge(logits[i, best], size, image_size)

    def _enlarge(
        self, logits: Tensor, size: tuple[int, int], image_size: tuple[int, int]
    ) -> Mask | None:
        """The mask in the image of logits (h, w) in the encoded square; None if it is empty."""
        from torch.nn.functional import interpolate

        side = self._network.side_px
        square = interpolate(logits[None, None], (side, side), mode="bilinear")
        image = interpolate(
            square[:, :, : size[0], : size[1]], tuple(image_size), mode="bilinear"
        )
        mask: Mask = (image[0, 0] > 0).cpu().numpy()
        return mask if mask.any() else None


def _same_length(
    rounds: Sequence[npt.NDArray[np.int64]], batch_size: int
) -> Iterator[list[int]]:
    """Indices of the rounds in batches of the same number of points."""
    groups: dict[int, list[int]] = {}
    for row, points in enumerate(rounds):
        groups.setdefault(points.shape[1], []).append(row)
    for rows in groups.values():
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size]
