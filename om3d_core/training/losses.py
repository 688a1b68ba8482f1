"""What a prediction costs: voxels, dice and objectness (Schult et al. 2023).

Masks are (Q, N) logits over the N voxels that have a verdict, targets (T, N) in 0..1. A network
of any number of classes is trained as object or no object: the probability of an object is that
of all its classes but the last together, which is also what ranks masks afterwards.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from om3d_core.training.matching import Assignment, match_queries
from om3d_core.training.settings import LossSettings

DICE_SMOOTHING = 1.0


def voxel_terms(logits: Tensor, settings: LossSettings) -> tuple[Tensor, Tensor]:
    """The loss of each logit if its voxel is inside, and if it is outside, in their shape."""
    inside, outside = F.softplus(-logits), F.softplus(logits)
    if settings.mask == "focal":
        probability = logits.sigmoid()
        alpha, gamma = settings.focal_alpha, settings.focal_gamma
        inside = alpha * (1 - probability) ** gamma * inside
        outside = (1 - alpha) * probability**gamma * outside
    return inside, outside


def mask_costs(logits: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
    """(Q, T) weighted voxel and dice loss of every pair."""
    inside, outside = voxel_terms(logits, settings)
    voxel = (inside @ targets.T + outside @ (1 - targets).T) / max(logits.shape[1], 1)
    probability = logits.sigmoid()
    shared = probability @ targets.T
    total = probability.sum(1)[:, None] + targets.sum(1)[None, :]
    return settings.mask_weight * voxel + settings.dice_weight * _dice(shared, total)


def mask_loss(logits: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
    """The mean over M matched pairs, logits and targets (M, N): the diagonal of the costs."""
    inside, outside = voxel_terms(logits, settings)
    voxel = (inside * targets + outside * (1 - targets)).sum(1) / max(logits.shape[1], 1)
    probability = logits.sigmoid()
    dice = _dice((probability * targets).sum(1), (probability + targets).sum(1))
    return (settings.mask_weight * voxel + settings.dice_weight * dice).mean()


def _dice(shared: Tensor, total: Tensor) -> Tensor:
    return 1 - (2 * shared + DICE_SMOOTHING) / (total + DICE_SMOOTHING)


def objectness(class_logits: Tensor) -> Tensor:
    """(Q, 2) logits of object and no object from (Q, C + 1), the last of which is no object."""
    return torch.stack([class_logits[:, :-1].logsumexp(1), class_logits[:, -1]], dim=1)


def class_loss(class_logits: Tensor, matched: Tensor, settings: LossSettings) -> Tensor:
    """Cross-entropy of object at the ``matched`` rows and of no object, weighted, elsewhere."""
    target = torch.ones(len(class_logits), dtype=torch.int64, device=class_logits.device)
    target[matched] = 0
    weight = class_logits.new_tensor([1.0, max(settings.no_object_weight, 1e-12)])
    return F.cross_entropy(objectness(class_logits), target, weight)


def prediction_loss(
    class_logits: Tensor, mask_logits: Tensor, targets: Tensor, settings: LossSettings
) -> Tensor:
    """The loss of one prediction, (Q, C + 1) and (Q, N), under the cheapest matching."""
    match = best_match(class_logits, mask_logits, targets, settings)
    loss = settings.class_weight * class_loss(class_logits, match.queries, settings)
    if len(match.queries):
        loss = loss + mask_loss(mask_logits[match.queries], targets[match.targets], settings)
    return loss


@torch.no_grad()
def best_match(
    class_logits: Tensor, mask_logits: Tensor, targets: Tensor, settings: LossSettings
) -> Assignment:
    """Queries and targets whose masks and objectness cost the least together."""
    cost = mask_costs(mask_logits, targets, settings)
    object_probability = objectness(class_logits).softmax(1)[:, 0]
    return match_queries(cost - settings.class_weight * object_probability[:, None])
