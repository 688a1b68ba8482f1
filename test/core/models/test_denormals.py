"""Denormal weights become zero, all others stay."""

from __future__ import annotations

import numpy as np
import onnx

from om3d_core.models.denormals import without_denormals


def test_only_denormal_weights_become_zero(tmp_path):
    weights = np.array([1e-40, -1e-45, 0.0, 1.2e-38, -2.0, np.inf], np.float32)
    counts = np.array([1, 2], np.int64)
    graph = onnx.helper.make_graph([], "g", [], [], [
        onnx.numpy_helper.from_array(weights, "w"), onnx.numpy_helper.from_array(counts, "n"),
    ])  # fmt: skip
    path = tmp_path / "m.onnx"
    onnx.save(onnx.helper.make_model(graph), path)
    kept, unchanged = onnx.load_from_string(without_denormals(path)).graph.initializer
    expected = np.array([0, 0, 0, 1.2e-38, -2.0, np.inf], np.float32)
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(kept), expected)
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(unchanged), counts)
