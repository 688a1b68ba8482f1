"""Windows that are turned show the thing in its box."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.evidence.windows import Window


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, 5])
def test_the_box_turns_with_the_picture(turns):
    rgb = np.zeros((20, 30, 3), np.uint8)
    rgb[3:9, 4:17] = (1, 2, 3)
    turned = Window(rgb, np.array([4, 3, 17, 9], np.int32)).turned(turns)
    x1, y1, x2, y2 = turned.box
    assert turned.rgb.shape == ((20, 30, 3) if turns % 2 == 0 else (30, 20, 3))
    assert (turned.rgb[y1:y2, x1:x2] == (1, 2, 3)).all()
    assert turned.rgb[..., 0].sum() == (y2 - y1) * (x2 - x1) == 78
    assert np.array_equal(turned.rgb, np.rot90(rgb, turns)) and turned.rgb.flags.c_contiguous
