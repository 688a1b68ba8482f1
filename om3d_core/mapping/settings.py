"""Every setting of a map in one tree: CLI flags and ROS parameters have these dotted names."""

from __future__ import annotations

from dataclasses import dataclass, field

from om3d_core.encoders import REGISTRY as ENCODERS
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.evidence.detections import DetectionSettings, DetectorSettings
from om3d_core.evidence.printed_text import PrintedTextSettings
from om3d_core.mapping.crops import CropSettings
from om3d_core.mapping.fusion import FusionSettings
from om3d_core.mapping.gravity import GravitySettings
from om3d_core.mapping.pose_cells import KeyframeSettings
from om3d_core.mapping.tracking import TrackingSettings
from om3d_core.mapping.views import ViewSettings
from om3d_core.mapping.visibility import VisibilitySettings
from om3d_core.mapping.vocabulary import NameSettings
from om3d_core.proposals.settings import ProposalSettings, ProposerSettings
from om3d_core.segmenters.settings import RefinementSettings, SegmenterSettings
from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class FeatureSettings(Settings):
    """What encodes the views."""

    encoders: str = setting(
        "lite", "encoders by name, separated by commas", choices=ENCODERS, several=True
    )


@dataclass(frozen=True)
class SaveSettings(Settings):
    """What a saved map holds."""

    keyframes: bool = setting(
        True, "save the keyframes with a map, so that it can go on; without them it is smaller, "
        "and what is added to it later cannot correct what it holds of other places",
    )


@dataclass(frozen=True)
class MapSettings:
    """The settings of a :class:`~om3d_core.mapping.mapper.Mapper` and of what it is made of.

    Those of plug-ins have the dotted names of the plug-ins' groups, such as ``clip.model``.
    """

    keyframes: KeyframeSettings = field(default_factory=KeyframeSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    gravity: GravitySettings = field(default_factory=GravitySettings)
    proposals: ProposalSettings = field(default_factory=ProposalSettings)
    proposers: ProposerSettings = field(default_factory=ProposerSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    visibility: VisibilitySettings = field(default_factory=VisibilitySettings)
    views: ViewSettings = field(default_factory=ViewSettings)
    crops: CropSettings = field(default_factory=CropSettings)
    segmenter: RefinementSettings = field(default_factory=RefinementSettings)
    segmenters: SegmenterSettings = field(default_factory=SegmenterSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    encoders: EncoderSettings = field(default_factory=EncoderSettings)
    names: NameSettings = field(default_factory=NameSettings)
    text: PrintedTextSettings = field(default_factory=PrintedTextSettings)
    detections: DetectionSettings = field(default_factory=DetectionSettings)
    detectors: DetectorSettings = field(default_factory=DetectorSettings)
    save: SaveSettings = field(default_factory=SaveSettings)
