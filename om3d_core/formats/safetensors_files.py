"""Tensors in .safetensors files; the library checks every offset against the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from om3d_core.errors import ModelError, reason_of
from om3d_core.files import open_regular

if TYPE_CHECKING:
    from torch import Tensor


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a file. Raises ModelError."""
    from safetensors import SafetensorError, safe_open

    try:
        os.close(open_regular(path))
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise ModelError(
            f"{path}: expected a safetensors file, got {reason_of(error)}"
        ) from error
