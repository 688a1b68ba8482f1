"""A network of the transformers library: loaded from this machine, run in batches of one size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from om3d_core.encoders.settings import NetworkSettings
from om3d_core.errors import ModelError, reason_of
from om3d_core.files import read_json
from om3d_core.models.catalog import HUB_NAME, require
from om3d_core.models.devices import choose_device, choose_dtype

if TYPE_CHECKING:
    from torch import Tensor

Floats = npt.NDArray[np.float32]
TOKENIZER = "tokenizer.json"
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
MAX_NAMED_KEYS = 5
REVISION_CHARACTERS = 8


class TorchNetwork:
    """A pretrained network in evaluation mode, and where and how it runs.

    network: the transformers model. folder: its files. config: the contents of config.json.
    version: the model's name and the first characters of its revision or checksum.
    source: the value of a setting ``model`` that loads the same weights again.

    Raises :class:`ModelError` if the model is not on this machine, is not one of ``types``, lacks
    weights, or cannot run on the device that is asked for.
    """

    def __init__(self, reference: str, group: str, types: Sequence[str], run: NetworkSettings):
        self.folder = require(reference, f"{group}.model")
        self.config = read_config(self.folder, types)
        self.version, self.source = _identify(reference, self.folder)
        self.device = choose_device(run.device)
        self.dtype = choose_dtype(run.dtype, self.device)
        self.batch_size = 1 if self.device.type == "cpu" else run.batch_size
        self.network: Any = load_pretrained(self.folder).to(self.device, self.dtype)

    def unit_rows(
        self, items: Iterator[Tensor], n: int, run: Callable[[Tensor], Tensor]
    ) -> Floats:
        """(n, D) unit rows of what ``run`` makes of ``items``, which are of one shape.

        Every pass on a GPU has ``batch_size`` items, the last one filled up with zeros, so that
        its kernels are always the same. On a CPU even the place in a batch changes the order of
        sums: there each item is a pass of its own, and a row depends on nothing else.
        """
        import torch

        rows = []
        with torch.inference_mode():
            for start in range(0, n, self.batch_size):
                batch = [next(items) for _ in range(min(self.batch_size, n - start))]
                filler = [torch.zeros_like(batch[0])] * (self.batch_size - len(batch))
                output = self._run(run, torch.stack(batch + filler))[: len(batch)].float()
                rows.append(torch.nn.functional.normalize(output, dim=-1).cpu())
        result: Floats = torch.cat(rows).numpy() if rows else np.zeros((0, 0), np.float32)
        if not np.isfinite(result).all():
            raise ModelError(
                f"{self.version}: the network gave NaN or infinity in {self.dtype};"
                " set its dtype to float32"
            )
        return result

    def _run(self, run: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
        try:
            return run(batch.to(self.device))
        except (IndexError, RuntimeError, ValueError) as error:
            reason = reason_of(error)
            raise ModelError(f"{self.version}: the network cannot run: {reason}") from error


def load_pretrained(folder: Path) -> Any:
    """The transformers model in ``folder`` in evaluation mode; every weight must be there.

    Weights are read in float32, whatever precision config.json names. Nothing is unpickled and
    nothing is downloaded.
    """
    try:
        from transformers import AutoModel
    except ImportError as error:
        raise ModelError(
            f"expected the package transformers (pip install om3d[models]), got: {error}"
        ) from error
    weights = [path for pattern in WEIGHTS for path in folder.glob(pattern)]
    if not weights:
        raise ModelError(f"{folder}: expected model.safetensors or pytorch_model.bin, got neither")
    try:
        with _quiet():
            network, report = AutoModel.from_pretrained(
                folder,
                local_files_only=True,
                dtype="float32",
                use_safetensors=any(path.suffix == ".safetensors" for path in weights),
                weights_only=True,
                output_loading_info=True,
            )
    except Exception as error:
        reason = reason_of(error)
        if "ignore_mismatched_sizes" in reason:
            reason = "its weights have other shapes than its config.json says"
        raise ModelError(f"{folder}: the model cannot be loaded: {reason}") from error
    missing = sorted(report["missing_keys"])
    if missing:
        names = ", ".join(missing[:MAX_NAMED_KEYS])
        raise ModelError(f"{folder}: expected all weights, {len(missing)} are missing: {names}")
    return network.requires_grad_(False).eval()


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in ``folder``.

    Raises :class:`ModelError` also where its files are missing: the library then makes one up
    that knows no words.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        reason = reason_of(error)
        raise ModelError(f"{folder}: no tokenizer can be loaded: {reason}") from error
    files = {*tokenizer.vocab_files_names.values()} - {TOKENIZER}
    if not (folder / TOKENIZER).is_file() and not all((folder / f).is_file() for f in files):
        raise ModelError(
            f"{folder}: expected {TOKENIZER}, or {' and '.join(sorted(files))}, found none"
        )
    return tokenizer


def read_config(folder: Path, types: Sequence[str]) -> dict[str, Any]:
    """config.json of ``folder``, whose model_type must be one of ``types``."""
    path = folder / "config.json"
    try:
        config = read_json(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: expected a model's config.json, got {error}") from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in types:
        raise ModelError(f"{path}: expected a model of type {' or '.join(types)}, got {kind!r}")
    return dict(config)


def prepared(
    crops: Sequence[npt.NDArray[np.uint8]],
    prepare: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]],
    pool: ThreadPoolExecutor,
) -> Iterator[Tensor]:
    """The squares of crops in order; later ones are made while earlier ones are encoded."""
    import torch

    for square in pool.map(prepare, crops):
        yield torch.tensor(square)


def _identify(reference: str, folder: Path) -> tuple[str, str]:
    """Version and source of a model: by revision on the hub, by content in a folder."""
    name = reference.partition("@")[0]
    if HUB_NAME.fullmatch(name) and folder.parent.name == "snapshots":
        return f"{name}@{folder.name[:REVISION_CHARACTERS]}", f"{name}@{folder.name}"
    folder = folder.resolve()
    total = hashlib.sha256()
    for path in sorted({folder / "config.json", *(p for w in WEIGHTS for p in folder.glob(w))}):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return f"{folder.name}@{total.hexdigest()[:REVISION_CHARACTERS]}", str(folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars and warnings of transformers: what matters is raised."""
    from transformers.utils import logging

    log: Any = logging
    bars, level = log.is_progress_bar_enabled(), log.get_verbosity()
    log.disable_progress_bar()
    log.set_verbosity_error()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
