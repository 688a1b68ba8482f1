"""One query for each target, cheapest in total (Carion et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from om3d_core.errors import InputError, expect


@dataclass(frozen=True, eq=False)
class Assignment:
    """queries and targets: (M,) int64, M the smaller of both numbers; pairs by query."""

    queries: Tensor
    targets: Tensor


def match_queries(cost: Tensor) -> Assignment:
    """The assignment of least total cost, (Q, T). Raises InputError unless costs are finite."""
    from scipy.optimize import linear_sum_assignment

    expect(cost.ndim == 2, "costs of shape (Q, T)", tuple(cost.shape))
    if not bool(torch.isfinite(cost).all()):
        raise InputError("expected finite costs of matching, got NaN or infinity")
    queries, targets = linear_sum_assignment(cost.detach().double().cpu().numpy())
    return Assignment(
        torch.from_numpy(queries).to(cost.device, torch.int64),
        torch.from_numpy(targets).to(cost.device, torch.int64),
    )
