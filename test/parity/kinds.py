"""The kinds of parity fixtures: the test module that reproduces each, and the arrays it knows.

Sizes, thresholds and numbers of views, labels and layers are read from the files; the numbers
in the names of arrays are settings too.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

NUMBER = r"\d+(?:\.\d+)?(?:e-?\d+)?"
SMALL_NUMBER = r"(?:\d+(?:\.\d+)?e-\d+|0\.\d+)"
LARGEST_TOLERANCE = 0.05
RESULTS = r"_(ap|class_ap|all|head_common_tail|rc|ar|pcdc|rc_all|pcdc_all)"
SCENES = r"n_scenes|s\d+_(gt|masks|n_points|scores|classes\d+)|labels|label_(ids|group)|overlaps"
CAMERAS = r"points|masks|poses|intrinsic|depth|vis_threshold|visible|projected|count_pixels"


@dataclass(frozen=True)
class Kind:
    """The module with the tests of a kind, and a pattern of the names of its arrays."""

    module: str
    arrays: str = ""


KINDS = {
    "sparse_conv": Kind(
        "test_sparse_conv",
        r"coords|feats|k\d+s\d+\w*_(kernel|bias|out_coords|out_feats)|bn_\w+|globalavg_out_feats"
        r"|(avg|sum)pool_k\d+s\d+(_twice)?_out_(coords|feats)|offsets_k\d+s\d+(d\d+|tr)?",
    ),
    "mask3d": Kind(
        "test_mask3d",
        r"points|colors|voxel_(coords|feats|raw_coords|segments)|inverse_map|point_segments"
        r"|fps_idx|sampled_coords|query_pos(_enc)?|backbone_features|mask_features"
        r"|aux\d+_(coords|feats|raw_coords)|aux_pred_logits|aux0_pred_masks|attn_mask\d+"
        r"|(seg_)?pred_(logits|masks)|(seg_)?post_(masks|scores|classes)|state_dict_keys",
    ),
    "mask3d_weights": Kind("test_mask3d", r"[a-z_]+\..+"),
    "mask3d_full": Kind(
        "test_mask3d",
        r"fps_idx(_cuda)?|mask_features_head_(kernel|bias)|pred_(logits|masks)"
        r"|backbone_(rows|features)|weight_(names|sums|abs_sums)",
    ),
    "mask3d_state_dict_keys": Kind("test_mask3d"),
    "views": Kind(
        "test_views",
        rf"{CAMERAS}|intrinsic_resolution|adapted_intrinsic|depth_scale|indices|count_points"
        r"|preselected\d+|topk\d+_(openmask3d|presel\d+)|world_to_camera"
        r"|adapt_(shapes|intrinsics)|crop_(masks|shape|ratios|params|boxes)",
    ),
    "views_edge": Kind(
        "test_views_edge",
        rf"{CAMERAS}|depth_scale|names|n_visible_frames|topk\d+_(openmask3d|presel\d+)",
    ),
    "features": Kind(
        "test_features",
        r"features|text|view_valid|mask_kind|valid_class_ids_\w+|kept_views"
        r"|(similarity|query)_(mean|max)_outliers[01]|classes_(mean|max)_outliers[01]_top\d+"
        r"|query_image_mean|baseline_(features|classes)",
    ),
    "evaluation": Kind(
        "test_evaluation",
        rf"{SCENES}|((pp_top\d+|om3d)(_ones)?|mask3d_benchmark){RESULTS}",
    ),
    "evaluation_scannetpp": Kind(
        "test_evaluation_scannetpp", rf"{SCENES}|top\d+(_ones)?{RESULTS}"
    ),
}
"""By the name of the file without its suffix."""

DOCUMENTS = {"README.md"}


@dataclass(frozen=True)
class Fixture:
    """The arrays of one fixture and its description."""

    arrays: dict[str, npt.NDArray[Any]]
    info: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.arrays[name]

    @classmethod
    def load(cls, folder: Path, kind: str) -> Fixture:
        """Read ``kind.npz`` and ``kind.json``."""
        with np.load(folder / f"{kind}.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return cls(arrays, json.loads((folder / f"{kind}.json").read_text()))

    def matches(self, pattern: str) -> list[re.Match[str]]:
        """The names of arrays that match as a whole; there is at least one."""
        found = [match for name in self.arrays if (match := re.fullmatch(pattern, name))]
        assert found, f"no array is named like {pattern}: {sorted(self.arrays)}"
        return found

    def tolerance(self, before: str, otherwise: float, *, after: str = "") -> float:
        """The number between two patterns in the tolerance that the description states."""
        text = str(self.info.get("tolerance"))
        number = _number(f"{before}({SMALL_NUMBER}){after}", text, otherwise)
        assert 0 < number <= LARGEST_TOLERANCE, text
        return number

    def meaning(self, name: str, before: str, otherwise: float) -> float:
        """The number behind a pattern in the description of an array."""
        meaning = str(self.info.get("arrays", {}).get(name, {}).get("meaning"))
        return _number(f"{before}({NUMBER})", meaning, otherwise)


def _number(pattern: str, text: str, otherwise: float) -> float:
    found = re.search(pattern, text)
    return float(found.group(1)) if found else otherwise


def unknown_files(folder: Path) -> list[str]:
    """Names of the files in ``folder`` that no test reproduces.

    A file is of the kind that its name says; its description must not say another.
    """
    unknown = []
    for path in sorted(folder.iterdir()):
        description = path.with_suffix(".json")
        stated = path.stem
        if path.suffix in (".json", ".npz") and description.is_file():
            stated = str(json.loads(description.read_text()).get("fixture", stated))
        known = path.stem in KINDS and stated == path.stem
        if not known and path.name not in DOCUMENTS:
            unknown.append(path.name)
    return unknown


def unknown_arrays(folder: Path) -> list[str]:
    """``file: array`` for every array in ``folder`` that no test knows."""
    unknown = []
    for kind, expected in KINDS.items():
        file = folder / f"{kind}.npz"
        if file.is_file():
            with np.load(file, allow_pickle=False) as stored:
                names = [n for n in stored.files if not re.fullmatch(expected.arrays, n)]
            unknown += [f"{file.name}: {name}" for name in names]
    return unknown
