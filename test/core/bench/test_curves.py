"""The picture of curves: what is drawn hangs on what was measured."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from om3d_core.bench.curves import COLORS, PANEL, WIDTH, _step, draw_curves

RISING = {"cost: ms against points": {"om3d": [(0.0, 0.0), (10.0, 5.0), (20.0, 10.0)]}}
FALLING = {"cost: ms against points": {"om3d": [(0.0, 10.0), (10.0, 5.0), (20.0, 0.0)]}}


def blue(path):
    """Rows and columns of the first color, in the first panel."""
    pixels = np.asarray(Image.open(path).convert("RGB"))[:PANEL, :WIDTH]
    return np.nonzero((pixels == COLORS[0]).all(axis=-1))


@pytest.mark.parametrize(("curves", "sign"), [(RISING, -1), (FALLING, 1)])
def test_a_line_goes_where_its_numbers_go(tmp_path, curves, sign):
    draw_curves(tmp_path / "a.png", curves, {})
    rows, columns = blue(tmp_path / "a.png")
    slope = np.polyfit(columns, rows, 1)[0]
    assert np.sign(slope) == sign and abs(slope) > 0.2


def test_bars_are_as_long_as_the_stages(tmp_path):
    draw_curves(tmp_path / "a.png", {}, {"fuse": 4.0, "encode": 8.0})
    rows, columns = blue(tmp_path / "a.png")
    middle = (rows.min() + rows.max()) / 2
    lengths = [np.ptp(columns[part]) for part in (rows < middle, rows > middle)]
    assert lengths[1] == pytest.approx(2 * lengths[0], abs=2)


def test_panels_stand_beside_and_below_each_other(tmp_path):
    three = {f"cost {n}: ms against points": RISING["cost: ms against points"] for n in range(3)}
    draw_curves(tmp_path / "a.png", three, {"fuse": 1.0})
    assert Image.open(tmp_path / "a.png").size == (2 * WIDTH, 2 * PANEL)


@pytest.mark.parametrize("largest", [0.03, 1.0, 7.7, 1_000_000.0, 0.0])
def test_axes_reach_the_largest_value_and_not_far_beyond(largest):
    assert largest <= 4 * _step(largest) * (1 + 1e-9)
    assert 4 * _step(largest) <= max(2 * largest, 1e-11)
