"""docs/robot.md: its commands are those of the presets, and it quotes what the nodes say now."""

from __future__ import annotations

import ast
import re

import pytest

from om3d_ros.sensor_preset import sensor_folder, sensor_names

# What stands for a value in a quotation, and where one sentence of the sources begins in another.
VALUES = re.compile(r"\.\.\.|'map'|(?<=on )(?:color|depth|pose)|(?<=no )(?:depth|pose)\b"
                    r"|expected|color images|\.yaml|earlier|later|s (?=were)|: |; |\(|\)")
MAX_PICTURE_BYTES = 150_000


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "robot.md").read_text()


@pytest.fixture(scope="module")
def said(repository):
    """All texts in the sources, those of f-strings piece by piece."""
    files = [*(repository / "om3d_ros").rglob("*.py"), *(repository / "launch").glob("*.py"),
             *(repository / "om3d_core" / "streams").glob("*.py"),
             *(repository / "om3d_core" / name for name in ("errors.py", "presets.py")),
             repository / "om3d_core" / "mapping" / "frame_quality.py"]
    return [
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_the_driver_of_each_preset_is_started_as_its_file_says(page):
    for name in set(sensor_names()) - {"generic"}:
        (row,) = re.findall(rf"^.* sensor:={name} rviz:=true.*$", page, re.MULTILINE)
        preset = (sensor_folder() / f"{name}.yaml").read_text()
        (command,) = re.findall(r"^#   (ros2 launch .*)$", preset, re.MULTILINE)
        assert f"`{command}`" in row


def test_it_quotes_what_is_said_now(page, said):
    table = page.partition("| it says | cure |")[2].partition("\n\n")[0]
    quotations = re.findall(r"^\| (?:query: |\.\.\. )?`(.+?)` \|", table, re.MULTILINE)
    assert len(quotations) == table.count("\n| ") - table.count("| --- |")
    for quotation in quotations:
        for piece in map(str.strip, VALUES.split(quotation)):
            words = piece.strip(" :;,")
            assert len(words) < 3 or any(words in text for text in said), (words, quotation)


def test_what_it_links_to_is_there(page, repository):
    for target in re.findall(r"\]\(([^)#]+)", page):
        assert (repository / "docs" / target).exists(), target
    assert (repository / "docs" / "pictures" / "rviz.jpg").stat().st_size < MAX_PICTURE_BYTES
