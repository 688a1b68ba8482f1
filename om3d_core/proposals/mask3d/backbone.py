"""Res16UNet34, the sparse U-Net of Mask3D (Choy et al. 2019; Schult et al. 2023).

Parameter names and shapes are those of the published checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from om3d_core.errors import expect
from om3d_core.sparse.backend import Backend, concatenate, relu_


@dataclass(frozen=True)
class BackboneConfig:
    """Widths of Res16UNet34; the defaults are those of Res16UNet34C.

    planes: channels of blocks 1 to 8. depths: residual units of each. ``n_labels``: outputs of
    the unused semantic head, which the checkpoints hold.
    """

    in_channels: int = 3
    stem: int = 32
    planes: tuple[int, ...] = (32, 64, 128, 256, 256, 128, 96, 96)
    depths: tuple[int, ...] = (2, 3, 4, 6, 2, 2, 2, 2)
    n_labels: int = 200
    momentum: float = 0.02

    def __post_init__(self) -> None:
        expect(len(self.planes) == 8 and min(self.planes) > 0, "8 block widths", self.planes)
        expect(len(self.depths) == 8 and min(self.depths) > 0, "8 block depths", self.depths)

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels of the five feature maps, from tensor stride 16 to 1."""
        return self.planes[3:]


class ResidualUnit(nn.Module):
    """Two convolutions of size 3 and a shortcut, projected where the width changes."""

    def __init__(self, backend: Backend, in_channels: int, out_channels: int, momentum: float):
        super().__init__()
        self._backend = backend
        self.conv1 = backend.convolution(in_channels, out_channels, 3, 1, False)
        self.norm1 = backend.batch_norm(out_channels, momentum)
        self.conv2 = backend.convolution(out_channels, out_channels, 3, 1, False)
        self.norm2 = backend.batch_norm(out_channels, momentum)
        self.downsample: nn.Module | None = None
        if in_channels != out_channels:
            self.downsample = nn.Sequential(
                backend.convolution(in_channels, out_channels, 1, 1, False),
                backend.batch_norm(out_channels, momentum),
            )

    def forward(self, x: Any) -> Any:
        """A sparse tensor on the same voxels."""
        out = relu_(self._backend, self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        total = self._backend.features(out).add_(self._backend.features(shortcut))
        return relu_(self._backend, self._backend.replace(out, total))


class Res16UNet34(nn.Module):
    """From input features to feature maps at tensor strides 16, 8, 4, 2 and 1."""

    def __init__(self, config: BackboneConfig, backend: Backend):
        super().__init__()
        self._backend = backend
        stem, planes, momentum = config.stem, config.planes, config.momentum
        skips = (planes[2], planes[1], planes[0], stem)

        self.conv0p1s1 = backend.convolution(config.in_channels, stem, 5, 1, False)
        self.bn0 = backend.batch_norm(stem, momentum)
        width = stem
        for i, (down, norm, block) in enumerate(_ENCODER):
            self.add_module(down, backend.convolution(width, width, 2, 2, False))
            self.add_module(norm, backend.batch_norm(width, momentum))
            self.add_module(block, self._block(width, planes[i], config.depths[i], momentum))
            width = planes[i]
        for i, (up, norm, block) in enumerate(_DECODER):
            out = planes[4 + i]
            self.add_module(up, backend.transposed_convolution(width, out, 2, 2))
            self.add_module(norm, backend.batch_norm(out, momentum))
            self.add_module(
                block, self._block(out + skips[i], out, config.depths[4 + i], momentum)
            )
            width = out
        self.final = backend.convolution(width, config.n_labels, 1, 1, True)

    def _block(
        self, in_channels: int, out_channels: int, depth: int, momentum: float
    ) -> nn.Sequential:
        widths = [in_channels] + [out_channels] * depth
        return nn.Sequential(
            *(
                ResidualUnit(self._backend, widths[i], widths[i + 1], momentum)
                for i in range(depth)
            )
        )

    def forward(self, coordinates: Tensor, features: Tensor) -> list[Any]:
        """Five sparse tensors, from tensor stride 16 to 1; the last has the rows of the input.

        coordinates: (N, 4) int32. features: (N, in_channels) float.
        """
        out = self._backend.tensor(coordinates, features)
        out = relu_(self._backend, self.bn0(self.conv0p1s1(out)))
        skips = [out]
        for down, norm, block in _ENCODER:
            out = self._resample(out, down, norm)
            out = self._modules[block](out)  # type: ignore[misc]
            skips.append(out)
        levels = [skips.pop()]
        for up, norm, block in _DECODER:
            out = concatenate(self._backend, self._resample(out, up, norm), skips.pop())
            out = self._modules[block](out)  # type: ignore[misc]
            levels.append(out)
        return levels

    def _resample(self, x: Any, convolution: str, norm: str) -> Any:
        convolved = self._modules[convolution](x)  # type: ignore[misc]
        return relu_(self._backend, self._modules[norm](convolved))  # type: ignore[misc]


_ENCODER = (
    ("conv1p1s2", "bn1", "block1"),
    ("conv2p2s2", "bn2", "block2"),
    ("conv3p4s2", "bn3", "block3"),
    ("conv4p8s2", "bn4", "block4"),
)
_DECODER = (
    ("convtr4p16s2", "bntr4", "block5"),
    ("convtr5p8s2", "bntr5", "block6"),
    ("convtr6p4s2", "bntr6", "block7"),
    ("convtr7p2s2", "bntr7", "block8"),
)
