"""What reads files from outside, by name: each is given a path and reads all there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from om3d_core.data.cloud import Cloud
from om3d_core.data.scene_store import load_scene
from om3d_core.evaluation.ground_truth import read_ground_truth
from om3d_core.evaluation.paper.records import read_record
from om3d_core.evaluation.query_file import read_queries
from om3d_core.evaluation.single_view import read_views
from om3d_core.formats.picture_files import read_image
from om3d_core.formats.ply import read_ply
from om3d_core.presets import read_preset
from om3d_core.progress import Job
from om3d_core.proposals.geometric import GeometricProposer
from om3d_core.proposals.mask3d.checkpoint import read_weights
from om3d_core.proposals.precomputed import read_masks
from om3d_core.sources.base import Source
from om3d_core.sources.datasets.base import DatasetScene, open_dataset_scene
from om3d_core.sources.open import open_source


def _source(source: Source) -> None:
    cloud = source.cloud()
    assert cloud is None or isinstance(cloud, Cloud)
    for frame in source:
        assert frame.rgb.shape[:2] == frame.depth.shape


def _dataset(name: str, root: Path, scene: str) -> None:
    source = open_dataset_scene(name, root, scene)
    assert isinstance(source, DatasetScene)
    _source(source)
    source.ground_truth()


def _map_of(path: Path) -> None:
    """A cloud on its way into a map: read, judged, segmented."""
    cloud = read_ply(path)
    cloud.check_density()
    GeometricProposer().propose(cloud, Job())


def _views(path: Path) -> None:
    for view in read_views(path):
        assert view.labels.shape == view.frame.depth.shape


READERS: dict[str, Callable[[Path], object]] = {
    "masks": read_masks,
    "truth": read_ground_truth,
    "weights": read_weights,
    "cloud": _map_of,
    "picture": read_image,
    "settings": lambda path: read_preset(str(path)),
    "source": lambda path: _source(open_source(path)),
    "scannet": lambda path: _dataset("scannet200", path, "scene0011_00"),
    "scannetpp": lambda path: _dataset("scannetpp", path, "7b6477cb95"),
    "replica": lambda path: _dataset("replica", path, "office0"),
    "views": _views,
    "queries": read_queries,
    "record": read_record,
    "map": load_scene,
}
