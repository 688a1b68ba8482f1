"""Every setting of a map in one tree: CLI flags and ROS parameters have these dotted names."""

from __future__ import annotations

from dataclasses import dataclass, field

from om3d_core.encoders.settings import (
    ClipSettings,
    Dinov2Settings,
    EncoderSettings,
    SiglipSettings,
)
from om3d_core.mapping.crops import CropSettings
from om3d_core.mapping.fusion import FusionSettings
from om3d_core.mapping.gravity import GravitySettings
from om3d_core.mapping.keyframes import KeyframeSettings
from om3d_core.mapping.tracking import TrackingSettings
from om3d_core.mapping.views import ViewSettings
from om3d_core.mapping.visibility import VisibilitySettings
from om3d_core.proposals.geometric import GeometricSettings
from om3d_core.proposals.mask3d.settings import Mask3DSettings
from om3d_core.proposals.segment3d import Segment3DSettings
from om3d_core.segmenters.base import SegmenterSettings
from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class ProposalSettings(Settings):
    """Where the 3D masks come from."""

    method: str = setting(
        "geometric", "source of the 3D masks",
        choices=("geometric", "mask3d", "segment3d", "precomputed"),
    )
    path: str = setting("", "mask file of the precomputed method (.npz or .pt)")


@dataclass(frozen=True)
class FeatureSettings(Settings):
    """What encodes the views."""

    encoders: str = setting("lite", "encoders by name, separated by commas")


@dataclass(frozen=True)
class MapSettings:
    """The settings of a :class:`~om3d_core.mapping.mapper.Mapper` and of what it is made of."""

    keyframes: KeyframeSettings = field(default_factory=KeyframeSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    gravity: GravitySettings = field(default_factory=GravitySettings)
    proposals: ProposalSettings = field(default_factory=ProposalSettings)
    geometric: GeometricSettings = field(default_factory=GeometricSettings)
    mask3d: Mask3DSettings = field(default_factory=Mask3DSettings)
    segment3d: Segment3DSettings = field(default_factory=Segment3DSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    visibility: VisibilitySettings = field(default_factory=VisibilitySettings)
    views: ViewSettings = field(default_factory=ViewSettings)
    crops: CropSettings = field(default_factory=CropSettings)
    segmenter: SegmenterSettings = field(default_factory=SegmenterSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    clip: ClipSettings = field(default_factory=ClipSettings)
    siglip: SiglipSettings = field(default_factory=SiglipSettings)
    dinov2: Dinov2Settings = field(default_factory=Dinov2Settings)

    @property
    def encoders(self) -> EncoderSettings:
        """The settings of the encoders."""
        return EncoderSettings(self.clip, self.siglip, self.dinov2)
