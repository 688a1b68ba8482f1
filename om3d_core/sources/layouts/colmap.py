"""COLMAP: a sparse model, its images, and depth of the same names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

from om3d_core.data.poses import NS_PER_S
from om3d_core.errors import InputError, SourceError
from om3d_core.formats import depth_files
from om3d_core.formats.colmap_model import depth_map_size, read_depth_map, read_model
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import Conventions, FrameFiles, Listing
from om3d_core.streams.settings import RecordedStreamSettings

MODELS = ("sparse/0", "sparse", "dense/sparse", "dense/0/sparse", ".")
DEPTHS = ("stereo/depth_maps", "depth", "depths", "depth_maps")
KINDS = ("geometric", "photometric")


class ColmapLayout:
    """``sparse/0/cameras.bin`` and ``images.bin`` (or .txt), ``images/NAME`` and
    ``depth/STEM.png``, or the depth maps of COLMAP's stereo; of models that are undistorted, too.
    """

    files = (
        "COLMAP: sparse/0/ (cameras, images; .bin or .txt), images/, and depth/ of the same names"
        " or stereo/depth_maps/; scaled to meters (model_aligner)"
    )

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there is a model."""
        return _model(path) is not None

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        model = _model(path)
        if model is None:
            raise SourceError(f"{path}: expected cameras.bin or cameras.txt in {MODELS[0]}/")
        try:
            cameras, images = read_model(model)
        except InputError as error:
            raise SourceError(str(error)) from error
        root = next((f for f in (model.parent, path, path / "dense") if (f / "images").is_dir()),
                    path)  # fmt: skip
        folder = next((root / d for d in DEPTHS if (root / d).is_dir()), None)
        if folder is None or not images:
            expected = "depth of the images, in depth/ or stereo/depth_maps/"
            raise SourceError(f"{path}: expected {expected}, found {len(images)} images and no "
                              "folder of depth")  # fmt: skip
        frames = []
        for number, image in enumerate(images):
            color = root / "images" / image.name
            stamp_ns = round(number * NS_PER_S / settings.rate_hz)
            frames.append(FrameFiles(color, _depth(folder, image.name), image.camera_from_map,
                                     stamp_ns, cameras.get(image.camera_id)))  # fmt: skip
        return Listing(
            tuple(frames), None, Conventions(pose="camera_from_map", images="raw"),
            camera_file=model,
            read_depth=_read_depth, depth_size=_depth_size,
        )  # fmt: skip


def _model(path: Path) -> Path | None:
    for name in MODELS:
        for suffix in (".bin", ".txt"):
            files = [path / name / f"{kind}{suffix}" for kind in ("cameras", "images")]
            if all(file.is_file() for file in files):
                return path / name
    return None


def _depth(folder: Path, name: str) -> Path | None:
    """The depth of an image, of its stem or of its whole name."""
    maps = [folder / f"{name}.{kind}.bin" for kind in KINDS]
    others = [folder / f"{stem}{suffix}" for stem in (str(Path(name).with_suffix("")), name)
              for suffix in depth_files.SUFFIXES]  # fmt: skip
    return next((file for file in (*maps, *others) if file.is_file()), None)


def _read_depth(path: Path) -> npt.NDArray[Any]:
    return read_depth_map(path) if path.suffix == ".bin" else depth_files.read_depth_file(path)


def _depth_size(path: Path) -> tuple[int, int]:
    return depth_map_size(path) if path.suffix == ".bin" else depth_files.depth_file_size(path)
