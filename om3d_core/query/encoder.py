"""The encoder that the questions to a map need."""

from __future__ import annotations

from om3d_core.data.feature_space import space_for
from om3d_core.data.scene import Scene
from om3d_core.encoders.base import Encoder, encoder_of_space
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import UnsupportedQueryError


def encoder_of(
    scene: Scene, settings: EncoderSettings | None = None, *, image: bool = False
) -> Encoder:
    """The encoder for text queries, or for queries by picture, of the scene's features.

    Raises :class:`UnsupportedQueryError` if there are none.
    """
    space = space_for((table.space for table in scene.features), image=image)
    if space is None:
        stored = ", ".join(table.space.name for table in scene.features) or "none"
        raise UnsupportedQueryError(
            f"expected a map with features for {'image' if image else 'text'} queries, it holds"
            f" {stored}"
        )
    return encoder_of_space(space, settings)
