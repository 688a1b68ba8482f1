"""Checkpoints of every model family with random weights, small enough to build in a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SENTENCES = (
    "a white mug on the table", "a photo of a red box in a scene", "the chair beside the door",
    "where is the game controller", "a monitor and a keyboard", "something to sit on",
)
TRANSFORMER = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny networks on one thread: threads that wait for each other take longer than the sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny_clip(folder: Path, side: int = 28) -> Path:
    """CLIP: short side to ``side``, middle square cut out; a byte-pair tokenizer."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(1)
    eos = _clip_tokenizer(folder)
    CLIPModel(CLIPConfig(
        text_config={**TRANSFORMER, "vocab_size": eos + 1, "max_position_embeddings": 24,
                     "bos_token_id": eos - 1, "eos_token_id": eos},
        vision_config={**TRANSFORMER, "image_size": side, "patch_size": 7},
        projection_dim=16,
    )).save_pretrained(folder)
    return _preprocessor(folder, CLIP_MEAN, CLIP_STD, size={"shortest_edge": side}, do_resize=True,
                         crop_size={"height": side, "width": side}, do_center_crop=True,
                         image_processor_type="CLIPImageProcessor")


def tiny_siglip(folder: Path, side: int = 28) -> Path:
    """SigLIP: a crop is squashed; a SentencePiece tokenizer."""
    from transformers import SiglipConfig, SiglipModel

    torch.manual_seed(2)
    _siglip_tokenizer(folder)
    SiglipModel(SiglipConfig(
        text_config={**TRANSFORMER, "vocab_size": 200, "max_position_embeddings": 16,
                     "projection_size": 32, "bos_token_id": 0, "eos_token_id": 1},
        vision_config={**TRANSFORMER, "image_size": side, "patch_size": 7},
    )).save_pretrained(folder)
    return _preprocessor(folder, [0.5] * 3, [0.5] * 3, size={"height": side, "width": side},
                         image_processor_type="SiglipImageProcessor")


def tiny_dinov2(folder: Path, side: int = 28, registers: int = 0) -> Path:
    """DINOv2: short side to 8/7 of ``side``, middle square cut out; positions interpolated."""
    import transformers

    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
             "image_size": side + 14, "patch_size": 7}
    if registers:
        model = transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(**sizes, num_register_tokens=registers))
    else:
        model = transformers.Dinov2Model(transformers.Dinov2Config(**sizes))
    model.save_pretrained(folder)
    return _preprocessor(folder, IMAGENET_MEAN, IMAGENET_STD, do_center_crop=True,
                         size={"shortest_edge": side * 8 // 7},
                         crop_size={"height": side, "width": side},
                         image_processor_type="BitImageProcessor")


def _preprocessor(folder: Path, mean, std, **values) -> Path:
    config = {"do_resize": True, "do_rescale": True, "do_normalize": True, "resample": 3,
              "rescale_factor": 1 / 255, "image_mean": mean, "image_std": std, **values}
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    return folder


def _clip_tokenizer(folder: Path) -> int:
    """A byte-pair vocabulary trained on a few sentences; returns the id of the end token."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400, end_of_word_suffix="</w>", show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = dict(model["vocab"])
    for letter in pre_tokenizers.ByteLevel.alphabet():
        vocabulary.setdefault(f"{letter}</w>", len(vocabulary))
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[special] = len(vocabulary)
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
    return vocabulary["<|endoftext|>"]


def _siglip_tokenizer(folder: Path) -> None:
    import sentencepiece
    from transformers import SiglipTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus.txt").write_text("\n".join(SENTENCES))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "spiece"), vocab_size=90,
        hard_vocab_limit=False, minloglevel=2, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
    )
    tokenizer = SiglipTokenizer(str(folder / "spiece.model"), model_max_length=16)
    tokenizer.save_pretrained(folder)


def tiny_sam(folder: Path, side: int = 64) -> Path:
    """SAM of the transformers library."""
    from transformers import SamConfig, SamModel

    torch.manual_seed(4)
    model = SamModel(SamConfig(
        vision_config={"hidden_size": 32, "output_channels": 32, "num_hidden_layers": 2,
                       "num_attention_heads": 2, "image_size": side, "patch_size": 8,
                       "window_size": 4, "global_attn_indexes": [1], "mlp_dim": 48,
                       "num_pos_feats": 16},
        prompt_encoder_config={"hidden_size": 32, "image_size": side, "patch_size": 8},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 48, "num_hidden_layers": 2,
                             "num_attention_heads": 2, "iou_head_hidden_dim": 32},
    ))
    with torch.no_grad():
        model.mask_decoder.iou_prediction_head.proj_out.bias.add_(1.0)
    model.save_pretrained(folder)
    return folder


def tiny_published_sam(file: Path) -> Path:
    """SAM of the segment-anything package: all its parts, a narrow image encoder."""
    from functools import partial

    from om3d_core.segmenters.sam_networks import sam_modules

    torch.manual_seed(5)
    modeling = sam_modules()
    network = modeling.Sam(
        image_encoder=modeling.ImageEncoderViT(
            depth=2, embed_dim=16, img_size=1024, mlp_ratio=4, num_heads=2, patch_size=16,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), qkv_bias=True, use_rel_pos=True,
            global_attn_indexes=[1], window_size=14, out_chans=256,
        ),
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=256, image_embedding_size=(64, 64), input_image_size=(1024, 1024),
            mask_in_chans=16,
        ),
        mask_decoder=modeling.MaskDecoder(
            num_multimask_outputs=3, transformer_dim=256, iou_head_depth=3,
            iou_head_hidden_dim=256,
            transformer=modeling.TwoWayTransformer(
                depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8
            ),
        ),
    )
    for name, parameter in network.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    with torch.no_grad():
        network.mask_decoder.iou_prediction_head.layers[-1].bias.add_(1.0)
    torch.save(network.state_dict(), file)
    return file


def tiny_mask3d(file: Path) -> Path:
    """Mask3D with every part of the published network, in narrow."""
    from safetensors.torch import save_file

    from om3d_core.proposals.mask3d.backbone import BackboneConfig
    from om3d_core.proposals.mask3d.network import Mask3D, NetworkConfig

    torch.manual_seed(6)
    backbone = BackboneConfig(stem=8, planes=(8, 8, 16, 16, 16, 16, 8, 8), depths=(1,) * 8,
                              n_labels=20)
    network = Mask3D(NetworkConfig(backbone, dim=16, n_heads=2, feed_forward=32, n_classes=5))
    save_file(network.state_dict(), file)
    return file
