"""What reads files from outside, by name: each is given a path and reads all there is.

Each imports what it needs when it is first asked, so that a worker starts at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from om3d_core.errors import InputError


def _masks(path: Path) -> None:
    from om3d_core.proposals.mask_files import read_masks

    read_masks(path)


def _truth(path: Path) -> None:
    from om3d_core.evaluation.ground_truth import read_ground_truth

    read_ground_truth(path)


def _weights(path: Path) -> None:
    from om3d_core.proposals.mask3d.checkpoint import read_weights

    read_weights(path)


def _cloud(path: Path) -> None:
    """A cloud on its way into a map: read, judged, segmented."""
    from om3d_core.formats.cloud_files import read_cloud
    from om3d_core.mapping.gravity import decide_up
    from om3d_core.progress import Job
    from om3d_core.proposals.geometric import GeometricProposer

    cloud = read_cloud(path)
    with suppress(InputError):
        cloud.check_density()
        GeometricProposer().propose(cloud, Job(), decide_up(cloud))


def _mesh(path: Path) -> None:
    from om3d_core.formats.cloud_files import read_cloud

    read_cloud(path)
    read_cloud(path, sampling_m=0.1)


def _picture(path: Path) -> None:
    from om3d_core.formats.picture_files import read_image

    read_image(path)


def _settings(path: Path) -> None:
    from om3d_core.presets import read_preset

    read_preset(str(path))


def _source(path: Path) -> None:
    from om3d_core.sources.open import open_source

    source = open_source(path)
    source.cloud()
    for frame in source:
        assert frame.rgb.shape[:2] == frame.depth.shape


def _dataset(name: str, scene: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        from om3d_core.sources.datasets.base import open_dataset_scene

        source = open_dataset_scene(name, path, scene)
        for frame in source:
            assert frame.rgb.shape[:2] == frame.depth.shape
        assert len(source.ground_truth()) == len(source.cloud())

    return read


def _views(path: Path) -> None:
    from om3d_core.evaluation.single_view import read_views

    for view in read_views(path):
        assert view.labels.shape == view.frame.depth.shape


def _queries(path: Path) -> None:
    from om3d_core.evaluation.query_file import read_queries

    read_queries(path)


def _record(path: Path) -> None:
    from om3d_core.evaluation.paper.records import read_record

    read_record(path)


def _map(path: Path) -> None:
    from om3d_core.data.scene_store import load_scene

    load_scene(path)


def _map_with_keyframes(path: Path) -> None:
    from om3d_core.data.scene_store import load_map

    for keyframe in load_map(path)[1]:
        keyframe.frame()


READERS: dict[str, Callable[[Path], None]] = {
    "masks": _masks,
    "truth": _truth,
    "weights": _weights,
    "cloud": _cloud,
    "mesh": _mesh,
    "picture": _picture,
    "settings": _settings,
    "source": _source,
    "scannet": _dataset("scannet200", "scene0011_00"),
    "scannetpp": _dataset("scannetpp", "7b6477cb95"),
    "replica": _dataset("replica", "office0"),
    "views": _views,
    "queries": _queries,
    "record": _record,
    "map": _map,
    "map with keyframes": _map_with_keyframes,
}
