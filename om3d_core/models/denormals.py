"""Weights that are too small to count: x86 takes a hundred times as long to multiply by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def without_denormals(path: Path) -> bytes:
    """The ONNX model of a file with zeros for its denormal weights, those below 1.2e-38.

    Training with weight decay leaves such numbers in channels that nothing uses. What the model
    answers is the same but for what float32 rounds away.
    """
    import onnx

    model = onnx.load(path)
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(weight)
            tiny = (values != 0) & (np.abs(values) < np.finfo(np.float32).tiny)
            if tiny.any():
                values = np.where(tiny, np.float32(0), values)
                weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    return bytes(model.SerializeToString())
