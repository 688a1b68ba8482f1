"""The names that things may get: the package's, a list, a file; what is wrong with one is told."""

from __future__ import annotations

import pytest

from om3d_core.errors import SettingsError
from om3d_core.mapping.vocabulary import MAX_FILE_BYTES, MAX_NAMES, NameSettings, read_vocabulary


def read(tmp_path, text):
    path = tmp_path / "names.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_vocabulary(NameSettings(file=str(path)))


def test_the_embedded_names_are_hundreds_of_different_things():
    things = read_vocabulary(NameSettings())
    words = [word for thing in things for word in thing.words]
    assert 300 < len(things) < 1000
    assert len(set(words)) == len(words)
    assert all(thing.name == thing.words[0] == thing.name.lower() for thing in things)


def test_a_list_is_taken_instead():
    things = read_vocabulary(NameSettings(vocabulary="gear box , torque wrench,"))
    assert [thing.words for thing in things] == [("gear box",), ("torque wrench",)]


def test_a_file_has_other_words_and_remarks(tmp_path):
    things = read(tmp_path, "# tools\n\nsofa, couch,  long   chair # soft\nmüsli\n")
    assert [t.words for t in things] == [("sofa", "couch", "long chair"), ("müsli",)]
    assert [t.name for t in things] == ["sofa", "müsli"]


@pytest.mark.parametrize(("content", "told"), [
    ("", "expected at least one name"),
    ("# only a remark\n", "expected at least one name"),
    ("mug\n---\n", "line 2: expected words with letters"),
    ("mug,,cup\n", "line 1: expected words with letters"),
    ("a" * 1001, "line 1: expected words .* of at most 1000"),
    ("mug\ncup\nmug, beaker\n", "line 3: expected each name once, got 'mug'"),
    ("\n".join(f"thing {i}" for i in range(MAX_NAMES + 1)), "expected at most 10000 words"),
    (b"\xff\xfe\n", "cannot be read"),
    (b"m\n" * (MAX_FILE_BYTES // 2 + 1), "cannot be read: more than"),
])  # fmt: skip
def test_what_is_wrong_with_a_file_is_told(tmp_path, content, told):
    with pytest.raises(SettingsError, match=f"names.file: .*names.txt: {told}"):
        read(tmp_path, content)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SettingsError, match=r"names.file: .*no.txt: cannot be read"):
        read_vocabulary(NameSettings(file=str(tmp_path / "no.txt")))


def test_a_list_and_a_file_are_one_too_many():
    with pytest.raises(SettingsError, match=r"names.vocabulary: expected it or names.file"):
        NameSettings(vocabulary="mug", file="names.txt")


def test_an_empty_list_of_commas_is_told():
    with pytest.raises(SettingsError, match=r"names.vocabulary: expected at least one name"):
        read_vocabulary(NameSettings(vocabulary=" , "))
