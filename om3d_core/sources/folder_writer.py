"""Writing a source as a folder of images and poses, in the library's own layout."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.data.poses import NS_PER_S
from om3d_core.errors import SourceError
from om3d_core.formats.pcd import pcd_bytes
from om3d_core.progress import Job
from om3d_core.settings import Settings, setting
from om3d_core.sources.base import Source

UNITS_PER_M = 1000.0
COLOR, DEPTH, POSE, INTRINSICS = "color", "depth", "pose", "intrinsics"


@dataclass(frozen=True)
class FolderWriterSettings(Settings):
    """What a folder is written with."""

    images: str = setting("png", "color images without loss, or smaller", choices=("png", "jpg"))
    jpeg_quality: int = setting(95, "quality of JPEG color images", low=1, high=100)
    cloud: bool = setting(True, "write the cloud that came with the recording, as scene.pcd")


def write_folder(
    source: Source, out: Path, settings: FolderWriterSettings | None = None,
    job: Job | None = None,
) -> int:
    """Write all usable frames of ``source`` and return how many they were.

    Files are named by the stamp in seconds; depth is in millimeters, color has its size. Where
    frames have intrinsics of their own these are in ``intrinsics/``, else in ``intrinsics.txt``.
    The folder appears only when it is whole. Raises SourceError where it exists already, cannot
    be written, or the source has no usable frame; CanceledError as ``job`` asks.
    """
    settings, job, out = settings or FolderWriterSettings(), job or Job(), Path(out)
    if out.exists() or out.is_symlink():
        raise SourceError(f"{out}: exists already, not overwritten")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".om3d-convert-", dir=out.parent) as folder:
            made = Path(folder) / out.name
            count = _write(source, made, settings, job)
            made.rename(out)
    except OSError as error:
        raise SourceError(f"{out}: cannot be written: {error}") from error
    return count


def _write(source: Source, folder: Path, settings: FolderWriterSettings, job: Job) -> int:
    for kind in (COLOR, DEPTH, POSE, INTRINSICS):
        (folder / kind).mkdir(parents=True)
    cameras: set[Intrinsics] = set()
    done = 0
    for done, frame in enumerate(source, start=1):
        job.step("convert", done, len(source))
        _write_frame(folder, frame, settings)
        cameras.add(frame.intrinsics)
    if not done:
        why = "; ".join(source.skipped.lines) or "the recording is empty"
        raise SourceError(f"expected at least one usable frame, all were skipped: {why}")
    if len(cameras) == 1:
        shutil.rmtree(folder / INTRINSICS)
        (folder / f"{INTRINSICS}.txt").write_text(_text(cameras.pop().matrix), encoding="utf-8")
    cloud = source.cloud() if settings.cloud else None
    if cloud is not None:
        (folder / "scene.pcd").write_bytes(pcd_bytes(cloud))
    return done


def _write_frame(folder: Path, frame: Frame, settings: FolderWriterSettings) -> None:
    import cv2

    name = f"{frame.stamp_ns // NS_PER_S}.{frame.stamp_ns % NS_PER_S:09d}"
    jpeg = settings.images == "jpg"
    options = [cv2.IMWRITE_JPEG_QUALITY, settings.jpeg_quality] if jpeg else []
    bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
    _write_image(folder / COLOR / f"{name}.{settings.images}", bgr, options)
    units = np.rint(frame.depth * UNITS_PER_M).astype(np.uint16)
    _write_image(folder / DEPTH / f"{name}.png", units, [])
    (folder / POSE / f"{name}.txt").write_text(_text(frame.map_from_camera), encoding="utf-8")
    camera = {
        "width": frame.intrinsics.width, "height": frame.intrinsics.height,
        "intrinsic_matrix": frame.intrinsics.matrix.tolist(),
    }  # fmt: skip
    (folder / INTRINSICS / f"{name}.json").write_text(json.dumps(camera), encoding="utf-8")


def _write_image(path: Path, pixels: npt.NDArray[Any], options: list[int]) -> None:
    import cv2

    done, data = cv2.imencode(path.suffix, pixels, options)
    if not done:
        raise SourceError(f"{path.name}: the image could not be encoded")
    path.write_bytes(data.tobytes())


def _text(matrix: npt.NDArray[np.float64]) -> str:
    return "".join(" ".join(repr(float(value)) for value in row) + "\n" for row in matrix)
