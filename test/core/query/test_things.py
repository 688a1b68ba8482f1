"""The list of things: sound sizes, each word once, and what other lists say of the same."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from om3d_core.encoders.lite.vocabulary import look_alikes
from om3d_core.encoders.phrases import clean_prompt, thing_in
from om3d_core.query.known_words import known_words
from om3d_core.query.things import household, named_things, usual_sizes_m


def words():
    return [word for thing in named_things() for word in thing.words]


def test_the_list_is_sound():
    assert len(named_things()) > 500 and len(words()) == len(set(words()))
    assert all(thing.common in (0, 1, 2) for thing in named_things())
    assert all(0 < low < high <= 6 for low, high in usual_sizes_m().values())
    assert set(words()) < set(usual_sizes_m())
    assert all(word == " ".join(word.lower().split()) == clean_prompt(word) for word in words())


@pytest.mark.parametrize(("larger", "smaller"), [
    ("table", "mug"), ("refrigerator", "microwave"), ("wardrobe", "side table"), ("bed", "pillow"),
    ("broom", "fork"), ("door", "door handle"), ("ladder", "hammer"), ("bowl", "egg"),
])  # fmt: skip
def test_what_is_larger_is_said_to_be_larger(larger, smaller):
    sizes = usual_sizes_m()
    assert sizes[larger][0] > sizes[smaller][0] and sizes[larger][1] > sizes[smaller][1]


def test_everything_that_can_be_furnished_has_a_size():
    text = files("om3d_core.synthetic").joinpath("catalog.toml").read_text("utf-8")
    for name, entry in tomllib.loads(text)["class"].items():
        for question in (name, *entry["queries"]):
            thing = thing_in(clean_prompt(question), usual_sizes_m())
            assert thing is not None or "drink" in question, question
            if thing is not None:
                size, (low, high) = entry["size_m"], usual_sizes_m()[thing]
                assert low <= (max(size) if isinstance(size, list) else size) <= high, question


def test_what_looks_are_known_of_is_in_the_list():
    """But for kinds of packages and food, which are asked for in many words."""
    known = set(usual_sizes_m())
    others = [thing for thing in look_alikes() if thing_in(thing, known) is None]
    assert len(others) < 0.1 * len(look_alikes()), others


def test_every_word_of_the_list_is_known_and_suggested():
    assert all(word in known_words() for word in household())
    assert known_words().nearest("extingisher") == "extinguisher"
    assert known_words().nearest("steposcope") == "stethoscope"
