"""Which input row every kernel index of every output row reads, and the order to compute it in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from om3d_core.sparse.parallel import for_each_block

CPU_BLOCK_ROWS = 2048
"""Output rows of a block on the CPU: gathered inputs and products of a block stay in the cache."""

GPU_BLOCK_ROWS = 131_072
"""Output rows of a block on a GPU, where few large products are faster; bounds the memory."""


@dataclass(frozen=True, eq=False)
class PairPlan:
    """The (input, output) pairs of a kernel map, ordered for one product a block and index.

    inputs: (n_pairs,) int32 input rows, ordered by block, kernel index, output row.
    counts: pairs of each block and kernel index. starts: first pair of each block, and n_pairs.
    positions: (n_pairs,) int32 places of the pairs within their block's part of ``inputs``,
    ordered by output row. bags: (n_blocks, block_rows + 1) int32, where the positions of each
    output row start and end, counted from the start of the block.
    """

    block_rows: int
    inputs: Tensor
    counts: list[list[int]]
    starts: list[int]
    positions: Tensor
    bags: Tensor


@dataclass(frozen=True, eq=False)
class KernelMap:
    """neighbors: (K, n_out) int32 input rows, ``n_in`` where a voxel does not exist.

    symmetric: inputs and outputs are the same voxels, and index K - 1 - i leads back from where
    index i leads.
    """

    neighbors: Tensor
    n_in: int
    symmetric: bool = False

    @property
    def volume(self) -> int:
        """K, the number of kernel indices."""
        return self.neighbors.shape[0]

    @property
    def n_out(self) -> int:
        """The number of output rows."""
        return self.neighbors.shape[1]

    @cached_property
    def exists(self) -> Tensor:
        """(K, n_out) bool, whether there is an input."""
        return self.neighbors < self.n_in

    @cached_property
    def transposed(self) -> KernelMap:
        """The map with inputs and outputs exchanged: index i leads back where it came from."""
        index, output = self.exists.nonzero(as_tuple=True)
        back = self.neighbors.new_full((self.volume, self.n_in), self.n_out)
        back[index, self.neighbors[index, output].long()] = output.to(back.dtype)
        return KernelMap(back, self.n_out)

    @cached_property
    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """The input and the output rows of each kernel index."""
        result = []
        for neighbors, exists in zip(self.neighbors, self.exists, strict=True):
            outputs = exists.nonzero().squeeze(1)
            result.append((neighbors[outputs], outputs))
        return result

    @cached_property
    def by_output(self) -> tuple[Tensor, Tensor]:
        """Existing input rows ordered by output row, (n_pairs,), and their bags, (n_out + 1,)."""
        exists = self.exists.T
        bags = torch.zeros(self.n_out + 1, dtype=torch.int32, device=exists.device)
        torch.cumsum(exists.sum(1), 0, out=bags[1:])
        return self.neighbors.T[exists], bags

    @cached_property
    def plan(self) -> PairPlan:
        """The pairs in the order of the blocked convolution."""
        plans: list[PairPlan] = []

        def work(blocks: Iterator[int]) -> None:
            plans.extend(_make_plan(self) for _ in blocks)

        for_each_block(work, 1, self.neighbors.device)
        return plans[0]


def _make_plan(kernel_map: KernelMap) -> PairPlan:
    neighbors, absent, n_out = kernel_map.neighbors, kernel_map.n_in, kernel_map.n_out
    device = neighbors.device
    rows = CPU_BLOCK_ROWS if device.type == "cpu" else GPU_BLOCK_ROWS
    n_blocks = max(-(-n_out // rows), 1)
    padded = neighbors.new_full((kernel_map.volume, n_blocks * rows), absent)
    padded[:, :n_out] = neighbors
    blocks = padded.view(kernel_map.volume, n_blocks, rows).transpose(0, 1).contiguous()
    exists = blocks < absent
    inputs = blocks[exists]

    counts = exists.sum(2)
    sizes = counts.sum(1)
    starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    places = torch.arange(len(inputs), dtype=torch.int32, device=device)
    places -= torch.repeat_interleave(starts[:-1].int(), sizes)
    blocks[exists] = places
    positions = blocks.transpose(1, 2)[exists.transpose(1, 2)]
    bags = torch.zeros(n_blocks, rows + 1, dtype=torch.int32, device=device)
    bags[:, 1:] = exists.sum(1).cumsum(1)
    return PairPlan(rows, inputs, counts.tolist(), starts.tolist(), positions, bags)
