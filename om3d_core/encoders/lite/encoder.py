"""Open-vocabulary encoder from an image classifier and a sentence encoder."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.encoders.lite.runtime import Floats, ImageNetwork, SentenceNetwork
from om3d_core.encoders.lite.vocabulary import N_CLASSES, Vocabulary
from om3d_core.encoders.phrases import clean_prompt
from om3d_core.errors import expect

TEXT_SPACE = FeatureSpace("lite-text@1", N_CLASSES, text=True, image=False, encoder="lite")
VISUAL_SPACE = FeatureSpace("lite-visual@1", 1280, text=False, image=True, encoder="lite")


class LiteEncoder:
    """Images and texts as distributions over 1000 everyday classes.

    An image is what the classifier takes it for, a text is what its sentence vector lies near, and
    the cosine of the square roots of two distributions is their Bhattacharyya coefficient. This
    is ConSE (Norouzi et al. 2014) with the comparison made over the classes rather than in the
    sentence space. Image queries use the pooled features of the same network pass.

    threads: crops encoded at a time, by default one a core.
    """

    def __init__(self, threads: int | None = None):
        if threads is None:
            threads = len(os.sched_getaffinity(0))
        expect(threads >= 1, "at least one thread", threads)
        self._images = ImageNetwork(threads)
        self._vocabulary = Vocabulary(SentenceNetwork(threads))

    @property
    def spaces(self) -> tuple[FeatureSpace, ...]:
        """``lite-text@1`` for text queries and ``lite-visual@1`` for image queries."""
        return TEXT_SPACE, VISUAL_SPACE

    def encode_images(self, crops: Sequence[npt.NDArray[np.uint8]]) -> dict[str, Floats]:
        """Unit rows of both spaces, see :class:`om3d_core.encoders.base.Encoder`."""
        features, posteriors = self._images.run(crops)
        return {TEXT_SPACE.name: np.sqrt(posteriors), VISUAL_SPACE.name: features}

    def encode_texts(self, texts: Sequence[str]) -> dict[str, Floats]:
        """Unit rows of the text space; :class:`InputError` for a text that says nothing."""
        cleaned = [clean_prompt(text) for text in texts]
        return {TEXT_SPACE.name: np.sqrt(self._vocabulary.posterior(cleaned))}
