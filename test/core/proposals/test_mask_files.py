"""Masks as other tools write them: values, labels, runs, superpoints, scores."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from om3d_core.errors import ModelError
from om3d_core.formats.run_lengths import members_of
from om3d_core.proposals.mask_files import read_masks

DENSE = np.array([[1, 0], [1, 0], [0, 0], [0, 1], [1, 1]], bool)
SCORES = [0.25, 0.75]


def npz(path, **arrays):
    np.savez(path / "m.npz", **arrays)
    return read_masks(path / "m.npz")


def saved(path, content, name="m.pth"):
    torch.save(content, path / name)
    return read_masks(path / name)


@pytest.mark.parametrize(
    "values",
    [
        np.where(DENSE, 255, 0).astype(np.uint8),
        np.where(DENSE, 0.9, 0.3),
        np.where(DENSE, 4.5, -7.0).astype(np.float32),
        np.where(DENSE, 0.01, -0.01),
        np.where(DENSE, 1.0, 0.0),
    ],
    ids=["255", "probabilities", "logits", "small logits", "ones"],
)
def test_values_are_thresholded_as_they_are_meant(tmp_path, values):
    assert np.array_equal(npz(tmp_path, masks=values).to_dense(), DENSE)


@pytest.mark.parametrize(
    "values",
    [np.where(DENSE, 7.5, 2.0), np.arange(10).reshape(5, 2), np.where(DENSE, -1.0, -2.0),
     np.where(DENSE, -1, 1), np.where(DENSE, np.inf, 0.0)],
    ids=["activations", "integers", "negative", "signs", "infinite"],
)  # fmt: skip
def test_values_of_no_known_meaning_are_refused_by_name(tmp_path, values):
    with pytest.raises(ModelError, match="masks"):
        npz(tmp_path, masks=values)


@pytest.mark.parametrize("name", ["scores", "pred_scores", "conf"])
def test_scores_are_kept(tmp_path, name):
    masks = npz(tmp_path, pred_masks=DENSE, **{name: SCORES})
    assert masks.scores.tolist() == SCORES
    masks = saved(tmp_path, {"pred_masks": torch.tensor(DENSE), name: torch.tensor(SCORES)})
    assert masks.scores.tolist() == SCORES
    masks = saved(tmp_path, (torch.tensor(DENSE), torch.tensor(SCORES)), "m.pt")
    assert masks.scores.tolist() == SCORES and np.array_equal(masks.to_dense(), DENSE)
    with pytest.raises(ModelError, match=r"scores \(2,\)"):
        npz(tmp_path, masks=DENSE, **{name: [0.5]})


def test_labels_of_points(tmp_path):
    """SAM3D saves int16 with -1 for none (github.com/Pointcept/SegmentAnything3D, sam3d.py)."""
    masks = saved(tmp_path, np.array([0, 0, -1, 3, 0], np.int16))
    assert [masks[i].tolist() for i in range(len(masks))] == [[0, 1, 4], [3]]
    masks = npz(tmp_path, labels=[5, 5, 0, 9, 5])
    assert [masks[i].tolist() for i in range(len(masks))] == [[0, 1, 4], [3]]
    (tmp_path / "a.txt").write_text("5\n5\n0\n9\n5\n")
    assert read_masks(tmp_path / "a.txt").indices.tolist() == [0, 1, 4, 3]
    rows = [f"0 0 {n} 1 {label}" for n, label in enumerate([5, 5, 0, 9, 5])]
    (tmp_path / "a.pts").write_text("\n".join(rows))
    assert read_masks(tmp_path / "a.pts").indices.tolist() == [0, 1, 4, 3]
    with pytest.raises(ModelError, match="whole labels"):
        npz(tmp_path, labels=[0.5, 1.0])
    with pytest.raises(ModelError, match="at most 5000 masks"):
        npz(tmp_path, labels=np.arange(6001))


def test_runs_of_open3dis(tmp_path):
    """``ins`` and ``conf`` (github.com/VinAIResearch/Open3DIS, tools/generate_3d_inst.py)."""
    runs = [{"length": 5, "counts": np.array([1, 2, 5, 1])}, {"length": 5, "counts": "4 2"}]
    masks = saved(tmp_path, {"ins": runs, "conf": [torch.tensor(0.25), 0.75]})
    assert np.array_equal(masks.to_dense(), DENSE) and masks.scores.tolist() == SCORES
    masks = saved(tmp_path, {"ins": torch.tensor(DENSE.T), "conf": torch.tensor(SCORES)})
    assert np.array_equal(masks.to_dense(), DENSE)


COCO = [
    {"segmentation": {"size": [5, 1], "counts": [0, 2, 2, 1]}, "score": 0.25},
    {"segmentation": {"size": [5, 1], "counts": [3, 2]}, "score": 0.75},
]


def test_runs_of_coco(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(COCO))
    masks = read_masks(tmp_path / "m.json")
    assert np.array_equal(masks.to_dense(), DENSE) and masks.scores.tolist() == SCORES


def test_compressed_runs_are_those_of_pycocotools():
    """``pycocotools.mask.encode`` of a (3000, 1) mask with these runs of zeros and ones."""
    counts = [100, 40, 7, 900, 3, 1, 1949]
    text = coco_text(counts)
    members, n_points = members_of({"size": [3000, 1], "counts": text})
    assert n_points == 3000 and len(members) == 941
    assert members[0] == 100 and members[40] == 147 and members[-1] == 1050
    assert members_of({"size": [9, 1], "counts": "9"})[0].tolist() == []
    with pytest.raises(ValueError, match="counts"):
        members_of({"size": [3000, 1], "counts": text[:-1]})


def coco_text(counts):
    """COCO's writer: differences to the last but one, five bits a character."""
    text = ""
    for i, count in enumerate(counts):
        x = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            c, x = x & 31, x >> 5
            more = x != -1 if c & 16 else x != 0
            text += chr((c | 32 if more else c) + 48)
    return text


@pytest.mark.parametrize(
    "runs",
    [
        {"length": 5, "counts": [1]},
        {"length": 5, "counts": [4, 3]},
        {"length": 5, "counts": [0, 1]},
        {"length": 5, "counts": [3, 1, 1, 1]},
        {"length": 5, "counts": "a b"},
        {"length": 5, "counts": [1, -1]},
        {"length": 10**12, "counts": [1, 10**12]},
        {"length": 40_000_000, "counts": [1, 40_000_000]},
        {"length": "5", "counts": [1, 1]},
        {"size": [5, 1], "counts": [1, 1]},
        {"size": [5, 1], "counts": [7, -2]},
        {"size": 5, "counts": [5]},
        {"size": [10**6, 10**6], "counts": [10**12]},
        {"counts": [1, 1]},
        {"length": 5},
    ],
)
def test_runs_that_lie_are_refused(tmp_path, runs):
    (tmp_path / "m.json").write_text(json.dumps([runs]))
    with pytest.raises(ModelError, match=r"m\.json: expected"):
        read_masks(tmp_path / "m.json")


def benchmark(folder, lines):
    """As Mask3D, Segment3D and SAI3D save them: lines of a file, a class and a score."""
    (folder / "pred_mask").mkdir(exist_ok=True)
    for i in range(2):
        np.savetxt(folder / f"pred_mask/s_{i}.txt", DENSE[:, i].astype(np.uint8), fmt="%d")
    (folder / "scene.txt").write_text(lines)
    return read_masks(folder / "scene.txt")


def test_text_of_mask3d(tmp_path):
    masks = benchmark(tmp_path, "pred_mask/s_0.txt 3 0.25\npred_mask/s_1.txt 8 0.75\n")
    assert np.array_equal(masks.to_dense(), DENSE) and masks.scores.tolist() == SCORES
    (tmp_path / "pred_mask/s_1.json").write_text('{"length": 5, "counts": "4 2"}')
    masks = benchmark(tmp_path, "pred_mask/s_0.txt 3 0.25\npred_mask/s_1.json 8 0.75\n")
    assert np.array_equal(masks.to_dense(), DENSE)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("pred_mask/s_0.txt 3\n", "a file, a label and a score"),
        ("../../etc/passwd 3 0.5\n", "files beside the list"),
        ("pred_mask/s_9.txt 3 0.5\n", "readable masks"),
        ("pred_mask/s_0.txt 3 7.5\n", "in 0..1"),
        ("", "an empty file"),
        ("1 2 3\n4 5 6\n", "a label a line"),
    ],
)
def test_text_that_lies_is_refused(tmp_path, lines, said):
    with pytest.raises(ModelError, match=rf"scene\.txt: .*{said}"):
        benchmark(tmp_path, lines)


def test_text_of_other_numbers_than_digits_is_read_as_numbers(tmp_path):
    (tmp_path / "pred_mask").mkdir()
    (tmp_path / "pred_mask/a.txt").write_text("0.0\n1.0\n10\n-0\n1e0\n")
    (tmp_path / "scene.txt").write_text("pred_mask/a.txt 1 0.5\n")
    assert read_masks(tmp_path / "scene.txt").indices.tolist() == [1, 2, 4]
    (tmp_path / "pred_mask/a.txt").write_text("0 1\n1 0\n")
    assert read_masks(tmp_path / "scene.txt").n_points == 4
    (tmp_path / "pred_mask/a.txt").write_text("0 1.5\n1 0\n")
    with pytest.raises(ModelError, match="a number a line"):
        read_masks(tmp_path / "scene.txt")


@pytest.mark.parametrize(
    "table", [{"indptr": [0, 1], "indices": None, "n_points": 5}, {"masks": [1, 2]}, {1: "a"},
              {"masks": torch.ones(2, 2), "conf": ["a"]}, {"ins": [{1: 2, "a": 3}]}]
)  # fmt: skip
def test_tables_of_other_things_are_refused(tmp_path, table):
    with pytest.raises(ModelError, match=r"m\.pth: expected"):
        saved(tmp_path, table)


def test_masks_of_superpoints(tmp_path):
    over = np.array([[1, 0], [0, 0], [0, 1], [1, 1]])
    masks = npz(tmp_path, masks=over, superpoints=[0, 0, 1, 2, 3], scores=SCORES)
    assert np.array_equal(masks.to_dense(), DENSE) and masks.scores.tolist() == SCORES
    for wrong in ([0, 1, 4], [-1, 0, 1], [0.0, 1.0]):
        with pytest.raises(ModelError, match="superpoints"):
            npz(tmp_path, masks=over, superpoints=wrong)


@pytest.mark.parametrize("name", ["m.pts", "m.txt"])
def test_a_first_row_too_long_takes_no_memory_for_all_rows(tmp_path, name):
    (tmp_path / name).write_text("1 " * 24 + "\n")
    with pytest.raises(ModelError, match=rf"{name}: .*got a row of 24 numbers, not 1 or 5"):
        read_masks(tmp_path / name)
