"""Crops to the input of a vision transformer, as the checkpoint's own image processor does it.

The file ``preprocessor_config.json`` of a checkpoint says how: CLIP resizes the short side and
cuts the middle square, SigLIP squashes, DINOv2 resizes the short side a little further than it
cuts. It is followed with Pillow and NumPy, so that a result depends on neither torchvision nor the
release of transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from om3d_core.errors import ModelError, expect
from om3d_core.files import read_json

Pixels = npt.NDArray[np.uint8]
MAX_SIDE_PX = 4096
LONGEST_ASPECT = 16
STEPS = ("do_resize", "do_rescale", "do_normalize")
FILES = ("preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True)
class Preprocessing:
    """side_px: of the square that the network reads. short_side_px: that of a crop before its
    middle square is cut out; 0 squashes the whole crop into the square. whole: pad a crop to a
    square instead of either. resample: filter as Pillow numbers them. mean, std: of red, green
    and blue in 0..1.

    Raises :class:`InputError` for values that make no sense.
    """

    side_px: int
    short_side_px: int
    whole: bool
    resample: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        sides = (self.side_px, self.short_side_px or self.side_px)
        values = np.array([*self.mean, *self.std], np.float64)
        expect(
            1 <= self.side_px <= sides[1] <= MAX_SIDE_PX
            and self.resample in set(Image.Resampling)
            and len(self.mean) == len(self.std) == 3
            and bool(np.isfinite(values).all())
            and 0 <= min(self.mean) <= max(self.mean) <= 1
            and min(self.std) > 0,
            "a usable preprocessing",
            self,
        )

    def __call__(self, crop: Pixels) -> Pixels:
        """The square (side_px, side_px, 3) of an RGB crop (h, w, 3), not yet normalized."""
        expect(
            isinstance(crop, np.ndarray) and crop.dtype == np.uint8 and crop.ndim == 3
            and crop.shape[2] == 3 and crop.size > 0,
            "an RGB crop (h, w, 3) uint8 with h, w >= 1",
            (getattr(crop, "shape", type(crop).__name__), getattr(crop, "dtype", None)),
        )  # fmt: skip
        image = Image.fromarray(np.ascontiguousarray(crop))
        if self.whole:
            image = self._padded(image)
        elif self.short_side_px:
            return self._middle(image)
        return np.asarray(self._resized(image, self.side_px, self.side_px))

    def _padded(self, image: Image.Image) -> Image.Image:
        side = max(image.size)
        fill = tuple(round(255 * value) for value in self.mean)
        square = Image.new("RGB", (side, side), fill)
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return square

    def _middle(self, image: Image.Image) -> Pixels:
        """The middle square of the crop, resized as a whole unless it is absurdly long."""
        scale = self.short_side_px / min(image.size)
        width, height = (
            self.short_side_px if length == min(image.size)
            else int(self.short_side_px * length / min(image.size))
            for length in image.size
        )  # fmt: skip
        left, top = (width - self.side_px) // 2, (height - self.side_px) // 2
        right, bottom = left + self.side_px, top + self.side_px
        if max(width, height) > LONGEST_ASPECT * self.short_side_px:
            box = left / scale, top / scale, right / scale, bottom / scale
            clipped = (
                max(box[0], 0.0), max(box[1], 0.0), min(box[2], image.width),
                min(box[3], image.height),
            )  # fmt: skip
            return np.asarray(self._resized(image, self.side_px, self.side_px, clipped))
        return np.asarray(self._resized(image, width, height))[top:bottom, left:right]

    def _resized(
        self,
        image: Image.Image,
        width: int,
        height: int,
        box: tuple[float, float, float, float] | None = None,
    ) -> Image.Image:
        return image.resize((width, height), Image.Resampling(self.resample), box)


def read_preprocessing(folder: Path, *, whole: bool) -> Preprocessing:
    """What the checkpoint in ``folder`` asks for; ``whole`` pads instead of cutting or squashing.

    Raises :class:`ModelError` if it does not say, or asks for what is not known here.
    """
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise ModelError(f"{folder}: expected {FILES[0]}, found no such file")
    try:
        config = read_json(path)
        config = config.get("image_processor", config)
        size, crop = config["size"], config.get("crop_size")
        cuts = bool(config.get("do_center_crop", False))
        mean, std = (tuple(map(float, config[key])) for key in ("image_mean", "image_std"))
        if not all(config.get(step, True) for step in STEPS):
            raise ValueError(f"a model without one of {', '.join(STEPS)} is not known here")
        short = size if isinstance(size, int) else size.get("shortest_edge", 0)
        side = _square(crop if cuts else size)
        if cuts and not short:
            raise ValueError("a middle cut out of a squashed crop is not known here")
        if abs(float(config.get("rescale_factor", 1 / 255)) * 255 - 1) > 1e-6:
            raise ValueError("a rescale_factor other than 1/255 is not known here")
        return Preprocessing(
            side_px=side,
            short_side_px=int(short) if cuts else 0,
            whole=whole,
            resample=int(config["resample"]),
            mean=mean,
            std=std,
        )
    except (
        ArithmeticError, AttributeError, KeyError, OSError, TypeError, ValueError
    ) as error:
        raise ModelError(f"{path}: expected how images are prepared, got {error!r}") from error


def _square(size: int | Mapping[str, Any]) -> int:
    if isinstance(size, int):
        return size
    if int(size["height"]) != int(size["width"]):
        raise ValueError(f"{size['width']}x{size['height']} is not a square")
    return int(size["height"])
