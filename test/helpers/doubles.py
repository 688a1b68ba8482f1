"""Doubles for tests of what surrounds models: exact, instant and countable."""

from __future__ import annotations

import numpy as np

from helpers.worlds import BOXES
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.masks import InstanceMasks

COLORS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}


class ColorEncoder:
    """Encodes a crop as its mean color around gray, and color words as that color."""

    def __init__(self, version=1):
        self.spaces = (FeatureSpace(f"color@{version}", 3, True, True, encoder="color"),)
        self.n_crops = 0

    def encode_images(self, crops):
        self.n_crops += len(crops)
        rows = np.array([c.reshape(-1, 3).mean(axis=0) for c in crops]).reshape(-1, 3) - 60
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return {self.spaces[0].name: rows.astype(np.float32)}

    def encode_texts(self, texts):
        rows = np.array([COLORS.get(t, (1, 1, 1)) for t in texts], np.float64).reshape(-1, 3)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return {self.spaces[0].name: rows.astype(np.float32)}


class BoxProposer:
    """Cuts out the boxes of ``worlds.BOXES``, or others, by their known extents."""

    def __init__(self, boxes=BOXES):
        self._boxes = boxes
        self.n_calls = 0

    def propose(self, cloud, job, up):
        self.n_calls += 1
        job.step("propose", 0, 1)
        members = []
        for center, size, _ in self._boxes.values():
            offset = np.abs(cloud.points - np.float32(center))
            members.append(np.flatnonzero((offset <= np.float32(size) / 2 + 0.02).all(axis=1)))
        return InstanceMasks.from_lists(members, len(cloud))
