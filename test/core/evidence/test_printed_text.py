"""Printed text: words of pictures drawn here are read; what is no word is left out."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from om3d_core.errors import InputError, ModelError
from om3d_core.evidence import printed_text
from om3d_core.evidence.printed_text import MIN_CONFIDENCE, TextReader, words_of
from om3d_core.evidence.windows import Window


def label(text, size=(120, 60)):
    """A small crop of a label with this text."""
    crop = np.full((size[1], size[0], 3), (250, 240, 200), np.uint8)
    cv2.putText(crop, text, (12, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (20, 20, 120), 2, cv2.LINE_AA)
    return window(crop)


def window(crop):
    return Window(crop, np.array([0, 0, *crop.shape[1::-1]], np.int32))


@pytest.fixture(scope="module")
def reader():
    return TextReader(threads=2)


def test_words_are_read_and_do_not_depend_on_the_batch(reader):
    blank = window(np.full((50, 40, 3), 128, np.uint8))
    crops = [label("Milk"), blank, label("JUICE"), label("12")]
    milk, nothing, juice, number = reader.read(crops)
    assert [word.text for word in milk] == ["Milk"] and milk[0].confidence >= MIN_CONFIDENCE
    assert [word.text for word in juice] == ["JUICE"]
    assert nothing == number == ()
    assert reader.read([crops[0]]) == [milk] and reader.read([]) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (700, 2)])
def test_slivers_have_no_words(reader, shape):
    assert reader.read([window(np.zeros((*shape, 3), np.uint8))]) == [()]


@pytest.mark.parametrize("crop", [
    np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8),
])  # fmt: skip
def test_what_is_no_crop_is_refused(reader, crop):
    with pytest.raises(InputError, match="an RGB crop"):
        reader.read([window(crop)])


def test_short_unsure_and_repeated_words_are_left_out():
    lines = [("Whole MILK 3.5%", 0.9), ("milk", 0.59), ("MILK", 0.95), ("日本", 0.9), ("tea", 1.0)]
    assert [(w.text, w.confidence) for w in words_of(lines)] == [
        ("MILK", float(np.float32(0.95))), ("Whole", float(np.float32(0.9))),
    ]
    many = [("".join(chr(97 + (i // 26**p) % 26) for p in range(4)), 0.9) for i in range(100)]
    assert len(words_of(many)) == 32


def test_threads_must_be_some():
    with pytest.raises(InputError, match="at least one thread"):
        TextReader(threads=0)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(ModelError, match=r"pip install rapidocr.*text.enabled: false"):
        TextReader()


def test_a_missing_detector_is_named(monkeypatch):
    monkeypatch.setattr(printed_text, "DETECTOR", "no_such.onnx")
    with pytest.raises(ModelError, match=r"no_such\.onnx in the package rapidocr"):
        TextReader()
