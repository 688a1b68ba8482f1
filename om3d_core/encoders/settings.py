"""The settings of encoders: those that run a network of the transformers library, and of all."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.encoders import REGISTRY
from om3d_core.errors import SettingsError
from om3d_core.models.catalog import CLIP_LARGE_336, DINOV2_LARGE, SIGLIP_SO400M
from om3d_core.models.devices import DEVICES, DTYPES
from om3d_core.registry import PluginSettings
from om3d_core.settings import Settings, setting

MODEL_HELP = "folder of a model, or its name on the Hugging Face hub as NAME@REVISION"
PREPROCESSING = ("original", "whole-crop")
MAX_TEMPLATES = 100
# The default is empty instead, as `ros2 param load` reads this text as a YAML map.
QUERY_ALONE = "{}"


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """How a network runs; common to all families."""

    device: str = setting(
        "auto", "where the network runs; auto takes a GPU if there is one", choices=DEVICES
    )
    dtype: str = setting(
        "auto", "precision of the network; auto: float16 on a GPU, float32 on a CPU",
        choices=DTYPES,
    )
    batch_size: int = setting(
        16, "crops a network pass on a GPU; on a CPU each is a pass of its own", low=1, high=1024
    )


@dataclass(frozen=True)
class TextSettings(NetworkSettings):
    """How a query becomes the text that a network reads."""

    template: str = setting(
        "", 'text with {} for the query, such as "a {} in a scene"; the features of several,'
        " separated by |, are averaged; empty: the query alone",
    )
    clean_prompts: bool = setting(
        True, "reduce a query to its noun phrase; OpenMask3D encodes it as it was typed"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.templates) > MAX_TEMPLATES:
            raise SettingsError(
                f"template: expected at most {MAX_TEMPLATES} texts, got {len(self.templates)}"
            )
        if any(text.count("{}") != 1 for text in self.templates):
            raise SettingsError(
                f"template: expected {{}} once in each text, got {self.template!r:.200}"
            )

    @property
    def templates(self) -> tuple[str, ...]:
        """The templates one by one."""
        return tuple(text.strip() for text in (self.template or QUERY_ALONE).split("|"))


@dataclass(frozen=True)
class ClipSettings(TextSettings):
    """CLIP (Radford et al. 2021)."""

    model: str = setting(CLIP_LARGE_336.reference, MODEL_HELP)
    preprocessing: str = setting(
        "whole-crop", "pad a crop to a square, or cut its middle square out as the original does,"
        " which takes the ends off elongated things",
        choices=PREPROCESSING,
    )


@dataclass(frozen=True)
class SiglipSettings(TextSettings):
    """SigLIP (Zhai et al. 2023) and SigLIP 2 (Tschannen et al. 2025)."""

    model: str = setting(SIGLIP_SO400M.reference, MODEL_HELP)
    preprocessing: str = setting(
        "original", "squash a crop into a square as the network was trained, or pad it to one",
        choices=PREPROCESSING,
    )


@dataclass(frozen=True)
class Dinov2Settings(NetworkSettings):
    """DINOv2 (Oquab et al. 2024)."""

    model: str = setting(DINOV2_LARGE.reference, MODEL_HELP)
    preprocessing: str = setting(
        "whole-crop", "pad a crop to a square, or cut its middle square out as the original does,"
        " which takes the ends off elongated things",
        choices=PREPROCESSING,
    )


class EncoderSettings(PluginSettings):
    """The settings of every encoder that has some, by its registered name."""

    registry = REGISTRY
