"""Segment Anything: equal to its two publications, one image encoding a frame, no crash."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.tiny_models import one_thread, tiny_published_sam, tiny_sam  # noqa: F401
from helpers.worlds import fused, tabletop
from PIL import Image

from om3d_core.errors import ModelError
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.segmenters import REGISTRY as SEGMENTERS
from om3d_core.segmenters.prompts import best_round, mask_box, point_rounds
from om3d_core.segmenters.sam import SamSegmenter, SamSettings
from om3d_core.settings import build

WIDTH, HEIGHT = 100, 75
SETTINGS = {"fusion.voxel_m": 0.03, "views.top_k": 3, "views.min_pixels": 10, "crops.levels": 2,
            "gravity.up": "0,0,1"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("sam")
    return {"transformers": tiny_sam(root / "sam"), "package": tiny_published_sam(root / "s.pth")}


@pytest.fixture(scope="module")
def rgb():
    coarse = np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def frames():
    return tabletop(8)


@pytest.fixture(scope="module")
def cloud(frames):
    return fused(frames, 0.02)


@pytest.fixture
def predictor(models, monkeypatch):
    """The package's own SamPredictor. It resizes with torchvision, whose builds need the very
    PyTorch they were made for; for a picture torchvision calls Pillow, and so does this."""
    modules = {name: ModuleType(name) for name in (
        "torchvision", "torchvision.transforms", "torchvision.transforms.functional",
        "torchvision.ops", "torchvision.ops.boxes")}
    functional, boxes = list(modules.values())[2::2]
    functional.to_pil_image = Image.fromarray
    functional.resize = lambda image, size: image.resize(size[::-1], Image.Resampling.BILINEAR)
    boxes.batched_nms = boxes.box_area = None
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    from segment_anything import SamPredictor

    segmenter = SamSegmenter(SamSettings(model=str(models["package"])))
    yield SamPredictor(segmenter._network._network)
    for name in [name for name in sys.modules if name.startswith("segment_anything")]:
        del sys.modules[name]


def originals_choice(predict, pixels, rounds, points, random):
    """OpenMask3D's run_sam: the mask of the strictly highest predicted IoU, from 0."""
    coordinates = np.stack([pixels % WIDTH, pixels // WIDTH], axis=1)
    best, best_score = None, 0
    for _ in range(rounds):
        random.shuffle(coordinates)
        mask, score = predict(coordinates[:points])
        if score > best_score:
            best, best_score = mask, score
    return best


def test_the_package_s_predictor_gives_the_same_masks(models, predictor, rgb):
    settings = SamSettings(model=str(models["package"]), rounds=2, seed=5)
    pixels = np.arange(3000, 3060, dtype=np.int32)
    (got,) = SamSegmenter(settings).segment(rgb, [pixels], [11])
    predictor.set_image(rgb)

    def predict(points):
        masks, scores, _ = predictor.predict(
            point_coords=points, point_labels=np.ones(len(points), np.int64),
            multimask_output=False)
        return masks[0], scores[0]

    expected = originals_choice(predict, pixels, 2, 5, np.random.default_rng([5, 11]))
    assert 0 < expected.sum() < expected.size
    assert (got != expected).mean() < 1e-3


@pytest.mark.parametrize("n_pixels", [60, 3])
def test_transformers_gives_the_same_masks(models, rgb, n_pixels):
    from transformers import SamModel
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    folder = models["transformers"]
    settings = SamSettings(model=str(folder), rounds=4)
    pixels = np.arange(1200, 1200 + n_pixels, dtype=np.int32)
    (got,) = SamSegmenter(settings).segment(rgb, [pixels], [2])
    model = SamModel.from_pretrained(folder)
    processor = SamImageProcessorPil(
        size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    inputs = processor(images=[Image.fromarray(rgb)], return_tensors="pt")
    sizes = inputs["original_sizes"], inputs["reshaped_input_sizes"]

    def predict(points):
        points = points * np.array([64 / WIDTH, 48 / HEIGHT])
        with torch.inference_mode():
            output = model(pixel_values=inputs["pixel_values"], multimask_output=False,
                           input_points=torch.tensor(points, dtype=torch.float32)[None, None])
        masks = processor.post_process_masks(
            output.pred_masks, *sizes, pad_size={"height": 64, "width": 64})
        return masks[0][0, 0].numpy(), float(output.iou_scores[0, 0, 0])

    expected = originals_choice(predict, pixels, 4, 5, np.random.default_rng([0, 2]))
    assert got.shape == (HEIGHT, WIDTH) and 0 < expected.sum() < expected.size
    assert (got != expected).mean() < 1e-3


def test_a_mask_depends_on_its_own_pixels_and_seed_bit_for_bit(models, rgb):
    segmenter = SamSegmenter(SamSettings(model=str(models["transformers"]), rounds=3))
    pixels = [np.arange(start, start + n, dtype=np.int32)
              for start, n in ((100, 40), (900, 3), (2000, 60), (1500, 5))]
    together = segmenter.segment(rgb, pixels, [1, 2, 3, 4])
    for i in (3, 1, 0, 2):
        (alone,) = segmenter.segment(rgb, [pixels[i]], [i + 1])
        assert np.array_equal(alone, together[i])
    assert segmenter.segment(rgb, [], []) == []


@pytest.mark.parametrize("kind", ["transformers", "package"])
def test_batches_as_on_a_gpu_give_the_same_masks(models, rgb, kind):
    segmenter = SamSegmenter(SamSettings(model=str(models[kind]), rounds=2))
    pixels = [np.arange(start, start + n, dtype=np.int32)
              for start, n in ((100, 40), (900, 3), (2000, 60), (1500, 5), (3000, 9))]
    alone = segmenter.segment(rgb, pixels, range(5))
    segmenter._batch_size = 3
    for one, batched in zip(alone, segmenter.segment(rgb, pixels, range(5)), strict=True):
        assert (one != batched).mean() < 1e-3


def test_points_are_those_of_the_original():
    """np.random.shuffle of the (row, column) pixels, cumulative, from one global state."""
    pixels = np.flatnonzero(np.random.default_rng(0).random(WIDTH * HEIGHT) < 0.02)
    rows = np.argwhere(np.isin(np.arange(WIDTH * HEIGHT), pixels).reshape(HEIGHT, WIDTH))
    state = np.random.RandomState(0)
    expected = []
    for _ in range(10):
        state.shuffle(rows)
        expected.append(rows[:5, ::-1].copy())
    got = point_rounds(pixels.astype(np.int32), WIDTH, 10, 5, np.random.RandomState(0))
    assert np.array_equal(got, expected)
    assert point_rounds(pixels[:3], WIDTH, 2, 5, state).shape == (2, 3, 2)


@pytest.mark.parametrize(
    ("scores", "best"),
    [([0.1, 0.9, 0.9, 0.2], 1), ([0.0, -1.0], None), ([np.nan, 0.3], 1), ([np.nan], None)],
)
def test_the_first_highest_score_above_zero_wins(scores, best):
    assert best_round(np.array(scores, np.float32)) == best


def test_the_box_of_a_mask_is_tight_and_exclusive():
    mask = np.zeros((10, 20), bool)
    mask[2, 5] = mask[7, 11] = True
    assert mask_box(mask).tolist() == [5, 2, 12, 8]


class DiscSam:
    """A network of known answers: a rectangle around the points of a prompt, ``margin`` wide."""

    side_px = 160

    def __init__(self, margin=6, iou=0.9):
        self.margin, self.iou, self.n_images, self.n_prompts = margin, iou, 0, 0

    def place(self, device, encoder_dtype):
        pass

    def encode(self, pixels):
        self.n_images += 1
        return pixels.mean().reshape(1)

    def decode(self, embedding, points):
        self.n_prompts += len(points)
        logits = torch.full((len(points), self.side_px, self.side_px), -1.0)
        for mask, prompt in zip(logits, points, strict=True):
            low = (prompt.amin(0) - self.margin).clamp(min=0).int().tolist()
            high = (prompt.amax(0) + self.margin + 1).int().tolist()
            if self.margin >= 0:
                mask[low[1] : high[1], low[0] : high[0]] = 1.0
        return logits, torch.full((len(points),), float(self.iou))


def mapper(network=None, encoder=None, **changes):
    settings = build(MapSettings, {**SETTINGS, **changes})
    segmenter = SamSegmenter(settings.segmenters["sam"], network) if network is not None else None
    return Mapper(settings, BoxProposer(), [encoder or ColorEncoder()], segmenter)


def refreshed(m, frames, cloud, order=None, every=100):
    m.set_cloud(cloud)
    for count, i in enumerate(order or range(len(frames)), start=1):
        m.add_frame(frames[i])
        if count % every == 0:
            m.refresh()
    return m.refresh()


def test_each_frame_is_encoded_once_whatever_the_number_of_masks(frames, cloud):
    network = DiscSam()
    m = mapper(network)
    scene = refreshed(m, frames, cloud)
    used = np.unique(scene.views.stamps[scene.views.valid])
    n_views = int(scene.views.valid.sum())
    assert network.n_images == len(used) < n_views
    assert network.n_prompts == 10 * n_views
    assert m.refresh() is scene
    m.add_frame(frames[0])
    assert network.n_images == len(used) and m.refresh() is scene


@pytest.mark.parametrize("fade", [0.0, 0.8])
def test_order_and_refreshes_do_not_matter_with_a_segmenter(frames, cloud, fade):
    first = refreshed(mapper(DiscSam(), **{"crops.fade": fade}), frames, cloud)
    order = [4, 0, 7, 2, 1, 3, 6, 5]
    second = refreshed(mapper(DiscSam(), **{"crops.fade": fade}), frames, cloud, order, every=3)
    assert np.array_equal(first.features[0].vectors, second.features[0].vectors)
    assert first.thumbnails == second.thumbnails


class ShapeEncoder(ColorEncoder):
    """Remembers the crops."""

    def __init__(self):
        super().__init__()
        self.crops = []

    def encode_images(self, crops):
        self.crops += [crop.copy() for crop in crops]
        return super().encode_images(crops)


def crops_of(frames, cloud, network=None, **changes):
    encoder = ShapeEncoder()
    refreshed(mapper(network, encoder, **{"crops.levels": 1, **changes}), frames, cloud)
    return encoder.crops


def test_a_crop_is_the_box_of_the_mask(frames, cloud):
    plain = crops_of(frames, cloud)
    tight = crops_of(frames, cloud, DiscSam(margin=0), **{"sam.points": 1})
    assert len(plain) == len(tight)
    assert {crop.shape[:2] for crop in tight} == {(1, 1)}


def test_a_mask_is_what_stays_when_the_background_is_faded(frames, cloud):
    faded = crops_of(frames, cloud, DiscSam(margin=3),
                     **{"sam.points": 1, "crops.fade": 1.0, "crops.levels": 2,
                        "crops.expansion_ratio": 1.0})
    level, wider = faded[0], faded[1]
    assert not (level == 128).all(axis=2).any()
    assert (wider[0] == 128).all() and (wider == 128).all(axis=2).mean() > 0.5


@pytest.mark.parametrize(
    "network", [DiscSam(margin=-1), DiscSam(iou=0.0), DiscSam(iou=-2.0), DiscSam(iou=np.nan)]
)
def test_an_empty_or_hopeless_mask_leaves_the_box_of_the_points(frames, cloud, network):
    plain = crops_of(frames, cloud)
    got = crops_of(frames, cloud, network)
    assert len(plain) == len(got)
    assert all(np.array_equal(a, b) for a, b in zip(plain, got, strict=True))
    assert network.n_images > 0


def test_without_a_segmenter_nothing_is_loaded():
    assert SEGMENTERS.create("none") is None


def test_a_missing_or_damaged_checkpoint_is_one_clear_line(models, tmp_path, monkeypatch):
    monkeypatch.setenv("OM3D_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="om3d models pull sam_vit_h_4b8939"):
        SamSegmenter(SamSettings())
    weights = torch.load(models["package"], weights_only=True)
    wide = {**weights, "image_encoder.patch_embed.proj.weight": torch.zeros(10**6, 1, 1, 1)}
    few = dict(list(weights.items())[:-1])
    for damage in ({}, {"x": torch.zeros(2)}, few, [1, 2], {**weights, 5: torch.zeros(1)}, wide):
        torch.save(damage, tmp_path / "bad.pth")
        with pytest.raises(ModelError, match="expected") as caught:
            SamSegmenter(SamSettings(model=str(tmp_path / "bad.pth")))
        assert "\n" not in str(caught.value)
    whole = models["package"].read_bytes()
    torch.save(Bomb(str(tmp_path / "ran")), tmp_path / "bomb.pth")
    for content in (b"noise", whole[: len(whole) // 2], (tmp_path / "bomb.pth").read_bytes()):
        (tmp_path / "bad.pth").write_bytes(content)
        with pytest.raises(ModelError, match="expected") as caught:
            SamSegmenter(SamSettings(model=str(tmp_path / "bad.pth")))
        assert "\n" not in str(caught.value) and "weights_only" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_weights_stored_in_half_precision_run_in_full(models, rgb, tmp_path):
    weights = torch.load(models["package"], weights_only=True)
    torch.save({name: value.half() for name, value in weights.items()}, tmp_path / "half.pth")
    pixels = [np.arange(3000, 3060, dtype=np.int32)]
    exact, near = (
        SamSegmenter(SamSettings(model=str(path), rounds=2)).segment(
            rgb, pixels, [3])[0]
        for path in (models["package"], tmp_path / "half.pth")
    )
    assert 0 < exact.sum() < exact.size and (near != exact).mean() < 0.02


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["transformers", "package"])
def test_half_precision_gives_nearly_the_same_masks(models, rgb, kind, dtype):
    pixels = [np.arange(3000, 3060, dtype=np.int32)]
    exact, near = (
        SamSegmenter(SamSettings(
            model=str(models[kind]), rounds=2, dtype=d)).segment(rgb, pixels, [3])[0]
        for d in ("float32", dtype)
    )
    assert 0 < exact.sum() < exact.size and (near != exact).mean() < 0.02
