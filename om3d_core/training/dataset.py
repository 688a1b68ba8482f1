"""Labeled scenes: folders of ``om3d synth``, and scans of ScanNet++ in the official layout.

A synthetic scene is trained on the cloud that its frames fuse into, as it is seen at run time,
with the labels of the nearest points of the ground truth. Of ScanNet++ only ``scans/`` is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import ModelError, SourceError, expect
from om3d_core.evaluation.ground_truth import (
    POINTS_FILE,
    TRANSFER_TOLERANCE_M,
    read_ground_truth,
)
from om3d_core.files import write_atomically
from om3d_core.formats.safetensors_files import read_safetensors
from om3d_core.formats.segments import ground_truth_ids, read_groups, read_mesh
from om3d_core.mapping.fusion import Fuser, FusionSettings
from om3d_core.sources.folder import FolderSource

BACKGROUND, VOID = -1, -2
SCANS = Path("scans", "mesh_aligned_0.05.ply")
SCANNETPP_STRUCTURE = frozenset({"wall", "floor", "ceiling"})
SCANNETPP_VOID = frozenset({"split", "remove"})
"""Labels by which the annotators of ScanNet++ mark what is no instance."""

INSTANCES_A_LABEL = 1000
SCENES_IN_MEMORY = 16

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class LabeledScene:
    """A cloud of P points and the instance of each.

    instance: (P,) int32, 0 and up for objects, BACKGROUND for structure, VOID for points without
    a verdict, which no loss and no metric counts.
    """

    name: str
    cloud: Cloud
    instance: Labels

    def __post_init__(self) -> None:
        expect(len(self.cloud) > 0, f"points in scene {self.name}", "none")
        expect(
            self.instance.shape == (len(self.cloud),) and self.instance.dtype == np.int32,
            f"instance of shape {(len(self.cloud),)} and dtype int32",
            (self.instance.shape, self.instance.dtype),
        )
        expect(int(self.instance.min()) >= VOID, f"instances of {VOID} and up", "less")

    def select(self, keep: npt.NDArray[np.bool_]) -> LabeledScene:
        """The points at ``keep``, (P,) bool."""
        return replace(self, cloud=self.cloud.select(keep), instance=self.instance[keep])

    def masks(self) -> InstanceMasks:
        """The objects over the points, and the structure as one mask flagged so."""
        order = np.argsort(self.instance, kind="stable")
        ids = np.unique(self.instance[self.instance != VOID])
        starts = np.searchsorted(self.instance[order], ids)
        members = [order[a:b] for a, b in itertools.pairwise([*starts, len(order)])]
        return InstanceMasks.from_lists(members, len(order), structure=ids == BACKGROUND)


@dataclass(frozen=True)
class SceneFolder:
    """Where a scene lies, and in which layout: ``synth`` or ``scannetpp``."""

    name: str
    path: Path
    layout: str


def find_scenes(root: Path) -> list[SceneFolder]:
    """The scene that ``root`` is, or those in it or in ``root/data``, by name.

    Raises SourceError if there is none.
    """
    root = Path(root)
    if not root.is_dir():
        raise SourceError(f"expected a folder of labeled scenes, got {root}")
    for parents in ([root], [root, root / "data"]):
        folders = parents if parents == [root] and _layout(root) else [
            child for parent in parents if parent.is_dir() for child in sorted(parent.iterdir())
        ]
        found = [
            SceneFolder(folder.resolve().name, folder, layout)
            for folder in folders
            if (layout := _layout(folder))
        ]
        if found:
            return found
    raise SourceError(
        f"{root}: expected scenes of om3d synth (with {POINTS_FILE}) or of ScanNet++ (with"
        f" {SCANS}), got none"
    )


def _layout(folder: Path) -> str:
    if (folder / POINTS_FILE).is_file():
        return "synth"
    return "scannetpp" if (folder / SCANS).is_file() else ""


def read_scene(folder: SceneFolder, fusion: FusionSettings) -> LabeledScene:
    """Read and, where it consists of frames, fuse a scene. Raises SourceError."""
    if folder.layout == "synth":
        return _read_synth(folder, fusion)
    return _read_scannetpp(folder)


def _read_synth(folder: SceneFolder, fusion: FusionSettings) -> LabeledScene:
    truth = read_ground_truth(folder.path)
    source = FolderSource(folder.path)
    cloud = source.cloud()
    if cloud is None:
        fuser = Fuser(fusion)
        for frame in source:
            fuser.integrate(frame)
        cloud = fuser.cloud()
    if not len(cloud) or not len(truth.points):
        raise SourceError(f"{folder.path}: expected a scene with points, got none")
    mask = truth.masks.labels()
    # One place more for the points of no mask, whose label is -1.
    number = np.append(np.cumsum(~truth.masks.structure) - 1, VOID)
    number[:-1][truth.masks.structure] = BACKGROUND
    labels = np.append(number[mask], VOID).astype(np.int32)
    nearest = cKDTree(truth.points).query(
        cloud.points, distance_upper_bound=TRANSFER_TOLERANCE_M
    )[1]
    return LabeledScene(folder.name, cloud, labels[nearest])


def _read_scannetpp(folder: SceneFolder) -> LabeledScene:
    scans = folder.path / "scans"
    cloud = read_mesh(folder.path / SCANS, scans / "segments.json")
    groups = read_groups(scans / "segments_anno.json")
    names = sorted({group.label for group in groups})
    ids = ground_truth_ids(cloud, groups, {name: i + 1 for i, name in enumerate(names)})
    instance = np.unique(ids, return_inverse=True)[1].reshape(-1).astype(np.int32)
    for label, special in ((BACKGROUND, SCANNETPP_STRUCTURE), (VOID, SCANNETPP_VOID)):
        of_name = np.array([False, *(name.lower() in special for name in names)])
        instance[of_name[ids // INSTANCES_A_LABEL]] = label
    instance[ids == 0] = VOID
    if not len(cloud):
        raise SourceError(f"{folder.path}: expected a scene with points, got none")
    return LabeledScene(folder.name, cloud, instance)


class SceneSet(Sequence[LabeledScene]):
    """Scenes read when asked for; what was read is kept in ``cache``, the last ones in memory."""

    def __init__(
        self, folders: Sequence[SceneFolder], fusion: FusionSettings, cache: Path | None = None
    ):
        names = [folder.name for folder in folders]
        expect(len(set(names)) == len(names), "scenes of different names", names)
        self._folders, self._fusion, self._cache = list(folders), fusion, cache
        self._recent: dict[int, LabeledScene] = {}

    def __len__(self) -> int:
        return len(self._folders)

    @overload
    def __getitem__(self, index: int) -> LabeledScene: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LabeledScene]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return SceneSet(self._folders[index], self._fusion, self._cache)
        scene = self._recent.get(index)
        if scene is None:
            scene = self._load(self._folders[index])
            self._recent[index] = scene
            for old in list(self._recent)[:-SCENES_IN_MEMORY]:
                self._recent.pop(old, None)
        return scene

    def __iter__(self) -> Iterator[LabeledScene]:
        return (self[i] for i in range(len(self)))

    def _load(self, folder: SceneFolder) -> LabeledScene:
        if self._cache is None:
            return read_scene(folder, self._fusion)
        path = self._cache / f"{folder.name}.safetensors"
        if path.is_file():
            return _read_cached(path, folder.name)
        scene = read_scene(folder, self._fusion)
        self._cache.mkdir(parents=True, exist_ok=True)
        _write_cached(path, scene)
        return scene


def _write_cached(path: Path, scene: LabeledScene) -> None:
    from safetensors.numpy import save

    arrays = {**vars(scene.cloud), "instance": scene.instance}
    held = {k: np.ascontiguousarray(v) for k, v in arrays.items() if v is not None}
    write_atomically(path, save(held))


def _read_cached(path: Path, name: str) -> LabeledScene:
    try:
        arrays = {k: tensor.numpy() for k, tensor in read_safetensors(path)[0].items()}
        cloud = Cloud(
            arrays["points"], arrays["colors"], arrays["normals"], arrays.get("segments")
        )
        return LabeledScene(name, cloud, arrays["instance"])
    except (ModelError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path}: expected a scene, got {error}; remove the file") from error
