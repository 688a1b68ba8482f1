"""Where a PyTorch network runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from om3d_core.errors import ModelError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")
DTYPES = ("auto", "float32", "float16", "bfloat16")


def choose_device(name: str) -> torch.device:
    """The device ``auto``, ``cpu`` or ``cuda``; :class:`ModelError` without a GPU for ``cuda``."""
    import torch

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ModelError("device cuda: expected a GPU that PyTorch can use, got none; choose cpu")
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The precision of a name out of DTYPES; auto: float16 on a GPU, float32 on a CPU."""
    import torch

    if name == "auto":
        name = "float32" if device.type == "cpu" else "float16"
    dtype: torch.dtype = getattr(torch, name)
    return dtype
