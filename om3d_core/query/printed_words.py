"""Which instances have words printed on them that a question names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
import numpy.typing as npt

from om3d_core.data.scene import Scene

WEIGHT = 0.4
"""What a word that matches wholly adds to the similarity of an instance."""
MIN_RATIO = 0.75
NOT_ASKED_FOR = frozenset({
    "that", "this", "which", "with", "where", "says", "said", "saying", "reads", "reading",
    "written", "print", "printed", "text", "word", "words", "label", "labeled", "labelled",
    "called", "named", "from", "have", "there", "here", "find", "show", "bring", "please",
})


@dataclass(frozen=True, eq=False)
class PrintedMatch:
    """strength: (N,) 0..1, how well the words on each instance match a question. words: those that
    do, by instance, the best first."""

    strength: npt.NDArray[np.float64]
    words: dict[int, tuple[str, ...]]

    @property
    def added(self) -> npt.NDArray[np.float64]:
        """(N,) what the words add to the similarity of each instance."""
        return WEIGHT * self.strength


class PrintedWords:
    """The words on the instances of a scene."""

    def __init__(self, scene: Scene, *, used: bool = True):
        self._n = len(scene)
        self._of: dict[int, tuple[str, ...]] = {}
        for i, views in enumerate(scene.words if used else ()):
            if texts := dict.fromkeys(word.text for words in views for word in words):
                self._of[i] = tuple(texts)

    def match(self, question: str) -> PrintedMatch:
        """How well the words on each instance match those of a question.

        Words of four or more letters count, without those that ask. Two match if they are alike by
        0.75 (the ratio of difflib), or that of the question is a part of the printed one.
        """
        found = re.findall(r"[^\W\d_]{4,}", question.lower())
        asked = [word for word in found if word not in NOT_ASKED_FOR]
        strength, words = np.zeros(self._n), {}
        for i, texts in self._of.items():
            values = {text: max((_alike(w, text.lower()) for w in asked), default=0.0)
                      for text in texts}
            good = sorted((t for t in texts if values[t] > 0), key=lambda t: (-values[t], t))
            if good:
                strength[i], words[i] = values[good[0]], tuple(good)
        return PrintedMatch(strength, words)


def _alike(asked: str, printed: str) -> float:
    """1 if the one is in the other, else their ratio, 0 below the least one."""
    if asked in printed:
        return 1.0
    if 2 * min(len(asked), len(printed)) < MIN_RATIO * (len(asked) + len(printed)):
        return 0.0
    ratio = SequenceMatcher(None, asked, printed, autojunk=False).ratio()
    return ratio if ratio >= MIN_RATIO else 0.0
