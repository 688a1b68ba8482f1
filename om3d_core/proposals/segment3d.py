"""Segment3D as a proposer (Huang et al. 2024): Mask3D trained on SAM's masks, without labels.

From its public repository, github.com/LeapLabTHU/Segment3D (demo.py, demo_utils.py, conf/,
scripts/run_demo.sh, scripts/eval.sh, trainer/trainer.py). The network is that of Mask3D, and the
Lightning checkpoint ``segment3d.ckpt`` has the same keys: ``state_dict`` with the prefix
``model.`` (``Mask3D_no_aux`` differs only in what it returns). What differs:

=====================  ====================================  ==================================
                       Mask3D in OpenMask3D                  Segment3D
=====================  ====================================  ==================================
classes                200 and no-object                     one, "object", and no-object
                       (class_embed_head 201)                (class_embed_head 2)
semantic head          200 outputs (unused)                  20 outputs (unused)
queries                120 or 150                            400
voxel edge             0.02 m                                0.02 m
colors                 0..1 in the single-scene script       mean and deviation of ScanNet
masks                  of voxels (single scene)              of segments (Felzenszwalb, k 0.01)
split of a mask        DBSCAN, 0.95 m, 1 sample              DBSCAN, 0.05 m, 5 samples
small parts            kept                                  dropped up to 15 voxels
ranking                the M best (part, class) pairs        each part once
score                  class probability times mean mask     object times mean mask probability
                       probability                           over the part
floor and walls        never proposed                        proposed as any other object
=====================  ====================================  ==================================

Two things in its demo are not repeated: it multiplies with the raw class
logit instead of the probability that its own evaluation takes, and it attends to a random sample
of the voxels, because it does not tell the network that it evaluates. Its evaluation keeps the
best 80 percent of the parts and calls all scores 1; its demo shows masks of a score above 0.2.
It samples query places by Mask3D's kernel. cuML's DBSCAN may assign a voxel on the border of two
parts otherwise than scikit-learn's, which is used here; voxels that DBSCAN calls noise belong to
no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from om3d_core.errors import ModelError
from om3d_core.proposals.mask3d.proposer import Mask3DProposer
from om3d_core.proposals.mask3d.settings import SEGMENTS, SEGMENTS_MEANING, Mask3DSettings
from om3d_core.settings import setting

if TYPE_CHECKING:
    from om3d_core.proposals.mask3d.network import Mask3D

N_CLASSES = 2


@dataclass(frozen=True)
class Segment3DSettings(Mask3DSettings):
    """As Mask3DSettings, with Segment3D's own values.

    ``selection`` makes no difference: with one class no (part, class) pair repeats.
    """

    num_queries: int = setting(
        400, "places from which a mask is grown; no weight depends on it", low=1, high=2000
    )
    segments: str = setting("surface", SEGMENTS_MEANING, choices=SEGMENTS)
    split_reach_m: float = setting(
        0.05, "parts of a mask further apart become two masks (m)", low=0.005, high=100.0
    )
    split_min_samples: int = setting(
        5, "voxels within the reach that make a voxel part of a mask (DBSCAN)", low=1, high=1000
    )
    min_voxels: int = setting(16, "smaller parts are dropped", low=1, high=1_000_000)
    min_score: float = setting(0.2, "masks of a lower score are dropped", low=0.0, high=1.0)


class Segment3DProposer(Mask3DProposer):
    """Masks from a Segment3D network; its weights load here.

    Raises ModelError if the checkpoint is missing, damaged, or of another network.
    """

    weights_hint = (
        "segment3d.ckpt, linked in the README of github.com/LeapLabTHU/Segment3D (trained on"
        " ScanNet without labels)"
    )
    settings_group = "segment3d"

    def __init__(self, settings: Segment3DSettings | None = None, network: Mask3D | None = None):
        """``network``: use this one instead of the checkpoint's."""
        super().__init__(settings or Segment3DSettings(), network)
        n_classes = self._network.config.n_classes
        if n_classes != N_CLASSES:
            raise ModelError(
                f"{self.settings_group}.checkpoint: expected a network of {N_CLASSES} classes"
                f" (object, no object), got {n_classes}; is it one of Mask3D?"
            )
