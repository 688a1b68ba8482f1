"""Voxels of labeled scenes as the network takes them, several scenes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from om3d_core.errors import expect
from om3d_core.proposals.mask3d.voxelize import network_colors, voxelize
from om3d_core.training.augment import augment
from om3d_core.training.dataset import VOID, LabeledScene
from om3d_core.training.settings import TrainSettings

COARSEST_STRIDE = 16

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Batch:
    """coordinates: (N, 4) int32. colors, positions: (N, 3) float32.

    labels: (N_b,) int64 of each scene, 0..T-1 for its objects, else BACKGROUND or VOID.
    rows: (V_b,) int64 ascending voxels of each scene at which masks are compared, none of them
    VOID.
    """

    coordinates: Tensor
    colors: Tensor
    positions: Tensor
    labels: list[Tensor]
    rows: list[Tensor]

    def to(self, device: torch.device) -> Batch:
        """On another device."""
        return Batch(
            self.coordinates.to(device),
            self.colors.to(device),
            self.positions.to(device),
            [labels.to(device) for labels in self.labels],
            [rows.to(device) for rows in self.rows],
        )


class Sampler:
    """The batch of each step, a function of the settings, the seed and the step alone."""

    def __init__(self, scenes: Sequence[LabeledScene], settings: TrainSettings):
        expect(len(scenes) > 0, "at least one scene", "none")
        self._scenes, self._settings = scenes, settings

    def batch(self, step: int) -> Batch:
        """The scenes of a step; every scene comes once before one comes twice."""
        size, seed = self._settings.schedule.batch_size, self._settings.schedule.seed
        samples, rows = [], []
        for slot in range(size):
            epoch, place = divmod(step * size + slot, len(self._scenes))
            order = np.random.default_rng([seed, 0, epoch]).permutation(len(self._scenes))
            rng = np.random.default_rng([seed, 1, step, slot])
            samples.append(self._voxels(self._scenes[int(order[place])], rng))
            rows.append(_compared(samples[-1][-1], self._settings.loss.max_voxels, rng))
        cells, colors, positions, labels = zip(*samples, strict=True)
        coordinates = np.concatenate(
            [np.pad(c, ((0, 0), (1, 0)), constant_values=i) for i, c in enumerate(cells)]
        )
        coarsest = coordinates // np.array([1, *[COARSEST_STRIDE] * 3])
        expect(
            len(np.unique(coarsest, axis=0)) > 1,
            f"scenes larger than {COARSEST_STRIDE} voxels, to normalize over",
            "a smaller one",
        )
        return Batch(
            torch.from_numpy(coordinates),
            torch.from_numpy(np.concatenate(colors)),
            torch.from_numpy(np.concatenate(positions)),
            [torch.from_numpy(ids) for ids in labels],
            [torch.from_numpy(chosen) for chosen in rows],
        )

    def _voxels(
        self, scene: LabeledScene, rng: np.random.Generator
    ) -> tuple[Ints, Floats, Floats, npt.NDArray[np.int64]]:
        """Cells (N, 3), colors (N, 3), positions (N, 3) and labels (N,) of one scene."""
        s = self._settings
        if s.augment.enabled:
            scene = augment(scene, s.augment, s.mask3d.voxel_m, rng)
        voxels = voxelize(scene.cloud.points, s.mask3d.voxel_m)
        rows = _around(voxels.cells, s.scenes.max_voxels, rng)
        first = voxels.first[rows]
        colors = network_colors(scene.cloud.colors[first], s.mask3d.color_normalization)
        labels = _consecutive(scene.instance[first], s.scenes.min_voxels)
        return voxels.cells[rows], colors, scene.cloud.points[first], labels


def _around(
    cells: npt.NDArray[np.int32], most: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The ascending rows of all cells, or of the ``most`` that are nearest to a random one."""
    if len(cells) <= most:
        return np.arange(len(cells))
    center = cells[int(rng.integers(len(cells)))]
    squared = ((cells - center).astype(np.int64)[:, :2] ** 2).sum(axis=1)
    return np.sort(np.argsort(squared, kind="stable")[:most])


def _consecutive(instance: npt.NDArray[np.int32], min_voxels: int) -> npt.NDArray[np.int64]:
    """Objects renumbered from 0; those of fewer voxels are void."""
    ids, inverse, counts = np.unique(instance, return_inverse=True, return_counts=True)
    large = (ids >= 0) & (counts >= min_voxels)
    number = np.where(ids >= 0, VOID, ids).astype(np.int64)
    number[large] = np.arange(int(large.sum()))
    return number[inverse.reshape(-1)]


def _compared(
    labels: npt.NDArray[np.int64], most: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The ascending rows with a verdict, or ``most`` of them drawn at random; 0 takes all."""
    rows = np.flatnonzero(labels != VOID)
    if not most or len(rows) <= most:
        return rows
    return np.sort(rng.choice(rows, most, replace=False))


def targets_of(labels: Tensor, rows: Tensor) -> Tensor:
    """(T, V) float32 masks of the objects 0..T-1 of (N,) labels over the (V,) given rows."""
    n_targets = max(int(labels.max()) + 1, 0) if len(labels) else 0
    ids = torch.arange(n_targets, device=labels.device)
    return (labels[rows][None, :] == ids[:, None]).float()
