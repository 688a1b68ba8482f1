"""P3, P4 and P5: how often images and crops are encoded, and how fast."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from om3d_core.bench.clock import seconds
from om3d_core.bench.rows import Bar, CannotMeasureError, Check, Row, measured
from om3d_core.bench.views import look
from om3d_core.bench.workbench import KnownMasks, Workbench, offer, scene_of, spread
from om3d_core.data.frame import Frame
from om3d_core.data.scene import Scene
from om3d_core.errors import reason_of
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.pose_cells import KeyframeSettings
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.views import ViewSettings
from om3d_core.segmenters.base import Segmenter
from om3d_core.segmenters.sam import SamSegmenter, SamSettings
from om3d_core.segmenters.sam_networks import SamNetwork

if TYPE_CHECKING:
    import torch
    from torch import Tensor

EVERY_FRAME = KeyframeSettings(step_m=0.0, step_rad=0.0)
SAM_FRAMES, STREAMED_FRAMES, THROUGHPUT_FRAMES, ROUNDS, ROUNDS_OF_POINTS = 4, 30, 24, 3, 10
SMALL_SAM: dict[str, Any] = {
    "vision_config": {
        "hidden_size": 32, "output_channels": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 64, "patch_size": 8, "window_size": 4,
        "global_attn_indexes": [1], "mlp_dim": 48, "num_pos_feats": 16,
    },
    "prompt_encoder_config": {"hidden_size": 32, "image_size": 64, "patch_size": 8},
    "mask_decoder_config": {
        "hidden_size": 32, "mlp_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
        "iou_head_hidden_dim": 32,
    },
}  # fmt: skip


class CountedSam:
    """A SAM that counts how often its parts run; see SamNetwork."""

    def __init__(self, network: SamNetwork):
        self._network = network
        self.side_px = network.side_px
        self.encodings = 0
        self.decodings = 0

    def place(self, device: torch.device, encoder_dtype: torch.dtype) -> None:
        """See :class:`~om3d_core.segmenters.sam_networks.SamNetwork`."""
        self._network.place(device, encoder_dtype)

    def encode(self, pixels: Tensor) -> Tensor:
        """See :class:`~om3d_core.segmenters.sam_networks.SamNetwork`."""
        self.encodings += 1
        return self._network.encode(pixels)

    def decode(self, embedding: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`~om3d_core.segmenters.sam_networks.SamNetwork`."""
        self.decodings += 1
        return self._network.decode(embedding, points)


def small_sam(folder: Path) -> SamNetwork:
    """Segment Anything, small and of random weights; CannotMeasureError without transformers."""
    try:
        from transformers import SamConfig, SamModel
        from transformers.utils import logging
    except ImportError as error:
        raise CannotMeasureError(
            f"needs transformers (pip install om3d[sam]), got: {reason_of(error)}"
        ) from error
    from om3d_core.segmenters.sam_networks import TransformersSam

    bars: Any = logging
    bars.disable_progress_bar()
    SamModel(SamConfig(**SMALL_SAM)).save_pretrained(folder)
    bars.enable_progress_bar()
    return TransformersSam(folder)


def segmenting(bench: Workbench) -> Row:
    """P3. A small Segment Anything of random weights: how often it runs hangs on no weight."""
    sam = CountedSam(small_sam(bench.folder / "sam"))
    segmenter = SamSegmenter(SamSettings(device="cpu"), sam)
    scene, settings = bench.batch[0], replace(bench.settings, keyframes=EVERY_FRAME)
    mapper = _on_known_masks(bench, scene, settings, segmenter)
    for frame in spread(bench.frames, SAM_FRAMES):
        offer(mapper, frame)
    bench.refresh(mapper)
    views = scene_of(mapper).views
    frames, asked = len(np.unique(views.stamps[views.valid])), int(views.valid.sum())
    if not asked:
        raise CannotMeasureError("the frames see no instance")
    return measured(
        "P3", "encodings a frame", sam.encodings / frames,
        Check("decoder passes a view", sam.decodings / asked, Bar("<=", 1)),
        frames=frames, views=asked, encodings=sam.encodings, decoder_passes=sam.decodings,
        encodings_of_the_original=asked, decoder_passes_of_the_original=ROUNDS_OF_POINTS * asked,
    )  # fmt: skip


def streaming(bench: Workbench) -> Row:
    """P4. Frames in random order, a refresh after each, on a cloud and masks that stay."""
    scene = bench.batch[0]
    frames = spread(bench.frames, STREAMED_FRAMES)
    order = np.random.default_rng(4).permutation(len(frames))
    shuffled = [frames[i] for i in order]
    selection = ViewSettings().selection
    results = {}
    for name in dict.fromkeys((selection, "visible")):
        views = replace(bench.settings.views, selection=name)
        settings = replace(bench.settings, keyframes=EVERY_FRAME, views=views)
        results[name] = _stream(bench, scene, settings, shuffled)
    encoded, bound = results[selection]
    by_pixels = results["visible"]
    return measured(
        "P4", f"encoded of the bound, views by {selection}", encoded / bound,
        Check("encoded of the bound, views by pixels", by_pixels[0] / by_pixels[1],
              Bar("<=", 1)),
        frames=len(frames), instances=len(scene), crops=encoded, bound=bound,
        crops_by_pixels=by_pixels[0], bound_by_pixels=by_pixels[1],
    )  # fmt: skip


def throughput(bench: Workbench) -> Row:
    """P5. The encode stage of a refresh, and the same number of squares of the network's size.

    Both in turns; a stage cuts crops, resizes them and makes thumbnails, the other does not.
    """
    scene, settings = bench.batch[0], replace(bench.settings, keyframes=EVERY_FRAME)
    frames = spread(bench.frames, THROUGHPUT_FRAMES)
    rng = np.random.default_rng(5)
    squares = list(rng.integers(0, 256, (48, 224, 224, 3), np.uint8))
    shares, rates = [], []
    for done in range(ROUNDS):
        bench.job.step("throughput", done, ROUNDS)
        mapper = _on_known_masks(bench, scene, settings)
        for frame in frames:
            offer(mapper, frame)
        made = bench.refresh(mapper)
        batches = max(round(made.crops / len(squares)), 1)
        alone_s = sum(
            seconds(encoder.encode_images, squares)
            for encoder in bench.encoders
            for _ in range(batches)
        )
        inside = made.crops / made.stages["encode"]
        alone = batches * len(squares) / alone_s
        shares.append(inside / alone)
        rates.append((inside, alone))
    return measured(
        "P5", "of the encoder's throughput", statistics.median(shares),
        crops=made.crops, crops_a_second_inside_and_alone=rates, batch=len(squares),
    )  # fmt: skip


def _on_known_masks(
    bench: Workbench, scene: Scene, settings: MapSettings, segmenter: Segmenter | None = None
) -> Mapper:
    """A mapper that has a scene's cloud and masks, and no frame."""
    mapper = bench.mapper(settings, KnownMasks(scene.masks), segmenter=segmenter)
    mapper.set_cloud(scene.cloud)
    return mapper


def _stream(
    bench: Workbench, scene: Scene, settings: MapSettings, frames: Sequence[Frame]
) -> tuple[int, float]:
    """Crops encoded, and the bound: k (1 + ln(n / k)) views of an instance that n frames see."""
    mapper = _on_known_masks(bench, scene, settings)
    for done, frame in enumerate(frames):
        bench.job.step("stream", done, len(frames))
        offer(mapper, frame)
        mapper.refresh()
    seen = np.stack([look(scene.cloud.points, f, scene.masks, settings.visibility).pixels
                     for f in frames])  # fmt: skip
    seen_by = (seen >= max(settings.views.min_pixels, 1)).sum(axis=0)
    k = settings.views.top_k
    views = sum(n if n <= k else k * (1 + math.log(n / k)) for n in seen_by.tolist())
    return mapper.counts.crops_encoded, views * settings.crops.levels
