"""The weights of the full-size Mask3D fixture, a function of their names and shapes."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt


def fill_rule(name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Normal numbers seeded by the name, scaled by kind, as the fixture's description states."""
    seed = zlib.crc32(name.encode()) & 0xFFFFFFFF
    normal = np.random.RandomState(seed).standard_normal(shape or (1,)).reshape(shape)
    kind = name.rpartition(".")[2]
    if kind == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    return np.asarray(_scaled(name, kind, shape, normal), np.float32)


def _scaled(
    name: str, kind: str, shape: tuple[int, ...], normal: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    is_weight = kind.endswith("weight")
    if kind == "running_var":
        return np.exp(0.2 * normal)
    if kind == "gauss_B":
        return normal
    if kind == "kernel":
        return normal * np.sqrt(1.0 / _fan(name, shape))
    if is_weight and "norm2" in name:
        return 0.3 * (1.0 + 0.2 * normal)
    if is_weight and any(part in name for part in ("bn", "norm", "downsample.1")):
        return 1.0 + 0.2 * normal
    if is_weight and name.startswith("query_projection"):
        return 3.0 * normal / np.sqrt(shape[1])
    if name.endswith("in_proj_weight"):
        return 1.5 * normal / np.sqrt(shape[1])
    if is_weight and len(shape) >= 2:
        return normal / np.sqrt(shape[1])
    return 0.2 * normal


def _fan(name: str, shape: tuple[int, ...]) -> float:
    if len(shape) == 2:
        return shape[0]
    if "convtr" in name:
        return shape[1]
    return 3.0 * shape[1] if shape[0] == 8 else shape[1] * shape[0] / 3.0
