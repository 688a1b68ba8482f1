"""The settings of the proposers that run a Mask3D network."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.models.devices import DEVICES
from om3d_core.settings import Settings, setting

SEGMENTS = ("none", "surface", "dataset")
SEGMENTS_MEANING = (
    "predict masks for voxels, for fine segments of the surface, or for those that the data set"
    " ships with its mesh, as OpenMask3D does for ScanNet200"
)


@dataclass(frozen=True)
class Mask3DSettings(Settings):
    """How Mask3D proposes masks; the defaults repair what OpenMask3D's script leaves open.

    OpenMask3D is ``color_normalization`` unit, ``selection`` faithful, ``min_voxels`` 1,
    ``min_score`` 0, ``max_overlap`` 1, ``segments`` none, and 120 queries. For ScanNet200 its
    colors are ``dataset``, ``segments`` dataset, and queries 150.
    """

    checkpoint: str = setting(
        "", "file of the network's weights: a published .ckpt, or .safetensors"
    )
    num_heads: int = setting(
        8, "attention heads of the network, which its weights do not tell", low=1, high=64
    )
    voxel_m: float = setting(
        0.02, "edge of a voxel; the published networks know 0.02 only (m)", low=0.002, high=1.0
    )
    num_queries: int = setting(
        150, "places from which a mask is grown; no weight depends on it", low=1, high=2000
    )
    sampling: str = setting(
        "cuda", "ties of furthest point sampling: as the originals' CUDA kernel, or first point",
        choices=("cuda", "first"),
    )
    color_normalization: str = setting(
        "dataset", "colors as in training, or 0..1 as OpenMask3D's single-scene script feeds them",
        choices=("dataset", "unit"),
    )
    segments: str = setting("none", SEGMENTS_MEANING, choices=SEGMENTS)
    selection: str = setting(
        "fixed", "each part of a mask once with the probability of any object, or the best"
        " (part, class) pairs as in OpenMask3D, which repeat parts and drop others",
        choices=("fixed", "faithful"),
    )
    split_reach_m: float = setting(
        0.95, "parts of a mask further apart become two masks (m)", low=0.005, high=100.0
    )
    split_min_samples: int = setting(
        1, "voxels within the reach that make a voxel part of a mask (DBSCAN)", low=1, high=1000
    )
    min_voxels: int = setting(15, "smaller parts are dropped", low=1, high=1_000_000)
    min_score: float = setting(0.05, "masks of a lower score are dropped", low=0.0, high=1.0)
    max_overlap: float = setting(
        0.9, "a mask is dropped if a better one overlaps it more (IoU); 1 keeps all",
        low=0.0, high=1.0,
    )
    flag_structure: bool = setting(
        True, "flag masks that lie on the floor, walls and ceiling as structure"
    )
    max_voxels: int = setting(
        1_000_000, "larger clouds are refused: about 6 kB of memory a voxel are needed",
        low=1, high=100_000_000,
    )
    device: str = setting(
        "auto", "where the network runs; auto takes a GPU if there is one", choices=DEVICES
    )
    sparse_backend: str = setting(
        "torch", "sparse convolutions of this package, or MinkowskiEngine's if installed",
        choices=("torch", "minkowski"),
    )
