"""How often answers of a probability are right, as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from om3d_core.pictures.text import font

SIDE_PX, MARGIN_PX, TOP_PX = 420, 64, 56
INK, FAINT, BAR, GAP = (40, 40, 40), (150, 150, 150), (31, 119, 180), (214, 90, 30)
GRID = (230, 230, 230)
TEXT_PX, TITLE_PX = 14, 18
HALF_BAR = 0.042
TICKS = 5


def draw_reliability(
    bins: Sequence[tuple[int, float, float]], error: float
) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 diagram of bins of (count, mean probability, share that is right).

    Bars reach up to the share that is right, a line to the probability; on the diagonal both are
    one. error: the expected calibration error, for the title.
    """
    from PIL import Image, ImageDraw

    size = SIDE_PX + 2 * MARGIN_PX, SIDE_PX + MARGIN_PX + TOP_PX
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)

    def at(x: float, y: float) -> tuple[float, float]:
        return MARGIN_PX + x * SIDE_PX, TOP_PX + (1 - y) * SIDE_PX

    total = sum(count for count, *_ in bins)
    title = f"{total} answers, expected calibration error {error:.3f}"
    draw.text((size[0] / 2, TOP_PX / 2), title, INK, font(TITLE_PX), "mm")
    for tick in range(TICKS + 1):
        value, (left, y), (x, bottom) = tick / TICKS, at(0, tick / TICKS), at(tick / TICKS, 0)
        draw.line([at(0, value), at(1, value)], GRID)
        draw.text((left - 8, y), f"{value:.1f}", FAINT, font(TEXT_PX), "rm")
        draw.text((x, bottom + 12), f"{value:.1f}", FAINT, font(TEXT_PX), "mm")
    for count, probability, right in bins:
        draw.rectangle([at(probability - HALF_BAR, right), at(probability + HALF_BAR, 0)], BAR)
        line = [at(probability - HALF_BAR, probability), at(probability + HALF_BAR, probability)]
        draw.line(line, GAP, 3)
        top = at(probability, max(probability, right))
        draw.text((top[0], top[1] - 10), str(count), INK, font(TEXT_PX), "mm")
    draw.line([at(0, 0), at(1, 1)], FAINT, 1)
    draw.text((size[0] / 2, size[1] - 16), "probability of the first match (line); bars: part"
              " that is right; numbers: answers", INK, font(TEXT_PX), "mm")  # fmt: skip
    return np.array(image)
