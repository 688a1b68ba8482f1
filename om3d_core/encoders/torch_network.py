"""A network of the transformers library: loaded from this machine, run in batches of one size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from om3d_core.encoders.settings import NetworkSettings
from om3d_core.errors import ModelError, reason_of
from om3d_core.models.catalog import HUB_NAME, require
from om3d_core.models.devices import choose_device, choose_dtype
from om3d_core.models.pretrained import WEIGHTS, load_pretrained, read_config

if TYPE_CHECKING:
    from torch import Tensor

Floats = npt.NDArray[np.float32]
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
