"""Mask3D as a proposer (Schult et al. 2023), as OpenMask3D uses it or repaired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks, suppress_duplicates
from om3d_core.errors import InputError, ModelError
from om3d_core.files import user_path
from om3d_core.models.catalog import FILE_SUFFIXES, find, require
from om3d_core.models.devices import choose_device
from om3d_core.progress import Job
from om3d_core.proposals.mask3d.inference import SceneLogits, run_network
from om3d_core.proposals.mask3d.postprocess import (
    class_probabilities,
    rank_pairs,
    rank_parts,
    split_masks,
    to_points,
)
from om3d_core.proposals.mask3d.settings import Mask3DSettings
from om3d_core.proposals.mask3d.surface import flag_structure, surface_segments

if TYPE_CHECKING:
    from om3d_core.proposals.mask3d.network import Mask3D

STAGE = "masks"
STEPS = 4


class Mask3DProposer:
    """Masks from a Mask3D network; its weights load here.

    Raises ModelError if the checkpoint is missing, damaged, or of another network.
    """

    weights_hint = (
        "scannet200_model.ckpt, linked in the README of github.com/OpenMask3D/openmask3d"
        " (trained on ScanNet200)"
    )
    settings_group = "mask3d"
    types = FILE_SUFFIXES

    def __init__(self, settings: Mask3DSettings | None = None, network: Mask3D | None = None):
        """``network``: use this one instead of the checkpoint's."""
        self._settings = settings or Mask3DSettings()
        device = choose_device(self._settings.device)
        self._network = (network or self._load()).to(device).eval()

    def propose(self, cloud: Cloud, job: Job, up: npt.NDArray[np.float64]) -> InstanceMasks:
        """Masks over the cloud's points by falling score.

        Raises InputError where the segments of the data set are wanted and the cloud has none.
        """
        if not len(cloud):
            return InstanceMasks.empty(0)
        job.step(STAGE, 0, STEPS)
        segments = self._segments(cloud)
        job.step(STAGE, 1, STEPS)
        scene = run_network(self._network, cloud, self._settings, segments)
        job.step(STAGE, 2, STEPS)
        masks = self._select(scene)
        job.step(STAGE, 3, STEPS)
        if self._settings.flag_structure:
            masks = flag_structure(cloud, masks, up)
        job.step(STAGE, STEPS, STEPS)
        return masks

    def _segments(self, cloud: Cloud) -> npt.NDArray[np.int64] | None:
        """(P,) ids of the segments that masks are made of, or None for voxels."""
        wanted = self._settings.segments
        if wanted == "surface":
            return surface_segments(cloud)
        if wanted == "dataset" and cloud.segments is None:
            name = f"{self.settings_group}.segments"
            raise InputError(
                f"{name} dataset: expected a cloud with the segments of its data set, got one"
                " without; those of ScanNet lie beside the mesh in"
                " ID_vh_clean_2.0.010000.segs.json, those of ScanNet++ in scans/segments.json, and"
                f" other sources have none: set {name} to surface or none"
            )
        return cloud.segments if wanted == "dataset" else None

    def _select(self, scene: SceneLogits) -> InstanceMasks:
        s, voxels = self._settings, scene.voxels
        parts = split_masks(
            scene.mask_logits,
            scene.positions,
            s.split_reach_m,
            min_samples=s.split_min_samples,
            min_voxels=s.min_voxels,
        )
        rank = rank_pairs if s.selection == "faithful" else rank_parts
        ranked = rank(parts, class_probabilities(scene.class_logits))
        kept = ranked.scores >= s.min_score
        members = [
            to_points(parts.voxels[part], voxels.inverse, len(voxels), scene.segments)
            for part in ranked.parts[kept]
        ]
        masks = InstanceMasks.from_lists(members, len(voxels.inverse), ranked.scores[kept])
        masks = masks.select(masks.sizes > 0)
        return suppress_duplicates(masks, s.max_overlap) if s.max_overlap < 1.0 else masks

    def _load(self) -> Mask3D:
        from om3d_core.proposals.mask3d.checkpoint import load_network

        s = self._settings
        name = f"{self.settings_group}.checkpoint"
        if not s.checkpoint:
            raise ModelError(
                f"{name}: expected the file of the network's weights, got no path; get"
                f" {self.weights_hint} and set {name} to where it lies"
            )
        known = find(s.checkpoint) is not None
        path = require(s.checkpoint, name) if known else user_path(s.checkpoint)
        if not path.is_file():
            raise ModelError(
                f"{name}: expected the network's weights, got no file {path}; get"
                f" {self.weights_hint} and set {name} to where it lies"
            )
        return load_network(path, s.num_heads, s.sparse_backend)
