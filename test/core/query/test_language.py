"""Sentences, and what is read in them."""

from __future__ import annotations

import time

import pytest
from helpers.sentences import SENTENCES
from helpers.spoken_sentences import SPOKEN
from hypothesis import given
from hypothesis import strategies as st

from om3d_core.errors import InputError
from om3d_core.query import lexicon
from om3d_core.query.known_words import edit_distance, known_words, singular
from om3d_core.query.language import parse
from om3d_core.query.question import ALL, COUNT, ONE
from om3d_core.query.weighing import corrected, understood

CASES = [[*(part.strip() for part in line.split("|")), ""][:3]
         for line in (SENTENCES + SPOKEN).split("\n") if line]  # fmt: skip
FOREIGN = (
    "Stuhl", "Tisch", "Lampe", "Kühlschrank", "Tasse", "chaise", "réfrigérateur", "étagère",
    "silla", "nevera", "taza", "lámpara", "стул", "стол", "лампа", "холодильник", "椅子", "桌子",
    "冰箱", "杯子",
)  # fmt: skip
PHRASES = ["der Stuhl", "wo ist die Tasse", "la chaise", "où est la table", "la silla roja",
           "dónde está la mesa", "где стул", "椅子在哪里"]  # fmt: skip


def test_there_are_four_hundred_sentences():
    assert len({sentence for sentence, *_ in CASES}) >= 400


@pytest.mark.parametrize(("sentence", "read_as", "missed"), CASES, ids=lambda text: text[:40])
def test_a_sentence_is_read_as(sentence, read_as, missed):
    question = understood(sentence, known_words())
    assert str(question) == read_as
    assert "; ".join(map(str, question.not_understood)) == missed


def test_the_parts_of_a_sentence():
    question = parse("all dark blue chairs near the two red tables, not the stool", known_words())
    (chair,) = question.targets
    (near,) = chair.relations
    assert (chair.text, chair.colors, chair.plural) == ("chair", ("dark blue",), True)
    assert (near.kind, near.anchors[0].text, near.anchors[0].colors) == (
        "near", "table", ("red",))  # fmt: skip
    assert [phrase.text for phrase in question.exclusions] == ["stool"]
    assert question.quantity == ALL


@pytest.mark.parametrize(
    ("sentence", "quantity", "number"),
    [("a chair", ONE, 0), ("two chairs", ALL, 2), ("12 mugs", ALL, 12), ("chairs", ALL, 0),
     ("how many chairs", COUNT, 0), ("the largest of the chairs", ONE, 0)],
)  # fmt: skip
def test_how_many_are_asked_for(sentence, quantity, number):
    question = parse(sentence, known_words())
    assert (question.quantity, question.number) == (quantity, number)


@pytest.mark.parametrize("text", [*FOREIGN, *PHRASES])
def test_other_languages_are_not_understood(text):
    assert understood(text, known_words()).unknown


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("microwve", "microwave"), ("chiar", "chair"), ("tabel", "table"), ("botle", "bottle"),
     ("refridgerator", "refrigerator"), ("sofaa", "sofa"), ("lapttop", "laptop")],
)  # fmt: skip
def test_a_misspelled_word_has_its_neighbor(wrong, right):
    question = understood(f"the {wrong}", known_words())
    assert [u.nearest for u in question.unknown] == [right]
    assert corrected(question, known_words()).targets[0].text == right


def test_words_of_the_lexicon_are_known():
    tables = (lexicon.RELATIONS, lexicon.COLORS, lexicon.SIZES, lexicon.SUPERLATIVES,
              lexicon.NEGATIONS, lexicon.STRUCTURE, lexicon.NUMBERS)  # fmt: skip
    words = {word for table in tables for phrase in table for word in phrase.split()}
    assert {word for word in words if word not in known_words()} == set()


def test_plurals_have_singulars():
    plurals = "chairs boxes shelves brushes buses glasses mice knives batteries keys"
    assert [singular(word) for word in plurals.split()] == [
        "chair", "box", "shelf", "brush", "bus", "glasses", "mouse", "knife", "battery", "keys"]


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [("chair", "chair", 0), ("chiar", "chair", 1), ("char", "chair", 1), ("chairs", "chair", 1),
     ("kitten", "sitting", 3), ("abc", "xyz", 3), ("", "ab", 2)],
)  # fmt: skip
def test_edit_distance(a, b, distance):
    assert edit_distance(a, b, 9) == distance
    assert edit_distance(a, b, 2) == min(distance, 2)


@given(st.lists(st.sampled_from(
    ("the", "a", "not", "on", "to", "of", "left", "near", "chair", "red", "and", "or", "but", ",",
     "between", "all", "2", "me", "that", "is", "largest", "glorp", "with", "nearest", "from",
     "except", "without", "what", "how", "many", "dark", "colored", "no")
), min_size=1, max_size=14))  # fmt: skip
def test_any_words_in_any_order_are_read(words):
    if any(map(str.isalnum, "".join(words))):
        question = understood(" ".join(words), known_words())
        assert question.targets and str(question)


@pytest.mark.parametrize("part", ["the red chair near the table and ", "the mug on "])
def test_a_long_sentence_takes_no_time(part):
    sentence = (part * 100)[:999]
    known_words()
    start = time.perf_counter()
    question = parse(sentence, known_words())
    assert time.perf_counter() - start < 0.5
    assert question.targets[0].relations


@pytest.mark.parametrize("text", ["", "   ", "?!", "x" * 1001])
def test_a_text_that_says_nothing_is_refused(text):
    with pytest.raises(InputError):
        parse(text, known_words())
