"""Masks of the network as it is, measured on labeled scenes as ``om3d eval-masks`` does."""

from __future__ import annotations

from collections.abc import Sequence

from om3d_core.evaluation.mask_quality import MaskQuality, count_overlaps, evaluate_overlaps
from om3d_core.mapping.gravity import decide_up
from om3d_core.progress import Job
from om3d_core.proposals.mask3d.network import Mask3D
from om3d_core.proposals.mask3d.proposer import Mask3DProposer
from om3d_core.training.dataset import VOID, LabeledScene
from om3d_core.training.settings import TrainSettings

STAGE = "evaluate"


def evaluate_network(
    network: Mask3D, scenes: Sequence[LabeledScene], settings: TrainSettings, job: Job
) -> MaskQuality:
    """Class-agnostic quality of the proposer's masks, all scenes pooled; leaves eval mode on."""
    proposer = Mask3DProposer(settings.mask3d, network)
    overlaps = []
    for i, scene in enumerate(scenes):
        job.step(STAGE, i, len(scenes))
        masks = proposer.propose(scene.cloud, Job(), decide_up(scene.cloud))
        void = scene.instance == VOID
        overlaps.append(count_overlaps(masks, scene.masks(), void, settings.evaluation))
    job.step(STAGE, len(scenes), len(scenes))
    return evaluate_overlaps(overlaps)
