"""Encoders on transformers: equal to the library's own use, crop by crop, from a folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.tiny_models import one_thread, tiny_clip, tiny_dinov2, tiny_siglip  # noqa: F401
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from om3d_core.data.feature_space import FeatureSpace, space_for
from om3d_core.encoders.base import create_encoder, encoder_of_space
from om3d_core.encoders.preprocessing import Preprocessing, read_preprocessing
from om3d_core.encoders.settings import (
    ClipSettings,
    Dinov2Settings,
    EncoderSettings,
    SiglipSettings,
)
from om3d_core.errors import InputError, ModelError, SettingsError
from om3d_core.mapping.build import create_encoders
from om3d_core.models.pretrained import load_pretrained

FAMILIES = ("clip", "siglip", "dinov2")
SHAPES = ((30, 50), (100, 20), (28, 28), (9, 31), (64, 48))
TEXTS = ("a white mug", "the chair beside the door", "monitor")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "clip": tiny_clip(root / "clip"),
        "siglip": tiny_siglip(root / "siglip"),
        "dinov2": tiny_dinov2(root / "dinov2"),
    }


@pytest.fixture(scope="module")
def crops():
    random = np.random.default_rng(7)
    coarse = [random.integers(0, 256, (5, 5, 3), np.uint8) for _ in SHAPES]
    return [
        np.asarray(Image.fromarray(c).resize((w, h), Image.Resampling.BICUBIC))
        for c, (h, w) in zip(coarse, SHAPES, strict=True)
    ]


def settings(folders, **changes):
    """The original preprocessing, unless ``changes`` say otherwise."""
    values = {"preprocessing": "original", **changes}
    return EncoderSettings(
        clip=ClipSettings(model=str(folders["clip"]), **values),
        siglip=SiglipSettings(model=str(folders["siglip"]), **values),
        dinov2=Dinov2Settings(model=str(folders["dinov2"]), **values),
    )


def images_of(encoder, crops):
    return encoder.encode_images(crops)[encoder.spaces[0].name]


def unit(tensor):
    return torch.nn.functional.normalize(tensor, dim=-1).numpy()


def features_by_the_library(family, folder, crops):
    """What a user of transformers computes, with the library's image processor."""
    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder)
    images = [Image.fromarray(crop) for crop in crops]
    with torch.inference_mode():
        pixels = processor(images=images, return_tensors="pt")["pixel_values"]
        if family == "dinov2":
            tokens = model(pixels).last_hidden_state
            return unit(torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=-1))
        features = model.get_image_features(pixels)
        return unit(getattr(features, "pooler_output", features))


@pytest.mark.parametrize("family", FAMILIES)
def test_images_equal_the_library_s(folders, crops, family):
    encoder = create_encoder(family, settings(folders))
    expected = features_by_the_library(family, folders[family], crops)
    got = images_of(encoder, crops)
    assert got.dtype == np.float32 and got.shape == (len(crops), encoder.spaces[0].dim)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert np.abs(got[0] - got[1]).max() > 1e-4


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_texts_equal_the_library_s(folders, family):
    folder = folders[family]
    base = settings(folders)
    group = replace(base[family], template="a {} in a scene", clean_prompts=False)
    encoder = create_encoder(family, base.replaced(**{family: group}))
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    length = model.config.text_config.max_position_embeddings
    prompts = [f"a {text} in a scene" for text in TEXTS]
    tokens = tokenizer(prompts, padding="max_length", max_length=length, truncation=True,
                       return_tensors="pt", return_attention_mask=True)
    if family == "siglip":
        del tokens["attention_mask"]
    with torch.inference_mode():
        features = model.get_text_features(**tokens)
    expected = unit(getattr(features, "pooler_output", features))
    got = encoder.encode_texts(TEXTS)[encoder.spaces[0].name]
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("preprocessing", ["original", "whole-crop"])
def test_a_row_depends_on_its_own_crop_bit_for_bit(folders, crops, family, preprocessing):
    encoder = create_encoder(family, settings(folders, preprocessing=preprocessing))
    together = images_of(encoder, [*crops, *crops[::-1]])
    alone = np.concatenate([images_of(encoder, [crop]) for crop in crops])
    assert np.array_equal(together[: len(crops)], alone)
    assert np.array_equal(together[len(crops) :], alone[::-1])
    assert images_of(encoder, []).shape == (0, encoder.spaces[0].dim)


@pytest.mark.parametrize("family", FAMILIES)
def test_batches_as_on_a_gpu_give_the_same_rows(folders, crops, family):
    """Five items in passes of three: the last pass is filled up."""
    encoder = create_encoder(family, settings(folders))
    texts = [*TEXTS, "a red box", "a crate"]
    one = encoder.encode_images(crops), encoder.encode_texts(texts)
    encoder._model.batch_size = 3
    many = encoder.encode_images(crops), encoder.encode_texts(texts)
    for alone, batched in zip(one, many, strict=True):
        assert alone.keys() == batched.keys()
        for name, rows in alone.items():
            assert len(rows) == 5
            np.testing.assert_allclose(batched[name], rows, atol=1e-6)


def test_registers_are_no_patches(tmp_path, crops):
    folder = tiny_dinov2(tmp_path / "registers", registers=3)
    encoder = create_encoder("dinov2", EncoderSettings(dinov2=Dinov2Settings(
        model=str(folder), preprocessing="original")))
    model = AutoModel.from_pretrained(folder)
    pixels = AutoImageProcessor.from_pretrained(folder)(
        images=[Image.fromarray(crops[0])], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        tokens = model(pixels).last_hidden_state
    expected = unit(torch.cat([tokens[:, 0], tokens[:, 4:].mean(dim=1)], dim=-1))
    np.testing.assert_allclose(images_of(encoder, crops[:1]), expected, atol=1e-6)


def test_half_precision_is_close(folders, crops):
    exact = images_of(create_encoder("clip", settings(folders)), crops)
    for dtype in ("float16", "bfloat16"):
        near = images_of(create_encoder("clip", settings(folders, dtype=dtype)), crops)
        cosine = (exact * near).sum(axis=1)
        assert 0.99 < cosine.min() and not np.array_equal(exact, near)


def test_the_configuration_of_a_model_does_not_lower_its_precision(folders, tmp_path, crops):
    shutil.copytree(folders["clip"], tmp_path / "clip")
    change(tmp_path / "clip", "config.json", dtype="float16")
    exact, same = (
        images_of(create_encoder("clip", settings({**folders, "clip": folder})), crops)
        for folder in (folders["clip"], tmp_path / "clip")
    )
    assert np.array_equal(exact, same)


def test_the_original_cuts_the_ends_of_a_long_crop_and_whole_crop_keeps_them(folders):
    long = np.full((28, 140, 3), 90, np.uint8)
    with_ends = long.copy()
    with_ends[:, :40] = with_ends[:, 100:] = (250, 10, 10)
    for family, sees_ends in (("clip", False), ("dinov2", False), ("siglip", True)):
        encoder = create_encoder(family, settings(folders))
        a, b = images_of(encoder, [long, with_ends])
        assert np.array_equal(a, b) != sees_ends
        whole = create_encoder(family, settings(folders, preprocessing="whole-crop"))
        a, b = images_of(whole, [long, with_ends])
        assert not np.array_equal(a, b)


def test_whole_crop_pads_with_the_mean_color():
    padded = Preprocessing(8, 0, True, 3, (0.5,) * 3, (0.5,) * 3)(np.zeros((2, 8, 3), np.uint8))
    assert padded.shape == (8, 8, 3)
    assert (padded[:2] == 128).all() and padded[3:5].max() < 40


def test_an_absurdly_long_crop_costs_no_memory(folders):
    prepare = read_preprocessing(folders["clip"], whole=False)
    ramp = np.broadcast_to(np.linspace(0, 255, 5000).astype(np.uint8)[None, :, None], (3, 5000, 3))
    square = prepare(ramp)
    assert square.shape == (28, 28, 3) and abs(int(square.mean()) - 127) <= 2


def test_templates_and_prompts_change_the_text_and_several_are_averaged(folders):
    assert ClipSettings().templates == ClipSettings(template="{}").templates == ("{}",)
    def encode(text, **changes):
        encoder = create_encoder("clip", settings(folders).replaced(
            clip=ClipSettings(model=str(folders["clip"]), **changes)))
        return encoder.encode_texts([text])[encoder.spaces[0].name][0]

    raw = encode("white mug", clean_prompts=False)
    scene = encode("white mug", template="a {} in a scene")
    assert not np.allclose(raw, scene, atol=1e-4)
    assert np.array_equal(encode("where is the white mug?"), raw)
    assert not np.allclose(encode("where is the white mug?", clean_prompts=False), raw, atol=1e-4)
    mean = raw + scene
    both = encode("white mug", template="{}|a {} in a scene")
    np.testing.assert_allclose(both, mean / np.linalg.norm(mean), atol=1e-6)
    with pytest.raises(InputError):
        encode("  ?! ")
    for template in ("a thing", "{}|", "{} {}", "|".join(["{}"] * 101)):
        with pytest.raises(SettingsError, match="template") as caught:
            ClipSettings(template=template)
        assert len(str(caught.value)) < 300


def test_a_long_text_is_cut(folders):
    encoder = create_encoder("clip", settings(folders))
    assert encoder.encode_texts(["mug " * 200])[encoder.spaces[0].name].shape == (1, 16)


def test_space_names_tell_models_and_preprocessings_apart(folders, tmp_path, crops):
    space = create_encoder("clip", settings(folders)).spaces[0]
    whole = create_encoder("clip", settings(folders, preprocessing="whole-crop")).spaces[0]
    assert space.name.startswith("clip/clip@") and whole.name == f"{space.name}+whole-crop"
    assert space.text and space.image
    dinov2 = create_encoder("dinov2", settings(folders)).spaces[0]
    assert dinov2.dim == 64 and not dinov2.text
    moved = tmp_path / "clip"
    shutil.copytree(folders["clip"], moved)
    again = ClipSettings(model=str(moved), preprocessing="original")
    assert create_encoder("clip", EncoderSettings(clip=again)).spaces[0].name == space.name
    tuned = load_pretrained(moved)
    with torch.no_grad():
        tuned.visual_projection.weight.mul_(1.5)
    tuned.save_pretrained(moved)
    assert create_encoder("clip", EncoderSettings(clip=again)).spaces[0].name != space.name


def test_an_encoder_comes_back_from_its_space(folders, crops):
    encoder = create_encoder("siglip", settings(folders, preprocessing="whole-crop"))
    space = encoder.spaces[0]
    again = encoder_of_space(FeatureSpace(**vars(space)))
    assert np.array_equal(images_of(again, crops), images_of(encoder, crops))
    assert (space.encoder, space.preprocessing) == ("siglip", "whole-crop")
    with pytest.raises(ModelError, match="expected the encoder of"):
        encoder_of_space(replace(space, name="siglip/other@00000000"))
    with pytest.raises(ModelError, match="om3d models pull"):
        encoder_of_space(FeatureSpace("any@1", 4, True, True, "a/b@1234", "clip"))
    with pytest.raises(ModelError, match="one of the encoders lite, clip.* the map's was 'nope'"):
        encoder_of_space(replace(space, encoder="nope"))
    with pytest.raises(ModelError, match="siglip.preprocessing: expected one of original"):
        encoder_of_space(replace(space, preprocessing="nope"))
    elsewhere = replace(space, source="/elsewhere/siglip")
    with pytest.raises(ModelError, match="siglip.model: .* got '/elsewhere/siglip'"):
        encoder_of_space(elsewhere)
    moved = encoder_of_space(elsewhere, settings(folders))
    assert np.array_equal(images_of(moved, crops), images_of(encoder, crops))


def test_pictures_are_asked_of_the_encoder_of_pictures(folders, crops):
    both = create_encoders("siglip, dinov2,siglip", settings(folders))
    siglip, dinov2 = (encoder.spaces[0] for encoder in both)
    assert space_for([siglip, dinov2], image=True) is dinov2
    assert space_for([siglip, dinov2], image=False) is siglip
    assert space_for([siglip], image=True) is siglip and space_for([dinov2], image=False) is None
    again = encoder_of_space(space_for([siglip, dinov2], image=True), settings(folders))
    assert np.array_equal(images_of(again, crops), images_of(both[1], crops))
    assert not again.encode_texts(["mug"])


def test_a_model_of_the_hub_is_read_from_its_cache(folders, tmp_path, monkeypatch):
    import huggingface_hub.constants

    revision = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--some--clip" / "snapshots" / revision
    shutil.copytree(folders["clip"], snapshot)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    group = ClipSettings(model=f"some/clip@{revision}", preprocessing="original")
    space = create_encoder("clip", EncoderSettings(clip=group)).spaces[0]
    assert space.name == "clip/some/clip@01234567"
    assert space.source == f"some/clip@{revision}"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: shutil.rmtree(f), "clip.model: expected a file or folder that exists"),
        (lambda f: (f / "config.json").unlink(), "config.json"),
        (lambda f: (f / "config.json").write_text("{"), "config.json"),
        (lambda f: (f / "config.json").write_text("[" * 100_000), "config.json.* too deeply"),
        (lambda f: change(f, "config.json", projection_dim=10**9), "other shapes"),
        (lambda f: (f / "model.safetensors").unlink(), "expected model.safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 99), "cannot be loaded"),
        (lambda f: (f / "preprocessor_config.json").unlink(), "preprocessor_config.json"),
        (lambda f: (f / "preprocessor_config.json").write_text('{"size": "big"}'), "prepared"),
        (lambda f: prepare(f, size={"shortest_edge": float("inf")}), "prepared.*infinity"),
        (lambda f: prepare(f, crop_size=10**9), "prepared.*side_px=1000000000"),
        (lambda f: prepare(f, image_mean=[0.5]), "prepared.*mean="),
        (lambda f: prepare(f, do_normalize=False), "prepared.*do_normalize"),
        (lambda f: prepare(f, size=56, crop_size=56), "the network cannot run: .*56"),
        (lambda f: forget_words(f), "expected tokenizer.json, or merges.txt and vocab.json"),
        (lambda f: forget_weight(f), "1 are missing: visual_projection.weight"),
        (lambda f: rename_type(f), "expected a model of type clip, got 'bert'"),
        (lambda f: poison(f), "dtype"),
    ],
)
def test_a_damaged_model_is_one_clear_line(folders, tmp_path, crops, damage, message):
    folder = tmp_path / "broken"
    shutil.copytree(folders["clip"], folder)
    damage(folder)
    with pytest.raises(ModelError, match=message) as caught:
        encoder = create_encoder("clip", EncoderSettings(clip=ClipSettings(model=str(folder))))
        encoder.encode_images(crops[:1])
    assert "\n" not in str(caught.value)


def forget_weight(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def forget_words(folder):
    for path in (*folder.glob("tokenizer*"), folder / "merges.txt", folder / "vocab.json"):
        path.unlink()


def poison(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["visual_projection.weight"][:] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def rename_type(folder):
    change(folder, "config.json", model_type="bert")


def prepare(folder, **values):
    change(folder, "preprocessor_config.json", **values)


def change(folder, name, **values):
    config = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**config, **values}))


def test_pickled_weights_run_no_code(folders, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(folders["clip"], folder)
    (folder / "model.safetensors").unlink()
    witness = tmp_path / "ran"
    torch.save({"x": Bomb(str(witness))}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded: .* never loaded"):
        load_pretrained(folder)
    assert not witness.exists()
    torch.save(load_pretrained(folders["clip"]).state_dict(), folder / "pytorch_model.bin")
    assert load_pretrained(folder).config.model_type == "clip"


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_crops_that_are_none_are_refused(folders):
    encoder = create_encoder("dinov2", settings(folders))
    for crop in (np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3))):
        with pytest.raises(InputError, match="RGB crop"):
            encoder.encode_images([crop])
