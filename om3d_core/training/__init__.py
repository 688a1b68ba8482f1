"""Class-agnostic fine-tuning of Mask3D on labeled scenes (Schult et al. 2023)."""

from om3d_core.training.dataset import LabeledScene, SceneSet, find_scenes
from om3d_core.training.settings import TrainSettings

__all__ = ["LabeledScene", "SceneSet", "TrainSettings", "find_scenes"]
