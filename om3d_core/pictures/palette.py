"""Colors of instances and of an answer."""

from __future__ import annotations

import colorsys

import numpy as np
import numpy.typing as npt

GOLDEN_TURN = 0.61803398875
SATURATIONS = (0.62, 0.45, 0.75)
VALUES = (1.00, 0.90, 0.78)

FOUND = (255, 176, 46)
RUNNER_UP = (120, 190, 235)
GUESS = (150, 158, 170)
ABSENT = (226, 96, 88)
TEXT = (240, 243, 247)
FAINT_TEXT = (150, 160, 174)
PANEL = (22, 27, 34)

GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


def instance_colors(ids: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """(N, 3) RGB 0..255 by id: neighbors in id differ strongly, an id keeps its color."""
    rows = [
        colorsys.hsv_to_rgb(
            (0.07 + int(i) * GOLDEN_TURN) % 1.0,
            SATURATIONS[int(i) % len(SATURATIONS)],
            VALUES[int(i) // len(SATURATIONS) % len(VALUES)],
        )
        for i in ids
    ]
    return np.array(rows, np.float32).reshape(-1, 3) * 255


def luminance(colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(P, 1) gray values 0..255 of (P, 3) RGB."""
    result: npt.NDArray[np.float32] = (colors @ GRAY_WEIGHTS)[:, None]
    return result


def tint(
    colors: npt.NDArray[np.uint8], hue: npt.ArrayLike, strength: float
) -> npt.NDArray[np.float32]:
    """(P, 3) photo colors 0..255 recolored toward ``hue``, with their light and shade kept."""
    light = 0.4 + 0.6 * luminance(colors) / 255
    wanted = np.asarray(hue, np.float32) * np.sqrt(light)
    result: npt.NDArray[np.float32] = colors * (1 - strength) + wanted * strength
    return result
