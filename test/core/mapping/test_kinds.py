"""Names that are kinds of others: told where they are sure, else what they are kinds of."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import numpy as np
import pytest

from om3d_core.mapping.kinds import Kinds, general_names
from om3d_core.mapping.vocabulary import NameSettings, read_vocabulary


def told(**chances):
    """The name that is told for these probabilities of names, and its own."""
    names = [name.replace("_", " ") for name in chances]
    best, sure = Kinds(names).likeliest(np.array([list(chances.values())], np.float32))
    return names[best[0]], float(sure[0])


@pytest.mark.parametrize(("chances", "name", "sure"), [
    ({"bottle": 0.1, "wine_bottle": 0.25, "water_bottle": 0.25, "mug": 0.4}, "bottle", 0.6),
    ({"bottle": 0.1, "wine_bottle": 0.45, "water_bottle": 0.05, "mug": 0.4}, "wine bottle", 0.45),
    ({"bottle": 0.1, "wine_bottle": 0.2, "water_bottle": 0.1, "mug": 0.6}, "mug", 0.6),
    ({"table": 0.1, "desk": 0.1, "reception_desk": 0.5, "mug": 0.3}, "reception desk", 0.5),
    ({"table": 0.1, "desk": 0.3, "reception_desk": 0.3, "mug": 0.3}, "desk", 0.6),
    ({"mug": 0.1, "reception_desk": 0.3, "table": 0.1, "desk": 0.05}, "desk", 0.35),
    ({"table": 0.3, "reception_desk": 0.3, "mug": 0.4}, "table", 0.6),
    ({"mug": 0.6, "wine_bottle": 0.4}, "mug", 0.6),
])
def test_a_kind_is_told_if_it_has_most_of_what_speaks_for_any(chances, name, sure):
    assert told(**chances) == (name, pytest.approx(sure))


def test_probabilities_stay_as_they_were_given_and_rows_do_not_matter_to_each_other():
    names = [thing.name for thing in read_vocabulary(NameSettings())]
    rows = np.random.default_rng(0).dirichlet(np.full(len(names), 0.02), 50).astype(np.float32)
    before, kinds = rows.copy(), Kinds(names)
    best, sure = kinds.likeliest(rows)
    assert np.array_equal(rows, before) and (sure <= 1.0001).all()
    assert (sure >= 0.7 * rows.max(axis=1)).all()
    for i in range(0, 50, 7):
        one, chance = kinds.likeliest(rows[i : i + 1])
        assert (one[0], chance[0]) == (best[i], sure[i])
    assert [len(part) for part in kinds.likeliest(rows[:0])] == [0, 0]


def test_the_table_names_things_of_the_list_once_and_has_no_circle():
    text = files("om3d_core.mapping").joinpath("kinds.toml").read_text("utf-8")
    listed = [name for kinds in tomllib.loads(text)["kinds"].values() for name in kinds]
    assert len(listed) == len(set(listed))
    names = {thing.name for thing in read_vocabulary(NameSettings())}
    above = general_names()
    assert set(above) | set(above.values()) <= names
    for name in above:
        steps = 0
        while name in above:
            name, steps = above[name], steps + 1
            assert steps < 5
