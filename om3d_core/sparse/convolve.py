"""Convolution over a kernel map, with gradients.

Wide inputs: for each block of output rows the inputs of all pairs are gathered at once, one
product is taken a kernel index, and the products of each output row are summed as one bag; a
block's buffers stay in the cache, nothing is scattered and no pair that does not exist is
computed. Narrow inputs: the product of the unfolded rows, absent voxels being zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from om3d_core.errors import expect
from om3d_core.sparse.kernel_map import KernelMap
from om3d_core.sparse.parallel import for_each_block

MAX_UNFOLDED_CHANNELS = 8
"""Inputs of at most this many channels are unfolded."""

UNFOLDED_TERMS = 96
"""Terms that a product of unfolded rows adds up in one go; one long chain of them loses digits."""

CPU_UNFOLDED_VALUES = 1 << 19
GPU_UNFOLDED_VALUES = 1 << 26
"""Unfolded inputs of a block of output rows."""


def convolve(x: Tensor, kernel: Tensor, kernel_map: KernelMap) -> Tensor:
    """(n_out, C_out) from (n_in, C_in) features and a (K, C_in, C_out) kernel."""
    expected = (kernel_map.volume, x.shape[1])
    expect(
        kernel.ndim == 3 and kernel.shape[:2] == expected,
        f"a kernel of shape ({expected[0]}, {expected[1]}, C_out)",
        tuple(kernel.shape),
    )
    expect(len(x) == kernel_map.n_in, f"{kernel_map.n_in} input rows", len(x))
    result: Tensor = _Convolve.apply(  # type: ignore[no-untyped-call]
        x, kernel.to(x.dtype), kernel_map
    )
    return result


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, kernel_map: KernelMap) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.kernel_map = kernel_map
        return _multiply(x, kernel, kernel_map)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, kernel = ctx.saved_tensors
        grad = grad.contiguous()
        grad_x = grad_kernel = None
        if ctx.needs_input_grad[0]:
            grad_x = _multiply_transposed(grad, kernel, ctx.kernel_map)
        if ctx.needs_input_grad[1]:
            grad_kernel = _kernel_gradient(x, grad, ctx.kernel_map)
        return grad_x, grad_kernel, None


def _multiply_transposed(grad: Tensor, kernel: Tensor, kernel_map: KernelMap) -> Tensor:
    kernel = kernel.transpose(1, 2)
    if kernel_map.symmetric:
        return _multiply(grad, kernel.flip(0), kernel_map)
    return _multiply(grad, kernel.contiguous(), kernel_map.transposed)


def _kernel_gradient(x: Tensor, grad: Tensor, kernel_map: KernelMap) -> Tensor:
    """(K, C_in, C_out) from (n_in, C_in) inputs and the gradient of (n_out, C_out) outputs."""
    if x.shape[1] > MAX_UNFOLDED_CHANNELS:
        return torch.stack(
            [
                x.index_select(0, inputs).T @ grad.index_select(0, outputs)
                for inputs, outputs in kernel_map.pairs
            ]
        )
    padded = torch.cat([x, x.new_zeros(1, x.shape[1])])
    total = torch.zeros(
        kernel_map.volume * x.shape[1], grad.shape[1],
        dtype=torch.promote_types(x.dtype, torch.float32), device=x.device,
    )  # fmt: skip
    n_rows = _unfolded_rows(total)
    for start in range(0, kernel_map.n_out, n_rows):
        rows = slice(start, start + n_rows)
        total += _unfold(padded, kernel_map, rows).T @ grad[rows]
    return total.to(x.dtype).view(kernel_map.volume, x.shape[1], grad.shape[1])


def _multiply(x: Tensor, kernel: Tensor, kernel_map: KernelMap) -> Tensor:
    if x.shape[1] <= MAX_UNFOLDED_CHANNELS:
        return _multiply_unfolded(x, kernel, kernel_map)
    return _multiply_pairs(x, kernel, kernel_map)


def _multiply_unfolded(x: Tensor, kernel: Tensor, kernel_map: KernelMap) -> Tensor:
    """The product of (rows, K C_in) by (K C_in, C_out) for each block of output rows."""
    volume, in_channels, out_channels = kernel.shape
    padded = torch.cat([x, x.new_zeros(1, in_channels)])
    flat = kernel.reshape(volume * in_channels, out_channels)
    out = x.new_empty(kernel_map.n_out, out_channels)
    n_rows = _unfolded_rows(flat)

    def work(blocks: Iterator[int]) -> None:
        for block in blocks:
            rows = slice(block * n_rows, (block + 1) * n_rows)
            unfolded, total = _unfold(padded, kernel_map, rows), out[rows]
            torch.mm(unfolded[:, :UNFOLDED_TERMS], flat[:UNFOLDED_TERMS], out=total)
            for start in range(UNFOLDED_TERMS, len(flat), UNFOLDED_TERMS):
                terms = slice(start, start + UNFOLDED_TERMS)
                total += unfolded[:, terms] @ flat[terms]

    for_each_block(work, -(-len(out) // n_rows), x.device)
    return out


def _unfold(padded: Tensor, kernel_map: KernelMap, rows: slice) -> Tensor:
    """(rows, K C_in) inputs of the output rows; the last of (n_in + 1, C_in) is the absent one."""
    neighbors = kernel_map.neighbors[:, rows].T.reshape(-1)
    return padded.index_select(0, neighbors).view(-1, kernel_map.volume * padded.shape[1])


def _unfolded_rows(flat: Tensor) -> int:
    """Output rows of a block, for a (K C_in, C_out) kernel."""
    on_cpu = flat.device.type == "cpu"
    return max((CPU_UNFOLDED_VALUES if on_cpu else GPU_UNFOLDED_VALUES) // len(flat), 1)


def _multiply_pairs(x: Tensor, kernel: Tensor, kernel_map: KernelMap) -> Tensor:
    """Gather, one product a kernel index, sum per output row; block by block."""
    plan = kernel_map.plan
    _, in_channels, out_channels = kernel.shape
    largest = max(map(sum, plan.counts))
    out = x.new_empty(kernel_map.n_out, out_channels)
    weights = kernel.unbind()

    def work(blocks: Iterator[int]) -> None:
        gathered = x.new_empty(largest, in_channels)
        products = x.new_empty(largest, out_channels)
        for block in blocks:
            start, stop = plan.starts[block], plan.starts[block + 1]
            rows = slice(block * plan.block_rows, (block + 1) * plan.block_rows)
            torch.index_select(x, 0, plan.inputs[start:stop], out=gathered[: stop - start])
            done = 0
            for weight, count in zip(weights, plan.counts[block], strict=True):
                pairs = slice(done, done + count)
                torch.mm(gathered[pairs], weight, out=products[pairs])
                done += count
            out[rows] = F.embedding_bag(
                plan.positions[start:stop],
                products[:done],
                plan.bags[block, : len(out[rows]) + 1],
                mode="sum",
                include_last_offset=True,
            )

    for_each_block(work, len(plan.counts), x.device)
    return out
