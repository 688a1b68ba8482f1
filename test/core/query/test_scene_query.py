"""Queries: ranking, verdicts and errors, on exact features."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.errors import EmptyMapError, InputError, SettingsError, UnsupportedQueryError
from om3d_core.query.aggregation import AGGREGATIONS, cosines, mean_features, view_cosines
from om3d_core.query.calibration import Calibration, calibration_of
from om3d_core.query.scene_query import SceneQuery
from om3d_core.query.settings import QuerySettings
from om3d_core.query.text_memory import TextMemory

DIM, POINTS_EACH = 8, 4
SPACE = FeatureSpace("toy@1", DIM, text=True, image=False)
PICTURES = FeatureSpace("toy-pictures@1", DIM, text=False, image=True)
IMAGE = np.full((5, 4, 3), 9, np.uint8)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


class ToyEncoder:
    """A text or image is a fixed random direction of its own."""

    def __init__(self, *spaces):
        self.spaces = spaces or (SPACE, PICTURES)
        self.texts = []

    def encode_texts(self, texts):
        self.texts += texts
        rows = [np.random.default_rng(list(t.encode())).standard_normal(DIM) for t in texts]
        return {space.name: unit(np.array(rows)) for space in self.spaces if space.text}

    def encode_images(self, crops):
        rows = [np.random.default_rng(int(c.sum())).standard_normal(DIM) for c in crops]
        return {space.name: unit(np.array(rows)) for space in self.spaces}


def scene(n=6, k=3, seed=0, ids=None, structure=None, valid=None, vectors=None):
    """A scene of n instances of four points each, with random or given view features."""
    rng = np.random.default_rng(seed)
    n_points = n * POINTS_EACH
    points = rng.random((n_points, 3)).astype(np.float32)
    up = np.tile(np.array([0, 0, 1], np.float32), (n_points, 1))
    cloud = Cloud(points, np.zeros((n_points, 3), np.uint8), up)
    masks = InstanceMasks(
        np.arange(0, n_points + 1, POINTS_EACH, dtype=np.int64),
        np.arange(n_points, dtype=np.int32),
        np.ones(n, np.float32),
        np.zeros(n, bool) if structure is None else np.array(structure),
        n_points,
    )
    valid = np.ones((n, k), bool) if valid is None else valid
    if vectors is None:
        vectors = unit(rng.standard_normal((n, k, DIM)))
    vectors = np.where(valid[:, :, None], vectors, np.float32(0))
    lengths = np.where(valid, rng.uniform(0.5, 1, (n, k)), 0).astype(np.float32)
    views = ViewTable(
        np.where(valid, 100 + np.arange(k), -1).astype(np.int64),
        np.ones((n, k), np.int32),
        np.ones((n, k, 4), np.int32),
    )
    ids = np.arange(1, n + 1) if ids is None else np.array(ids)
    tables = tuple(FeatureTable(space, vectors, valid, lengths) for space in (SPACE, PICTURES))
    labels = tuple(f"label {i}" for i in ids)
    up = np.array([0.0, 0.0, 1.0])
    return Scene(3, cloud, masks, ids.astype(np.int64), up, views, tables, ((),) * n, labels)


def rows_moved(source, order):
    """``source`` with its instances in another order."""
    masks = source.masks
    moved = InstanceMasks.from_lists(
        [masks[i] for i in order], masks.n_points, masks.scores[order], masks.structure[order]
    )
    views = source.views
    return replace(
        source,
        masks=moved,
        ids=source.ids[order],
        views=ViewTable(views.stamps[order], views.pixels[order], views.boxes[order]),
        features=tuple(
            FeatureTable(t.space, t.vectors[order], t.valid[order], t.lengths[order])
            for t in source.features
        ),
        labels=tuple(source.labels[i] for i in order),
    )


def plain(answer):
    """What does not depend on the order of rows."""
    return [
        (m.instance_id, m.rank, m.similarity, m.label, m.view_similarities, m.n_points)
        for m in answer.matches
    ]


def test_a_match_says_all_about_its_instance():
    world = scene()
    answer = SceneQuery(world, ToyEncoder()).text("mug", 2)
    assert (answer.kind, answer.query, answer.space, answer.revision) == (
        "text", "mug", "toy@1", 3,
    )  # fmt: skip
    query = ToyEncoder().encode_texts(["mug"])["toy@1"][0]
    means = unit(world.features[0].vectors.sum(axis=1))
    order = np.argsort(-(means @ query))
    assert [m.index for m in answer.matches] == order[:2].tolist()
    assert [m.rank for m in answer.matches] == [1, 2]
    best = answer.matches[0]
    members = world.cloud.points[world.masks[best.index]]
    assert best.similarity == pytest.approx(float(means[best.index] @ query), abs=1e-6)
    assert best.instance_id == world.ids[best.index] and best.n_points == POINTS_EACH
    assert best.label == world.labels[best.index]
    np.testing.assert_allclose(best.centroid, members.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(best.box.size, world.boxes[best.index].size)
    assert [v.stamp_ns for v in best.view_similarities] == [100, 101, 102]
    np.testing.assert_allclose(
        [v.similarity for v in best.view_similarities],
        world.features[0].vectors[best.index] @ query,
        atol=1e-6,
    )
    assert answer.present == best.present == (best.probability >= 0.5)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10**6), st.sampled_from(["mean", "max"]), st.data())
def test_the_order_of_instances_does_not_matter(n, seed, aggregation, data):
    rng = np.random.default_rng(seed)
    valid = rng.random((n, 3)) < 0.7
    twins = unit(rng.integers(-1, 2, (n, 3, DIM)) + 0.5)
    world = scene(n, ids=rng.permutation(n) + 1, valid=valid, vectors=twins)
    order = np.array(data.draw(st.permutations(range(n))))
    choice = QuerySettings(aggregation=aggregation, top_k=n)
    one, other = (
        SceneQuery(s, ToyEncoder(), choice).text("mug") for s in (world, rows_moved(world, order))
    )
    assert plain(one) == plain(other)
    np.testing.assert_allclose(
        [m.probability for m in one.matches], [m.probability for m in other.matches], atol=1e-9
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10**6), st.sampled_from(["mean", "max"]))
def test_scores_are_standardized_and_ranks_descend(n, seed, aggregation):
    choice = QuerySettings(aggregation=aggregation, top_k=100)
    matches = SceneQuery(scene(n, seed=seed), ToyEncoder(), choice).text("mug").matches
    assert len(matches) == n and [m.rank for m in matches] == list(range(1, n + 1))
    scores = np.array([m.score for m in matches])
    assert abs(scores.mean()) < 1e-6 and abs(scores.std() - 1) < 1e-6
    similarities = [m.similarity for m in matches]
    assert similarities == sorted(similarities, reverse=True)
    assert all(0 <= m.probability <= 1 for m in matches)
    probabilities = [m.probability for m in matches]
    assert probabilities == sorted(probabilities, reverse=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10))
def test_the_length_of_features_before_normalization_does_not_matter(seed, scale):
    raw = np.random.default_rng(seed).standard_normal((5, 3, DIM))
    one, other = (
        SceneQuery(scene(5, vectors=unit(raw * s)), ToyEncoder()).text("mug").matches
        for s in (1, scale)
    )
    assert [m.instance_id for m in one] == [m.instance_id for m in other]
    np.testing.assert_allclose(
        [m.similarity for m in one], [m.similarity for m in other], atol=1e-5
    )


@given(st.integers(1, 8), st.integers(1, 20))
def test_top_k_bounds_the_answer(n, top_k):
    full = SceneQuery(scene(n), ToyEncoder(), QuerySettings(top_k=100)).text("mug")
    part = SceneQuery(scene(n), ToyEncoder()).text("mug", top_k)
    assert plain(part) == plain(full)[:top_k]
    assert len(part.matches) == min(n, top_k)


def test_of_equals_the_lower_id_comes_first():
    vectors = np.broadcast_to(unit(np.ones((1, 1, DIM))), (4, 3, DIM))
    matches = SceneQuery(scene(4, ids=[9, 2, 7, 4], vectors=vectors), ToyEncoder()).text("a")
    assert [m.instance_id for m in matches.matches] == [2, 4, 7, 9]
    assert [m.score for m in matches.matches] == [0, 0, 0, 0]


def test_structure_is_ranked_on_request_only():
    world = scene(4, structure=[True, False, True, False])
    answer = SceneQuery(world, ToyEncoder()).text("mug")
    assert {m.index for m in answer.matches} == {1, 3}
    choice = QuerySettings(include_structure=True)
    assert len(SceneQuery(world, ToyEncoder(), choice).text("mug").matches) == 4


def test_an_instance_without_a_view_never_matches():
    valid = np.ones((4, 3), bool)
    valid[2] = False
    for aggregation in ("mean", "max"):
        choice = QuerySettings(aggregation=aggregation)
        answer = SceneQuery(scene(4, valid=valid), ToyEncoder(), choice).text("mug")
        assert {m.index for m in answer.matches} == {0, 1, 3}
    nothing = SceneQuery(scene(4, valid=np.zeros((4, 3), bool)), ToyEncoder()).text("mug")
    assert nothing.matches == () and not nothing.present


def test_max_takes_the_best_view():
    query = ToyEncoder().encode_texts(["mug"])["toy@1"][0]
    vectors = scene(3).features[0].vectors.copy()
    vectors[1] = -query
    vectors[1, 2] = query
    world = scene(3, vectors=vectors)
    best = SceneQuery(world, ToyEncoder(), QuerySettings(aggregation="max")).text("mug").matches[0]
    assert best.index == 1 and best.similarity == pytest.approx(1, abs=1e-5)
    mean = SceneQuery(world, ToyEncoder(), QuerySettings(top_k=3)).text("mug").matches
    assert {m.index: m.similarity for m in mean}[1] == pytest.approx(-1, abs=1e-5)


def test_image_queries_use_the_image_space():
    world = scene()
    query = ToyEncoder().encode_images([IMAGE])["toy-pictures@1"][0]
    answer = SceneQuery(world, ToyEncoder()).image(IMAGE)
    assert (answer.kind, answer.space) == ("image", "toy-pictures@1")
    best = cosines(mean_features(world.features[1]), query).argmax()
    assert answer.matches[0].index == best


@pytest.mark.parametrize("image_aggregation", ["same", *AGGREGATIONS])
@pytest.mark.parametrize("image_outliers", [False, True])
def test_pictures_can_be_compared_otherwise_than_words(image_aggregation, image_outliers):
    """OpenMask3D++ compares a picture with the mean of all crops, whatever it does for words."""
    world = scene(4, k=5)
    used = {"aggregation": "max", "remove_outliers": True, "outlier_distance": 0.9}
    choice = QuerySettings(**used, image_aggregation=image_aggregation,
                           image_outliers=image_outliers)  # fmt: skip
    asked = SceneQuery(world, ToyEncoder(), choice)
    as_for_words = "max" if image_aggregation == "same" else image_aggregation
    alone = replace(QuerySettings(**used), aggregation=as_for_words,
                    remove_outliers=image_outliers)  # fmt: skip
    expected = SceneQuery(world, ToyEncoder(), alone).image(IMAGE)
    assert plain(asked.image(IMAGE)) == plain(expected)
    words = SceneQuery(world, ToyEncoder(), QuerySettings(**used)).text("mug")
    assert plain(asked.text("mug")) == plain(words)


def test_texts_are_encoded_once_and_forgotten_in_turn():
    encoder = ToyEncoder()
    memory = TextMemory(encoder, capacity=2)
    for world in (scene(seed=0), scene(seed=1)):
        SceneQuery(world, memory).text("mug")
    assert encoder.texts == ["mug"]
    for text in ("cup", "mug", "chair", "mug", "cup"):
        memory.vector(text, "toy@1")
    assert encoder.texts == ["mug", "cup", "chair", "cup"]


def test_a_scene_is_freed_with_its_query_at_once():
    gc.disable()
    try:
        world = scene()
        asked = SceneQuery(world, ToyEncoder())
        asked.text("mug")
        gone = weakref.ref(world)
        del world, asked
        assert gone() is None
    finally:
        gc.enable()


def test_the_verdict_follows_the_threshold():
    for threshold, present in ((0.0, True), (1.0, False)):
        choice = QuerySettings(present_threshold=threshold)
        answer = SceneQuery(scene(), ToyEncoder(), choice).text("mug")
        assert answer.present is present
        assert all(m.present is present for m in answer.matches)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1))
def test_probability_rises_with_similarity_and_falls_with_the_mean(a, b, mean, mask):
    masks = np.full(2, mask)
    for space in ("lite-text@1", "lite-visual@1", "nobody@1"):
        calibration = calibration_of(space)
        low, high = calibration.probability(np.sort(np.array([a, b])), mean, masks)
        assert 0 <= low <= high <= 1
        one, one_mask = np.array([a]), np.array([mask])
        assert calibration.probability(one, -1.0, one_mask) >= calibration.probability(
            one, mean, one_mask
        )


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)), min_size=2, max_size=8))
def test_relevance_orders_as_the_probability_does(pairs):
    similarity, mask = np.array(pairs).T
    for space in ("lite-text@1", "lite-visual@1", "nobody@1"):
        calibration = calibration_of(space)
        relevance = calibration.relevance(similarity, mask)
        probability = calibration.probability(similarity, 0.1, mask)
        ordered = probability[np.argsort(relevance)]
        assert (np.diff(ordered) >= -1e-9).all()
    assert np.array_equal(calibration_of("nobody@1").relevance(similarity, mask), similarity)


def test_a_sure_mask_goes_before_a_doubtful_one_of_the_same_likeness():
    calibration = calibration_of("lite-text@1")
    same = np.array([0.3, 0.3])
    doubtful, sure = calibration.relevance(same, np.array([0.2, 0.9]))
    assert sure > doubtful


def test_a_usual_size_goes_before_an_unusual_one_of_the_same_likeness():
    calibration = calibration_of("lite-text@1")
    same, masks, fit = np.full(2, 0.3), np.ones(2), np.array([0.25, 1.0])
    for answer in (
        calibration.relevance(same, masks, fit), calibration.probability(same, 0.1, masks, fit)
    ):
        assert answer[0] < answer[1]
    assert (calibration_of("nobody@1").relevance(same, masks, fit) == same).all()


def test_calibrations_are_finite():
    with pytest.raises(InputError, match="finite"):
        Calibration(1.0, float("nan"), 0.0, "nowhere")


def test_features_of_other_encoders_are_not_compared():
    other = ToyEncoder(replace(SPACE, name="toy@2"), replace(PICTURES, name="toy-pictures@2"))
    with pytest.raises(UnsupportedQueryError, match=r"toy@2.*holds toy@1, toy-pictures@1"):
        SceneQuery(scene(), other).text("mug")
    with pytest.raises(UnsupportedQueryError, match="image queries"):
        SceneQuery(scene(), ToyEncoder(SPACE)).image(IMAGE)
    with pytest.raises(UnsupportedQueryError, match="holds none"):
        SceneQuery(replace(scene(), features=()), ToyEncoder()).text("mug")


def test_an_empty_map_is_an_error():
    query = SceneQuery(scene(0), ToyEncoder())
    with pytest.raises(EmptyMapError):
        query.text("mug")
    with pytest.raises(EmptyMapError):
        query.image(IMAGE)


@pytest.mark.parametrize("top_k", [0, -1, 1.5, True, "2"])
def test_bad_top_k(top_k):
    with pytest.raises(InputError, match="top_k"):
        SceneQuery(scene(), ToyEncoder()).text("mug", top_k)


@pytest.mark.parametrize(
    "image", [None, IMAGE[0], IMAGE[:0], IMAGE.astype(np.float32), np.zeros((4, 4, 4), np.uint8)]
)
def test_bad_images(image):
    with pytest.raises(InputError, match="RGB image"):
        SceneQuery(scene(), ToyEncoder()).image(image)


def test_bad_settings():
    for bad in ({"top_k": 0}, {"aggregation": "median"}, {"present_threshold": 1.5}):
        with pytest.raises(SettingsError):
            QuerySettings(**bad)


def test_features_are_averaged_over_valid_views():
    valid = np.array([[True, False], [False, False], [True, True]])
    table = scene(3, 2, valid=valid).features[0]
    means = mean_features(table)
    np.testing.assert_allclose(means[0], table.vectors[0, 0], atol=1e-6)
    assert not means[1].any()
    np.testing.assert_allclose(means[2], unit(table.vectors[2].sum(axis=0)), atol=1e-6)
    query = table.vectors[0, 0]
    assert np.isneginf(view_cosines(table, query)[~valid]).all()
    np.testing.assert_allclose(
        view_cosines(table, query)[valid], table.vectors[valid] @ query, atol=1e-6
    )


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("remove_outliers", [False, True])
def test_every_combination_of_views_from_the_same_features(aggregation, remove_outliers):
    """Nothing but the question is encoded; a view unlike the others is left out on request."""
    vectors = np.zeros((3, 5, DIM), np.float32)
    vectors[:, :, 0], vectors[0, 4] = 1, np.eye(DIM)[1]
    vectors[1, :, 0], vectors[1, :, 2] = 0.6, 0.8
    world, encoder = scene(n=3, k=5, vectors=vectors), ToyEncoder()
    query = QuerySettings(aggregation=aggregation, remove_outliers=remove_outliers)
    answer = SceneQuery(world, encoder, query).text("mug")
    assert encoder.texts.count("mug") == len(set(encoder.texts)) == len(encoder.texts)
    by_id = {match.instance_id: match for match in answer.matches}
    used = vectors[0, :4] if remove_outliers else vectors[0]
    lengths = world.features[0].lengths[0, : len(used)]
    vector = unit(np.random.default_rng(list(b"mug")).standard_normal(DIM))
    expected = {
        "mean": unit(used.mean(axis=0)) @ vector,
        "mean_crops": unit(lengths @ used) @ vector,
        "mean_similarity": (used @ vector).mean(),
        "max": (used @ vector).max(),
        "max_feature": unit(used.max(axis=0)) @ vector,
    }
    assert by_id[1].similarity == pytest.approx(expected[aggregation], abs=1e-6)
    assert len(by_id[1].view_similarities) == len(used)
