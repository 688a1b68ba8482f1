"""The voxel coordinates of every level, and the kernel maps between them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from om3d_core.errors import InputError, expect
from om3d_core.sparse.kernel_map import KernelMap
from om3d_core.sparse.parallel import for_each_block

MAX_TABLE_CELLS = 1 << 26
"""Above this number of cells the bounding box is searched in sorted keys, not in a table."""

MAX_KEYS = 1 << 62


class CoordinateManager:
    """Coordinates by tensor stride, each level made once; kernel maps are kept for reuse.

    coordinates: (N, 4) int32 rows (batch, x, y, z), unique, batch not negative, in any order.
    Raises InputError for anything else.
    """

    def __init__(self, coordinates: Tensor):
        expect(
            coordinates.ndim == 2 and coordinates.shape[1] == 4,
            "coordinates of shape (N, 4)",
            tuple(coordinates.shape),
        )
        expect(coordinates.dtype == torch.int32, "coordinates of dtype int32", coordinates.dtype)
        expect(len(coordinates) > 0, "at least one voxel", "none")
        expect(int(coordinates[:, 0].min()) >= 0, "batch indices of 0 and up", "a negative one")
        n_unique = len(torch.unique(_Keys(coordinates, 1, 0).of(coordinates)))
        expect(n_unique == len(coordinates), "unique coordinates", f"{n_unique} unique ones")
        self._levels = {1: coordinates}
        self._maps: dict[tuple[int, int, int, int], KernelMap] = {}

    def at(self, stride: int) -> Tensor:
        """(N, 4) int32 coordinates of an existing level."""
        if stride not in self._levels:
            raise InputError(f"expected a tensor stride of {sorted(self._levels)}, got {stride}")
        return self._levels[stride]

    def downsample(self, stride: int, factor: int) -> int:
        """The tensor stride of the level ``factor`` times coarser, which is made if needed.

        Rows of the new level are sorted by batch, z, y, x.
        """
        coarse = stride * factor
        if coarse not in self._levels:
            fine = self.at(stride)
            floored = fine.div(coarse, rounding_mode="floor") * coarse
            floored[:, 0] = fine[:, 0]
            keys = _Keys(floored, coarse, 0)
            self._levels[coarse] = keys.coordinates(torch.unique(keys.of(floored)))
        return coarse

    def kernel_map(
        self, stride: int, kernel_size: int, factor: int = 1, dilation: int = 1
    ) -> KernelMap:
        """The map from the level ``stride`` to the level ``stride * factor``."""
        name = (stride, kernel_size, factor, dilation)
        if name not in self._maps:
            self._maps[name] = self._make_map(*name)
        return self._maps[name]

    def _make_map(self, stride: int, kernel_size: int, factor: int, dilation: int) -> KernelMap:
        inputs = self.at(stride)
        outputs = self.at(self.downsample(stride, factor))
        offsets = kernel_offsets(kernel_size) * dilation
        margin = int(offsets.abs().max()) + factor - 1
        keys = _Keys(inputs, stride, margin)
        find = _Finder(keys.of(inputs), keys.count)
        targets = keys.of(outputs)
        steps = (offsets.long() @ torch.tensor(keys.steps)).tolist()
        neighbors = torch.empty(
            (len(steps), len(outputs)), dtype=torch.int32, device=inputs.device
        )

        def work(indices: Iterator[int]) -> None:
            for i in indices:
                neighbors[i] = find(targets + steps[i])

        for_each_block(work, len(steps), inputs.device)
        return KernelMap(neighbors, len(inputs), factor == 1 and kernel_size % 2 == 1)


def kernel_offsets(kernel_size: int) -> Tensor:
    """(k^3, 3) int32 offsets (x, y, z) in kernel order: x is the fastest axis."""
    first = -(kernel_size // 2) if kernel_size % 2 else 0
    line = torch.arange(first, first + kernel_size, dtype=torch.int32)
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    return torch.stack([x, y, z], dim=-1).reshape(-1, 3)


class _Keys:
    """Numbers the cells of the bounding box of a level, widened by ``margin`` cells."""

    def __init__(self, coordinates: Tensor, stride: int, margin: int):
        cells = coordinates[:, 1:]
        self._stride = stride
        self._low = cells.amin(0).long().div(stride, rounding_mode="floor") - margin
        high = cells.amax(0).long().div(stride, rounding_mode="floor") + margin
        size_x, size_y, size_z = (high - self._low + 1).tolist()
        self.steps = (1, size_x, size_x * size_y)
        self._batch_step = size_x * size_y * size_z
        self.count = self._batch_step * (int(coordinates[:, 0].max()) + 1)
        expect(
            self.count < MAX_KEYS,
            "voxels within a bounding box of fewer than 2^62 cells",
            f"{size_x} x {size_y} x {size_z} cells",
        )

    def of(self, coordinates: Tensor) -> Tensor:
        """(N,) int64 keys; coordinates are rounded down to the stride."""
        cells = coordinates[:, 1:].long().div(self._stride, rounding_mode="floor") - self._low
        keys: Tensor = coordinates[:, 0].long() * self._batch_step
        for axis, step in enumerate(self.steps):
            keys += cells[:, axis] * step
        return keys

    def coordinates(self, keys: Tensor) -> Tensor:
        """(N, 4) int32, the inverse of ``of``."""
        batch = keys.div(self._batch_step, rounding_mode="floor")
        rest = keys - batch * self._batch_step
        columns = []
        for step in reversed(self.steps):
            cell = rest.div(step, rounding_mode="floor")
            columns.append(cell)
            rest = rest - cell * step
        cells = torch.stack(columns[::-1], dim=1) + self._low
        return torch.cat([batch[:, None], cells * self._stride], dim=1).int()


class _Finder:
    """Rows by key, -- the number of rows where there is none -- from a table or by bisection."""

    def __init__(self, keys: Tensor, n_cells: int):
        self._absent = len(keys)
        rows = torch.arange(len(keys), dtype=torch.int32, device=keys.device)
        self._table: Tensor | None = None
        if n_cells <= MAX_TABLE_CELLS:
            self._table = rows.new_full((n_cells,), self._absent)
            self._table[keys] = rows
        else:
            self._keys, order = keys.sort()
            self._rows = rows[order]

    def __call__(self, keys: Tensor) -> Tensor:
        if self._table is not None:
            return self._table[keys]
        place = torch.searchsorted(self._keys, keys).clamp_(max=self._absent - 1)
        return torch.where(self._keys[place] == keys, self._rows[place], self._absent)
