"""What speaks for a name: looks over those of anything, size, print, detections, how common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.doubles import ColorEncoder

from om3d_core.errors import InputError
from om3d_core.mapping import name_evidence
from om3d_core.mapping.name_evidence import (
    NameFit,
    Vocabulary,
    decoded_background,
    encoded_background,
    fit_of,
    softmax,
)
from om3d_core.mapping.vocabulary import NameSettings, Thing, read_vocabulary

LOOKS = NameFit(0.1, 0.5, "")
SPACE = ColorEncoder().spaces[0].name
RED, GRAY = np.eye(3, dtype=np.float32)[0], np.full(3, 3**-0.5, np.float32)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OM3D_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def chances(things, fit, feature=RED, longest_m=0.1, printed=(), taken=None,
            background=None):  # fmt: skip
    """(V,) for one instance."""
    vocabulary = Vocabulary(things, ColorEncoder(), SPACE, background)
    evidence = vocabulary.evidence(feature[None], np.array([longest_m]), [printed], [taken or {}])
    return evidence.probabilities(fit)[0]


def test_of_names_that_look_alike_the_one_of_that_size_is_meant():
    candle = Thing("candle", ("red",), (0.04, 0.3))
    pillar = Thing("pillar", ("red",), (1.0, 3.0))
    fit = replace(LOOKS, size=1.0)
    assert chances([candle, pillar], fit, longest_m=0.1)[0] > 0.9
    assert chances([candle, pillar], fit, longest_m=2.0)[1] > 0.9
    np.testing.assert_allclose(chances([candle, pillar], LOOKS, longest_m=2.0), 0.5)
    for strange in (0.0, 1e9):
        assert np.isfinite(chances([candle, pillar], fit, longest_m=strange)).all()


def test_a_chair_is_commoner_than_a_bassoon():
    chair, bassoon = Thing("chair", ("red",), common=2), Thing("bassoon", ("red",))
    odds = chances([chair, bassoon], replace(LOOKS, common=1.5))
    assert odds[0] / odds[1] == pytest.approx(np.exp(3), rel=1e-4)


def test_a_word_that_is_printed_on_it_names_a_thing():
    can, carton = Thing("soup can", ("red", "canned soup")), Thing("milk", ("red", "milk"))
    cooker, juice = Thing("stove", ("red", "range")), Thing("juice", ("red", "orange juice"))
    things, fit = [can, carton, cooker, juice], replace(LOOKS, words=0.4)
    for printed, meant in (("MILK", 1), ("Soups", 0), ("orange", 3), ("ORANGF", 3)):
        assert chances(things, fit, printed=[printed]).argmax() == meant
        assert chances(things, fit, printed=[printed])[meant] > 0.7
    np.testing.assert_allclose(chances(things, fit, printed=["xyzw", "\u00e9t\u00e9s"]), 0.25)
    np.testing.assert_allclose(chances(things, LOOKS, printed=["MILK"]), 0.25)


def test_printed_words_that_nobody_counts_are_forgotten(monkeypatch):
    monkeypatch.setattr(name_evidence, "REMEMBERED_WORDS", 2)
    vocabulary = Vocabulary([Thing("milk", ("red", "milk"))], ColorEncoder(), SPACE)
    for word in ("alpha", "MILK", "gamma", "delta", "milks", "milk"):
        told = vocabulary.evidence(RED[None], np.array([0.1]), [[word]], [{}]).printed[0, 0]
        assert (told > 0.75) == word.lower().startswith("milk")
        assert len(vocabulary._printed) <= 2


def test_what_a_detector_took_it_for_names_a_thing():
    names = "mug", "wine bottle", "tv stand", "laptop", "gizmo"
    things, fit = [Thing(name, ("red", name)) for name in names], replace(LOOKS, seen=0.4)
    for taken, meant in (({"cup": 0.8}, 0), ({"bottle": 0.7, "cup": 0.1}, 1), ({"laptop": 0.5}, 3),
                         ({"Gizmo": 0.9}, 4)):  # fmt: skip
        odds = chances(things, fit, taken=taken)
        assert odds.argmax() == meant and odds[meant] > 0.6
        np.testing.assert_allclose(chances(things, LOOKS, taken=taken), 0.2)
    np.testing.assert_allclose(chances(things, fit, taken={"tv": 0.9, "zebra": 0.9}), 0.2)
    weak, strong = (chances(things, fit, taken={"cup": share})[0] for share in (0.2, 0.9))
    assert 0.2 < weak < strong


def test_a_name_that_is_like_every_picture_says_little():
    red, anything = Thing("red", ("red",)), Thing("stuff", ("gray",))
    seen = np.array([0.8, 0.45, 0.4], np.float32)
    seen /= np.linalg.norm(seen)
    assert chances([red, anything], LOOKS, seen, background=np.zeros(3, np.float32)).argmax() == 1
    assert chances([red, anything], LOOKS, seen, background=GRAY).argmax() == 0
    with pytest.raises(InputError, match=r"a background \(3,\), got \(4,\)"):
        chances([red], LOOKS, background=np.zeros(4, np.float32))


def test_a_background_survives_its_text():
    rows = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    np.testing.assert_allclose(
        decoded_background(encoded_background(rows)), rows.mean(axis=0), atol=1e-3
    )
    assert decoded_background("") is None


def test_a_row_depends_on_its_own_instance_bit_for_bit():
    vocabulary = Vocabulary(read_vocabulary(NameSettings()), ColorEncoder(), SPACE)
    features = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    sides, printed = np.array([0.1, 0.5, 1.0, 2.0]), [["milk"], [], ["soup", "MILK"], ["x"]]
    taken = [{"cup": 0.5, "book": 0.3, "tv": 0.1}, {}, {"chair": 0.9}, {"x": 1.0}]
    fit = NameFit(0.05, 0.5, "", size=2.0, common=1.0, words=0.4, seen=0.3)
    together = vocabulary.evidence(features, sides, printed, taken).probabilities(fit)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-4)
    for i in range(4):
        one = slice(i, i + 1)
        alone = vocabulary.evidence(features[one], sides[one], printed[one], taken[one])
        assert np.array_equal(alone.probabilities(fit)[0], together[i])
    none = vocabulary.evidence(features[:0], sides[:0], [], [])
    assert none.probabilities(fit).shape == (0, len(vocabulary.names))


def test_names_that_somebody_chose_have_the_sizes_of_known_things_and_are_all_as_common():
    mug, sextant = read_vocabulary(NameSettings(vocabulary="red mug, sextant"))
    assert mug.longest_m[1] < 0.5 and sextant.longest_m[1] == np.inf
    assert mug.common == sextant.common == 0
    alike = [replace(mug, words=("red",)), replace(sextant, words=("red",))]
    np.testing.assert_allclose(chances(alike, replace(LOOKS, size=1.0), longest_m=0.1), 0.5)
    assert chances(alike, replace(LOOKS, size=1.0), longest_m=5.0)[1] > 0.99


def test_every_fitted_space_has_sound_numbers():
    fit = fit_of("lite-text@1")
    assert decoded_background(fit.background).shape == (1000,) and fit.size > 0 < fit.common
    assert fit.words > 0 < fit.seen
    assert fit_of("nobody@9") == fit_of("generic")
    with pytest.raises(InputError, match="temperature above 0"):
        NameFit(0.0, 0.5, "")
    with pytest.raises(InputError, match="weights from 0 to 100"):
        NameFit(0.1, 0.5, "", size=float("nan"))
    for line in ({"sharpness": 0.0}, {"offset": float("inf")}, {"sharpness": float("nan")}):
        with pytest.raises(InputError, match="a sharpness in 0..100"):
            NameFit(0.1, 0.5, "", **line)


def test_chances_lie_on_the_line_through_the_log_odds():
    p, scores = np.array([0.0, 0.2, 0.8, 1.0], np.float32), np.array([1, 0.5, 1, 1], np.float32)
    np.testing.assert_allclose(LOOKS.chances(p, scores), [0, 0.1, 0.8, 1], atol=1e-5)
    sharp = replace(LOOKS, sharpness=2.0, offset=np.log(3)).chances(p, scores)
    np.testing.assert_allclose(sharp, [0, 3 / 84, 48 / 49, 1], atol=1e-5)


def test_a_softmax_sums_to_one_however_far_values_lie_apart():
    rows = softmax(np.array([[0, 1e5], [-1e5, -1e5]], np.float32))
    assert np.allclose(rows, [[0, 1], [0.5, 0.5]])
