"""Texts put into a space once."""

from __future__ import annotations

from collections import OrderedDict

from om3d_core.encoders.base import Encoder
from om3d_core.query.aggregation import Floats

REMEMBERED_TEXTS = 1024


class TextMemory:
    """Text vectors of one encoder; the least recently used are forgotten."""

    def __init__(self, encoder: Encoder, capacity: int = REMEMBERED_TEXTS):
        self.encoder = encoder
        self._capacity = capacity
        self._known: OrderedDict[str, dict[str, Floats]] = OrderedDict()

    def vector(self, text: str, space: str) -> Floats:
        """The unit vector (D,) of a text in a space."""
        if text not in self._known:
            rows = self.encoder.encode_texts([text])
            self._known[text] = {name: matrix[0] for name, matrix in rows.items()}
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        self._known.move_to_end(text)
        return self._known[text][space]
