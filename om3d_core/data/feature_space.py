"""The vector spaces that features are compared in, and which one a kind of query needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from om3d_core.errors import expect


@dataclass(frozen=True)
class FeatureSpace:
    """A vector space in which features are compared by cosine.

    name: model and version, for example ``lite-text@1``; features of two names never mix, and a
    name has no other meaning. dim: length of a vector. text, image: the kinds of query that can
    be encoded into it. encoder: the registered name of the encoder that fills it; empty if it is
    none. source, preprocessing: the values of the encoder's settings ``model`` and
    ``preprocessing`` with which it fills it again; empty where it has none.
    """

    name: str
    dim: int
    text: bool
    image: bool
    source: str = ""
    encoder: str = ""
    preprocessing: str = ""

    def __post_init__(self) -> None:
        expect(bool(self.name) and "@" in self.name, "a space name like model@version", self.name)
        expect(self.dim > 0, "a positive dimension", self.dim)
        expect(self.text or self.image, "a space for text, image or both", "neither")


def space_for(spaces: Iterable[FeatureSpace], *, image: bool) -> FeatureSpace | None:
    """The first space for queries by picture, or by text; one for that kind alone comes first.

    So a picture is compared by an encoder of pictures where a map has one, and by that of
    pictures and texts where it has not.
    """
    fitting = [space for space in spaces if (space.image if image else space.text)]
    return min(fitting, key=lambda space: space.image and space.text, default=None)
