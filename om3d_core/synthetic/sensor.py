"""Depth as a structured-light sensor (Kinect v1) measures it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from om3d_core.errors import expect


@dataclass(frozen=True)
class DepthSensor:
    """Noise of a structured-light sensor; the defaults are of the size that Kinect v1 shows.

    Disparity is fx * baseline_m / z, disturbed by disparity_px (standard deviation), rounded
    to step_px: so axial noise and quantization grow with z squared (Khoshelham and Elberink
    2012). lateral_px shifts what each pixel sees. strength scales both; 0 leaves the depth clean
    but for its range and millimeters.
    """

    fx: float
    strength: float = 1.0
    baseline_m: float = 0.075
    disparity_px: float = 0.06
    step_px: float = 0.125
    lateral_px: float = 0.5
    min_m: float = 0.4
    max_m: float = 4.5
    grazing_cosine: float = 0.16
    edge_drop: float = 0.45

    def __post_init__(self) -> None:
        expect(self.fx > 0 and self.baseline_m > 0, "a positive focal length and baseline",
               (self.fx, self.baseline_m))
        expect(0 <= self.strength <= 10, "a noise strength within 0..10", self.strength)
        expect(0 <= self.min_m < self.max_m <= 60, "a range within 0..60 m",
               (self.min_m, self.max_m))

    def measure(self, depth: NDArray[np.float32], incidence: NDArray[np.float32],
                rng: np.random.Generator) -> NDArray[np.uint16]:
        """Depth (H, W) u16 [mm, 0 = none] from clean depth [m] and incidence cosines."""
        measured, valid = depth.astype(np.float64), depth > 0
        if self.strength > 0:
            measured = self._lateral(measured, rng)
            valid &= ~self._shadowed(measured)
            valid &= ~self._dropped(measured, incidence, rng)
            measured = self._axial(measured, rng)
        valid &= (measured >= self.min_m) & (measured <= self.max_m)
        return np.where(valid, np.rint(measured * 1000), 0).astype(np.uint16)

    def _lateral(self, depth: NDArray[np.float64],
                 rng: np.random.Generator) -> NDArray[np.float64]:
        height, width = depth.shape
        shift = np.rint(rng.normal(0, self.lateral_px * self.strength, (2, height, width)))
        rows = np.clip(np.arange(height)[:, None] + shift[0], 0, height - 1).astype(np.intp)
        columns = np.clip(np.arange(width)[None, :] + shift[1], 0, width - 1).astype(np.intp)
        return np.asarray(depth[rows, columns], np.float64)

    def _axial(self, depth: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        focal_baseline = self.fx * self.baseline_m
        disparity = focal_baseline / np.maximum(depth, 1e-3)
        white = rng.normal(0, 1, (depth.shape[0] + 2, depth.shape[1] + 2))
        smooth = sum(white[i:i + depth.shape[0], j:j + depth.shape[1]]
                     for i in range(3) for j in range(3)) / 3.0
        disparity += self.disparity_px * self.strength * smooth
        step = self.step_px * self.strength
        return np.asarray(focal_baseline / np.maximum(np.rint(disparity / step) * step, step),
                          np.float64)

    def _shadowed(self, depth: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where a nearer surface to the right hides the pixel from the pattern's projector."""
        disparity = self.fx * self.baseline_m / np.maximum(depth, 1e-3)
        projected = np.arange(depth.shape[1]) - disparity
        nearest = np.minimum.accumulate(projected[:, ::-1], axis=1)[:, ::-1]
        return projected > nearest + 0.75

    def _dropped(self, depth: NDArray[np.float64], incidence: NDArray[np.float32],
                 rng: np.random.Generator) -> NDArray[np.bool_]:
        """Grazing surfaces, part of the pixels along depth edges, and a few specks."""
        chance = rng.random(depth.shape)
        grazing = incidence < self.grazing_cosine * (0.5 + chance)
        jump = np.zeros(depth.shape, np.bool_)
        for axis in (0, 1):
            step = np.abs(np.diff(depth, axis=axis)) > 0.03 * np.minimum(
                np.delete(depth, -1, axis), np.delete(depth, 0, axis)) + 0.01
            pad = ((0, 1), (0, 0)) if axis == 0 else ((0, 0), (0, 1))
            jump |= np.pad(step, pad) | np.pad(step, tuple((b, a) for a, b in pad))
        return grazing | (jump & (chance < self.edge_drop)) | (chance > 0.998)
