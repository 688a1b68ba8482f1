"""The two publications of Segment Anything (Kirillov et al. 2023) behind one interface."""

from __future__ import annotations

import importlib.util
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from om3d_core.errors import ModelError, reason_of
from om3d_core.formats.torch_files import read_tensors
from om3d_core.models.pretrained import load_pretrained, read_config

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PACKAGE = "segment_anything"
SIDE_PX, PATCH_PX, WINDOW, PROMPT_DIM = 1024, 16, 14, 256


class SamNetwork(Protocol):
    """An image encoder and a mask decoder. side_px: of the square image that is encoded."""

    side_px: int

    def place(self, device: torch.device, encoder_dtype: torch.dtype) -> None:
        """Move the network; the decoder stays in float32."""

    def encode(self, pixels: Tensor) -> Tensor:
        """The embedding of a normalized image (1, 3, side, side) float32."""

    def decode(self, embedding: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Mask logits (B, h, w) and predicted IoU (B,) of points (B, n, 2) x, y in the square."""


class PublishedSam:
    """A checkpoint of the segment-anything package, such as sam_vit_h_4b8939.pth.

    The sizes of the network are those of its weights. Nothing is unpickled.
    """

    side_px = SIDE_PX

    def __init__(self, checkpoint: Path):
        self._network = _build(sam_modules(), _read_weights(checkpoint), checkpoint)

    def place(self, device: torch.device, encoder_dtype: torch.dtype) -> None:
        """See :class:`SamNetwork`."""
        self._network.to(device).float()
        self._network.image_encoder.to(encoder_dtype)

    def encode(self, pixels: Tensor) -> Tensor:
        """See :class:`SamNetwork`."""
        encoder = self._network.image_encoder
        embedding: Tensor = encoder(pixels.to(next(encoder.parameters()).dtype)).float()
        return embedding

    def decode(self, embedding: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`SamNetwork`."""
        import torch

        labels = torch.ones(points.shape[:2], dtype=torch.int32, device=points.device)
        prompt_encoder = self._network.prompt_encoder
        sparse, dense = prompt_encoder(points=(points, labels), boxes=None, masks=None)
        logits, iou = self._network.mask_decoder(
            image_embeddings=embedding,
            image_pe=prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        return logits[:, 0], iou[:, 0]


class TransformersSam:
    """A SAM of the transformers library, such as facebook/sam-vit-huge."""

    def __init__(self, folder: Path):
        read_config(folder, ("sam",))
        self._network = load_pretrained(folder)
        self.side_px = int(self._network.config.vision_config.image_size)

    def place(self, device: torch.device, encoder_dtype: torch.dtype) -> None:
        """See :class:`SamNetwork`."""
        self._network.to(device).float()
        self._network.vision_encoder.to(encoder_dtype)

    def encode(self, pixels: Tensor) -> Tensor:
        """See :class:`SamNetwork`."""
        encoder = self._network.vision_encoder
        embedding: Tensor = encoder(pixels.to(next(encoder.parameters()).dtype))[0].float()
        return embedding

    def decode(self, embedding: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`SamNetwork`."""
        import torch

        labels = torch.ones(points.shape[:2], dtype=torch.int64, device=points.device)
        output = self._network(
            image_embeddings=embedding,
            input_points=points[None],
            input_labels=labels[None],
            multimask_output=False,
        )
        return output.pred_masks[0, :, 0], output.iou_scores[0, :, 0]


def load_sam(path: Path) -> SamNetwork:
    """The network in a folder of transformers or a file of the segment-anything package."""
    return TransformersSam(path) if path.is_dir() else PublishedSam(path)


def sam_modules() -> ModuleType:
    """The networks of the segment-anything package.

    Its top level wants torchvision, and that the build of PyTorch; the networks need neither, so
    their sub-package is imported by itself.
    """
    name = f"om3d_core.segmenters._{PACKAGE}"
    if name in sys.modules:
        return sys.modules[name]
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise ModelError("expected the package segment-anything (pip install om3d[sam])")
    folder = Path(package.submodule_search_locations[0]) / "modeling"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None or not folder.is_dir():
        raise ModelError(f"expected the package segment-anything 1.0, got none in {folder.parent}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _read_weights(checkpoint: Path) -> dict[str, Tensor]:
    weights = read_tensors(checkpoint)
    if not weights:
        raise ModelError(f"{checkpoint}: expected named weights, got none")
    return weights


def _build(modeling: Any, weights: dict[str, Tensor], checkpoint: Path) -> Any:
    """The network that the weights fit exactly."""
    import torch

    try:
        width = weights["image_encoder.patch_embed.proj.weight"].shape[0]
        depth = 1 + max(int(n.split(".")[2]) for n in weights if n.startswith("image_encoder.bl"))
        reach = [
            weights[f"image_encoder.blocks.{i}.attn.rel_pos_h"].shape for i in range(depth)
        ]
        with torch.device("meta"):
            network = modeling.Sam(
                image_encoder=modeling.ImageEncoderViT(
                    depth=depth,
                    embed_dim=width,
                    img_size=SIDE_PX,
                    mlp_ratio=weights["image_encoder.blocks.0.mlp.lin1.weight"].shape[0] / width,
                    norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
                    num_heads=width // reach[0][1],
                    patch_size=PATCH_PX,
                    qkv_bias=True,
                    use_rel_pos=True,
                    global_attn_indexes=[i for i, r in enumerate(reach) if r[0] != 2 * WINDOW - 1],
                    window_size=WINDOW,
                    out_chans=PROMPT_DIM,
                ),
                prompt_encoder=modeling.PromptEncoder(
                    embed_dim=PROMPT_DIM,
                    image_embedding_size=(SIDE_PX // PATCH_PX, SIDE_PX // PATCH_PX),
                    input_image_size=(SIDE_PX, SIDE_PX),
                    mask_in_chans=16,
                ),
                mask_decoder=modeling.MaskDecoder(
                    num_multimask_outputs=3,
                    transformer=modeling.TwoWayTransformer(
                        depth=2, embedding_dim=PROMPT_DIM, mlp_dim=2048, num_heads=8
                    ),
                    transformer_dim=PROMPT_DIM,
                    iou_head_depth=3,
                    iou_head_hidden_dim=256,
                ),
            )
        network.load_state_dict(weights, assign=True)
    except (KeyError, ValueError, IndexError, RuntimeError, ZeroDivisionError) as error:
        reason = reason_of(error)
        raise ModelError(f"{checkpoint}: expected the weights of a SAM: {reason}") from error
    return network.requires_grad_(False).eval()
