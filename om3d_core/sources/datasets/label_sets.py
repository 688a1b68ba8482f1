"""Closed vocabularies of data sets: the ids, names and frequency groups of their classes.

The files in ``data`` hold facts of the published data sets: ScanNet200 (Rozenberszki et al. 2022),
whose benchmark scores 198 of its 200 classes; ScanNet++ (Yeshwanth et al. 2023), 1,659 classes by
falling frequency with the ranges that OpenMask3D++ calls head, common and tail; and Replica
(Straub et al. 2019).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from om3d_core.errors import SettingsError, expect

GROUPS = ("head", "common", "tail")
LABEL_SETS = ("scannet200", "scannetpp", "replica")
DATA = "om3d_core.sources.datasets.data"


@dataclass(frozen=True, eq=False)
class LabelSet:
    """C classes in the order of their text prompts.

    ids: (C,) int64, unique. names: C texts. groups: C of head, common, tail or empty.
    evaluated: (C,) bool, whether instances of the class are scored; others are void.
    """

    name: str
    ids: npt.NDArray[np.int64]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    evaluated: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.ids)
        lengths = (len(self.names), len(self.groups), len(self.evaluated))
        expect(lengths == (n, n, n), f"{n} names, groups and flags", lengths)
        expect(len(np.unique(self.ids)) == n, "unique label ids", "duplicates")
        expect(len(set(self.names)) == n, "unique label names", "duplicates")
        expect(set(self.groups) <= {*GROUPS, ""}, f"groups out of {GROUPS}", set(self.groups))

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def scored(self) -> LabelSet:
        """The classes that are scored."""
        keep = np.flatnonzero(self.evaluated)
        return LabelSet(
            self.name,
            self.ids[keep],
            tuple(self.names[i] for i in keep),
            tuple(self.groups[i] for i in keep),
            self.evaluated[keep],
        )

    @cached_property
    def id_of(self) -> dict[str, int]:
        """The id of each name."""
        return dict(zip(self.names, self.ids.tolist(), strict=True))

    def index_of(self, ids: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """The row of each id, -1 where the set does not hold it; any shape."""
        order = np.argsort(self.ids)
        at = np.minimum(np.searchsorted(self.ids, ids, sorter=order), max(len(self) - 1, 0))
        if not len(self):
            return np.full(np.shape(ids), -1, np.int64)
        rows = order[at]
        return np.where(self.ids[rows] == ids, rows, -1).astype(np.int64)

    def in_group(self, group: str) -> npt.NDArray[np.bool_]:
        """(C,) whether a class is of a group."""
        return np.array([g == group for g in self.groups], bool)


def load_label_set(name: str) -> LabelSet:
    """The label set of a data set by name. Raises SettingsError for an unknown one."""
    if name not in LABEL_SETS:
        raise SettingsError(f"expected a label set out of {', '.join(LABEL_SETS)}, got {name!r}")
    text = (files(DATA) / f"{name}.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return LabelSet(
        name,
        np.array([int(row["id"]) for row in rows], np.int64),
        tuple(row["name"] for row in rows),
        tuple(row["group"] for row in rows),
        np.array([row["evaluated"] == "1" for row in rows], bool),
    )


def label_set_of(names: list[str], unscored: frozenset[str] = frozenset()) -> LabelSet:
    """A label set of these names, numbered from 1, without groups."""
    return LabelSet(
        "custom",
        np.arange(1, len(names) + 1, dtype=np.int64),
        tuple(names),
        ("",) * len(names),
        np.array([name not in unscored for name in names], bool),
    )


def paper_scenes(name: str) -> tuple[str, ...]:
    """The scenes that the OpenMask3D++ paper evaluates: 40 of a validation split, or Replica's 8.

    Replica is not in that paper; its list is the one of OpenMask3D (Takmaz et al. 2023).
    """
    if name not in LABEL_SETS:
        raise SettingsError(f"expected a data set out of {', '.join(LABEL_SETS)}, got {name!r}")
    text = (files(DATA) / f"{name}_scenes.txt").read_text(encoding="utf-8")
    return tuple(text.split())
