"""MinkowskiEngine 0.5 as a backend, where it is installed.

Its CPU build gives the rows of decomposed tensors in hash order; only whole tensors are read
here, whose rows and coordinates agree.
"""

from __future__ import annotations

import collections
import collections.abc
import importlib
from typing import Any

from torch import Tensor, nn

from om3d_core.errors import ModelError

DIMENSION = 3


class MinkowskiBackend:
    """The layers of MinkowskiEngine; raises ModelError where it cannot be imported."""

    def __init__(self) -> None:
        if not hasattr(collections, "Sequence"):
            # Version 0.5.4 reads the name that Python 3.10 removed.
            collections.Sequence = collections.abc.Sequence  # type: ignore[attr-defined]
        try:
            engine = importlib.import_module("MinkowskiEngine")
        except ImportError as error:
            raise ModelError(
                "sparse backend 'minkowski': expected MinkowskiEngine 0.5.4 to be installed"
                f" (scripts/build_minkowski.sh builds it), got: {error}; or choose 'torch'"
            ) from error
        self._engine = engine
        self._pooling = engine.MinkowskiAvgPooling(2, stride=2, dimension=DIMENSION)

    def convolution(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, bias: bool
    ) -> nn.Module:
        layer: nn.Module = self._engine.MinkowskiConvolution(
            in_channels,
            out_channels,
            kernel_size=kernel_size,
            stride=stride,
            bias=bias,
            dimension=DIMENSION,
        )
        return layer

    def transposed_convolution(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int
    ) -> nn.Module:
        layer: nn.Module = self._engine.MinkowskiConvolutionTranspose(
            in_channels,
            out_channels,
            kernel_size=kernel_size,
            stride=stride,
            bias=False,
            dimension=DIMENSION,
        )
        return layer

    def batch_norm(self, channels: int, momentum: float) -> nn.Module:
        layer: nn.Module = self._engine.MinkowskiBatchNorm(channels, momentum=momentum)
        return layer

    def tensor(self, coordinates: Tensor, features: Tensor) -> Any:
        return self._engine.SparseTensor(features=features, coordinates=coordinates)

    def features(self, x: Any) -> Tensor:
        features: Tensor = x.F
        return features

    def coordinates(self, x: Any) -> Tensor:
        coordinates: Tensor = x.C
        return coordinates

    def replace(self, x: Any, features: Tensor) -> Any:
        return self._engine.SparseTensor(
            features=features,
            coordinate_map_key=x.coordinate_map_key,
            coordinate_manager=x.coordinate_manager,
        )

    def pool(self, x: Any) -> Any:
        return self._pooling(x)
