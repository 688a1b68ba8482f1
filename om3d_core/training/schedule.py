"""The learning rate as a function of the step."""

from __future__ import annotations

import math

from om3d_core.training.settings import ScheduleSettings

START_FRACTION = 1 / 25
END_FRACTION = 1e-4


def learning_rate(step: int, settings: ScheduleSettings) -> float:
    """The rate of step 0..steps-1.

    one_cycle: linear from 1/25 of the highest rate, then down along a cosine (Smith 2018).
    poly: ``(1 - step / steps) ** power``.
    """
    if settings.shape == "poly":
        return settings.learning_rate * math.pow(1 - step / settings.steps, settings.power)
    top = settings.warmup * settings.steps
    if step < top:
        fraction = START_FRACTION + (1 - START_FRACTION) * step / top
    else:
        done = (step - top) / max(settings.steps - top, 1)
        fraction = END_FRACTION + (1 - END_FRACTION) * (1 + math.cos(math.pi * done)) / 2
    return settings.learning_rate * fraction
