"""The kinds of parity fixtures, and the test module that reproduces each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

TEST_MODULES = {
    "sparse_conv": "test_sparse_conv",
    "mask3d": "test_mask3d",
    "mask3d_weights": "test_mask3d",
    "mask3d_full": "test_mask3d",
    "mask3d_state_dict_keys": "test_mask3d",
    "views": "test_views",
    "views_edge": "test_views_edge",
    "features": "test_features",
    "evaluation": "test_evaluation",
    "evaluation_scannetpp": "test_evaluation_scannetpp",
}
"""A kind is what the description (.json) of a fixture states, and the name of any other file."""

DOCUMENTS = {"README.md"}


@dataclass(frozen=True)
class Fixture:
    """The arrays of one fixture and its description."""

    arrays: dict[str, npt.NDArray[Any]]
    info: dict[str, Any]

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.arrays[name]

    @classmethod
    def load(cls, folder: Path, kind: str) -> Fixture:
        """Read ``kind.npz`` and ``kind.json``."""
        with np.load(folder / f"{kind}.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return cls(arrays, json.loads((folder / f"{kind}.json").read_text()))


def kind_of(path: Path) -> str:
    """The kind of a file in a folder of fixtures."""
    description = path.with_suffix(".json")
    if path.suffix in (".json", ".npz") and description.is_file():
        return str(json.loads(description.read_text())["fixture"])
    return path.stem


def unknown_files(folder: Path) -> list[str]:
    """Names of the files in ``folder`` that no test module here reproduces."""
    here = Path(__file__).parent
    return [
        path.name
        for path in sorted(folder.iterdir())
        if path.name not in DOCUMENTS
        and not (here / f"{TEST_MODULES.get(kind_of(path), '')}.py").is_file()
    ]
