"""Words on things that a question names: whole, in part, misspelt; and what they do to a rank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.scenes import make_scene

from om3d_core.data.words import Word
from om3d_core.query.printed_words import PrintedWords
from om3d_core.query.scene_query import SceneQuery

SCENE = make_scene()
ROW = 2


def printed(*texts, scene=SCENE):
    words = [()] * len(scene)
    words[ROW] = (tuple(Word(text, 0.9) for text in texts),)
    return replace(scene, words=tuple(words))


@pytest.mark.parametrize(("question", "words"), [
    ("milk", ("Milk",)),
    ("the box that says MILK", ("Milk",)),
    ("a carton of milc", ("Milk",)),
    ("the corn", ("POPCORN",)),
    ("milk and popcorn", ("Milk", "POPCORN")),
    ("where is the text", ()),
    ("mil", ()),
    ("a mirror", ()),
    ("", ()),
])  # fmt: skip
def test_the_words_of_a_question_are_found(question, words):
    match = PrintedWords(printed("Milk", "POPCORN")).match(question)
    assert match.words.get(ROW, ()) == words
    assert (match.strength > 0).tolist() == [bool(words) and i == ROW for i in range(len(SCENE))]


def test_a_part_counts_wholly_and_a_likeness_less():
    match = PrintedWords(printed("POPCORN")).match
    assert match("corn").strength[ROW] == 1 > match("popcarn").strength[ROW] > 0.75


class Constant:
    """Every text and picture is the same vector."""

    spaces = tuple(table.space for table in SCENE.features)

    def encode_texts(self, texts):
        return {space.name: np.full((len(texts), space.dim), space.dim**-0.5, np.float32)
                for space in self.spaces}


def test_a_printed_word_lifts_its_instance_and_is_told():
    without = SceneQuery(SCENE, Constant()).text("the box that says popcorn", 99)
    found = SceneQuery(printed("POPCORN"), Constant()).text("the box that says popcorn", 99)
    before, after = (
        next(m for m in answer.matches if m.index == ROW) for answer in (without, found)
    )
    assert after.words == ("POPCORN",) and not any(m.words for m in without.matches)
    assert after.similarity == before.similarity and after.probability > before.probability
    assert after.rank == 1 and 'says "popcorn"' in after.explanation
    assert after.to_json()["words"] == ["POPCORN"]
