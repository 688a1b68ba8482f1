"""Accuracy of names: right ones counted by hand, and the numbers that fit found again."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files

import numpy as np
import pytest
from helpers.labeled_things import FLOOR, MUG, TABLE, TRUTH, of, scene_of

from om3d_core.commands import eval_names
from om3d_core.data.scene_store import save_scene
from om3d_core.errors import InputError
from om3d_core.evaluation.name_accuracy import (
    accuracy_of,
    allowed_names,
    fit,
    right_names,
)
from om3d_core.mapping.name_evidence import NameEvidence
from om3d_core.mapping.vocabulary import NameSettings, read_vocabulary


def test_every_class_of_synthetic_rooms_has_names_of_the_vocabulary():
    names = {thing.name for thing in read_vocabulary(NameSettings())}
    text = files("om3d_core.synthetic").joinpath("catalog.toml").read_text("utf-8")
    catalog = tomllib.loads(text)
    assert set(catalog["class"]) == set(right_names())
    assert all(right <= names for right in right_names().values())


def test_what_an_instance_may_be_called_is_what_it_overlaps():
    scene = scene_of(of(MUG), of(TABLE), of(FLOOR), np.array([0]),
                     structure=[False, False, True, False])
    mug, table, floor, speck = allowed_names(scene, TRUTH)
    assert "cup" in mug and "desk" in table and floor is None and speck is None


def test_right_names_are_counted():
    allowed = [frozenset({"mug", "cup"}), frozenset({"table"}), None, frozenset({"chair"})]
    found = accuracy_of(["cup", "chair", "sofa", ""], allowed)
    assert (found.objects, found.named, found.right) == (3, 3, 1)
    assert found.precision == found.recall == pytest.approx(1 / 3)
    assert accuracy_of([], []).to_json()["precision"] == 0


def evidence_of(similarities, fits=None, common=None, printed=None, seen=None):
    flat = np.ones_like(similarities)
    return NameEvidence(
        similarities, flat if fits is None else fits,
        np.zeros(similarities.shape[1], np.float32) if common is None else common,
        0 * flat if printed is None else printed, 0 * flat if seen is None else seen,
    )


def test_a_fit_finds_the_temperature_and_the_threshold_that_tell_right_from_wrong():
    """Names whose lead is large are right, the others wrong."""
    rng = np.random.default_rng(0)
    lead = np.where(np.arange(400) < 200, 0.5, 0.02)
    similarities = rng.uniform(0, 0.01, (400, 5)).astype(np.float32)
    similarities[:, 0] += lead.astype(np.float32)
    allowed = [frozenset({"a"})] * 200 + [frozenset({"b"})] * 200
    sure = np.ones(400, np.float32)
    found = fit(evidence_of(similarities), list("abcde"), allowed, sure)
    best = evidence_of(similarities).probabilities(found.numbers).max(axis=1)
    chances = found.numbers.chances(best, sure)
    assert chances[0] >= found.numbers.min_probability > chances[399] - 0.1
    assert chances[:200].mean() > 0.95 and chances[200:].mean() < 0.05
    assert (found.accuracy.objects, found.accuracy.right) == (400, 200)
    assert found.accuracy.precision == pytest.approx(0.7, abs=0.01)
    wrong = slice(200, None)
    hopeless = fit(evidence_of(similarities[wrong]), list("abcde"), allowed[wrong], sure[wrong])
    assert hopeless.numbers.min_probability == 1 and hopeless.accuracy.named == 0
    with pytest.raises(InputError, match="at least one instance"):
        fit(evidence_of(similarities[:0]), list("abcde"), [], sure[:0])


def test_a_fit_finds_what_tells_names_apart():
    """Four lots of things that look alike: size, print, detections, how common they are."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.02, (400, 4)).astype(np.float32)
    fits, printed, seen = np.ones((400, 4), np.float32), *np.zeros((2, 400, 4), np.float32)
    fits[:100, 1:] = 0.1
    printed[100:200, 1] = 1
    seen[300:, 3] = 1
    common = np.array([0, 0, 2, 0], np.float32)
    allowed = [frozenset({name}) for name in "abcd" for _ in range(100)]
    evidence = evidence_of(noise, fits, common, printed, seen)
    numbers = fit(evidence, list("abcd"), allowed, np.ones(400, np.float32), "x").numbers
    assert numbers.size > 0 < numbers.words and numbers.common > 0 < numbers.seen
    assert numbers.background == "x"
    right = evidence.probabilities(numbers).argmax(axis=1) == np.repeat([0, 1, 2, 3], 100)
    assert right.mean() > 0.9
    blind = evidence_of(noise)
    plain = fit(blind, list("abcd"), allowed, np.ones(400, np.float32)).numbers
    assert plain.size == plain.words == plain.common == plain.seen == 0


def test_the_command_scores_saved_maps(tmp_path, capsys, monkeypatch):
    scene = scene_of(of(MUG), of(TABLE), of(FLOOR), structure=[False, False, True])
    object.__setattr__(scene, "labels", ("cup", "chair", "floor"))
    object.__setattr__(scene, "label_probabilities", np.array([0.5, 0.4, 0.95], np.float32))
    save_scene(scene, tmp_path)
    monkeypatch.setattr(eval_names, "read_ground_truth", lambda folder: TRUTH)
    pair = [str(tmp_path), "GT"]
    assert eval_names.main([*pair, *pair, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values == {"objects": 4, "named": 4, "right": 2, "precision": 0.5, "recall": 0.5}
    assert eval_names.main(pair) == 0
    assert "2 named, 1 of them rightly (0.50); 2 objects" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        eval_names.main(pair[:1])
    assert "a map and the scene folder" in capsys.readouterr().err
