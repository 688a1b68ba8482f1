"""The settings of training, in one tree: each is a flag of ``om3d train-proposals``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from om3d_core.evaluation.mask_quality import MaskEvaluationSettings
from om3d_core.mapping.fusion import FusionSettings
from om3d_core.proposals.mask3d.settings import Mask3DSettings
from om3d_core.settings import Settings, setting

if TYPE_CHECKING:
    from om3d_core.proposals.mask3d.network import NetworkConfig

N_CLASSES = 2
"""Of a network that starts from scratch: an object, and no object."""


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """Widths of a network that starts from scratch; a checkpoint brings its own."""

    channels: int = setting(32, "width of the first level, 32 as published", low=4, high=128)
    max_units: int = setting(6, "most residual units a level, 6 as published", low=1, high=6)
    dim: int = setting(128, "width of the decoder", low=8, high=1024)
    feed_forward: int = setting(1024, "hidden width of the decoder", low=8, high=8192)

    def config(self, n_heads: int) -> NetworkConfig:
        """The network; InputError if the decoder's width is no multiple of the heads."""
        from om3d_core.proposals.mask3d.backbone import BackboneConfig
        from om3d_core.proposals.mask3d.network import NetworkConfig

        usual = BackboneConfig()
        backbone = BackboneConfig(
            stem=self.channels,
            planes=tuple(width * self.channels // usual.stem for width in usual.planes),
            depths=tuple(min(depth, self.max_units) for depth in usual.depths),
            n_labels=1,
        )
        return NetworkConfig(backbone, self.dim, n_heads, self.feed_forward, N_CLASSES)


@dataclass(frozen=True)
class AugmentSettings(Settings):
    """Random changes of a training scene; z is up."""

    enabled: bool = setting(True, "change scenes at random; else each is the same every time")
    crop_m: float = setting(
        6.0, "edge of the square of floor that is cut out of a scene; 0 keeps all (m)",
        low=0.0, high=1000.0,
    )
    flip: float = setting(0.5, "probability of mirroring, for x and for y", low=0.0, high=1.0)
    rotation_rad: float = setting(
        3.1416, "largest rotation about the vertical (rad)", low=0.0, high=3.1416
    )
    tilt_rad: float = setting(0.05, "largest rotation about x and y (rad)", low=0.0, high=0.8)
    scale: float = setting(0.1, "largest relative change of size", low=0.0, high=0.5)
    elastic: float = setting(
        0.0, "strength of elastic distortion, Mask3D's is 2; 0 is none", low=0.0, high=10.0
    )
    brightness: float = setting(
        0.1, "largest shift of each color channel, 1 being white", low=0.0, high=1.0
    )
    contrast: float = setting(0.2, "largest relative change of contrast", low=0.0, high=1.0)
    color_noise: float = setting(
        0.02, "deviation of the noise of each color, 1 being white", low=0.0, high=1.0
    )


@dataclass(frozen=True)
class LossSettings(Settings):
    """Losses and, with the same weights, the costs of matching; the defaults are Mask3D's."""

    mask: str = setting(
        "bce", "loss of a voxel: binary cross-entropy, or focal (Lin et al. 2017)",
        choices=("bce", "focal"),
    )
    focal_alpha: float = setting(0.25, "focal: weight of voxels inside", low=0.0, high=1.0)
    focal_gamma: float = setting(2.0, "focal: exponent", low=0.0, high=10.0)
    mask_weight: float = setting(5.0, "weight of the loss of voxels", low=0.0, high=1000.0)
    dice_weight: float = setting(2.0, "weight of the dice loss", low=0.0, high=1000.0)
    class_weight: float = setting(2.0, "weight of object or no object", low=0.0, high=1000.0)
    no_object_weight: float = setting(
        0.1, "weight of queries without an object in the class loss", low=0.0, high=1.0
    )
    max_voxels: int = setting(
        0, "masks are compared at this many voxels of a scene, drawn anew in each step; 0 is all",
        low=0, high=100_000_000,
    )


@dataclass(frozen=True)
class ScheduleSettings(Settings):
    """Steps of the optimizer (AdamW)."""

    steps: int = setting(20_000, "steps in all", low=1, high=100_000_000)
    batch_size: int = setting(2, "scenes a step", low=1, high=64)
    learning_rate: float = setting(1e-4, "highest learning rate", low=0.0, high=1.0)
    weight_decay: float = setting(0.01, "decoupled weight decay", low=0.0, high=1.0)
    shape: str = setting(
        "one_cycle", "learning rate: up, then down along a cosine (Smith 2018), or polynomial",
        choices=("one_cycle", "poly"),
    )
    warmup: float = setting(0.1, "one_cycle: part of the steps upward", low=0.0, high=0.9)
    power: float = setting(0.9, "poly: exponent", low=0.1, high=10.0)
    clip_norm: float = setting(
        1.0, "gradients are scaled to at most this norm; 0 leaves them", low=0.0, high=1e6
    )
    frozen_norm: float = setting(
        0.0, "part of the steps, the last ones, in which batch normalization applies what it has"
        " collected, as it will at run time, instead of the statistics of the batch",
        low=0.0, high=1.0,
    )
    precision: str = setting(
        "auto", "arithmetic of the network; auto is bf16 or else fp16 on a GPU, full on a CPU",
        choices=("auto", "full", "bf16", "fp16"),
    )
    evaluate_every: int = setting(1000, "steps between evaluations", low=1, high=100_000_000)
    save_every: int = setting(200, "steps between saved states", low=1, high=100_000_000)
    seed: int = setting(0, "number that determines everything random", low=0, high=2**31 - 1)


@dataclass(frozen=True)
class SceneSettings(Settings):
    """What of a labeled scene is trained on."""

    min_voxels: int = setting(
        20, "smaller instances are left out of the loss, voxels", low=1, high=1_000_000
    )
    max_voxels: int = setting(
        250_000, "of larger scenes a part around a random place is kept, voxels",
        low=100, high=100_000_000,
    )


@dataclass(frozen=True)
class TrainSettings:
    """Everything; ``mask3d`` also says from which checkpoint to start and how masks are made."""

    mask3d: Mask3DSettings = field(default_factory=Mask3DSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    scenes: SceneSettings = field(default_factory=SceneSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    evaluation: MaskEvaluationSettings = field(default_factory=MaskEvaluationSettings)
