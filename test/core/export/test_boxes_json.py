"""Boxes in the layout of COCO, read by pycocotools."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from pycocotools.coco import COCO


def test_pycocotools_finds_boxes_by_category(scene, written, capsys):
    labeled = replace(scene, labels=("chair", "a\nb", "chair", ""))
    coco = COCO(written(labeled, "boxes-json"))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["a\nb", "chair"]
    chairs = coco.getAnnIds(imgIds=coco.getImgIds(), catIds=coco.getCatIds(catNms=["chair"]))
    assert chairs == [6, 8]
    for i, number in enumerate(labeled.ids.tolist()):
        (found,) = coco.loadAnns([number])
        box, corners = labeled.boxes[i], np.array(found["corners"])
        local = (corners - found["center"]) @ np.array(found["rotation"])
        assert np.allclose(np.abs(local), np.array(found["size"]) / 2)
        assert np.allclose(corners, box.corners) and found["label"] == labeled.labels[i]
        assert found["n_points"] == 40 and found["structure"] == (number == 5)
        stamps = labeled.views.stamps[i][labeled.views.valid[i]].tolist()
        seen = (min(stamps), max(stamps)) if stamps else (None, None)
        assert (found["first_seen_ns"], found["last_seen_ns"]) == seen


def test_the_map_is_the_only_image(scene, written):
    (image,) = json.loads(written(scene, "boxes-json").read_text())["images"]
    assert image["map_id"] == scene.map_id and image["revision"] == scene.revision
    assert image["frame"] == "map" and image["up"] == [0, 0, 1] and image["n_points"] == 500
