"""The training loop (Schult et al. 2023), resumable at every saved step."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from om3d_core.errors import CanceledError, InputError, ModelError, SettingsError
from om3d_core.files import user_path, write_atomically
from om3d_core.models.devices import choose_device
from om3d_core.progress import Job
from om3d_core.proposals.mask3d.checkpoint import load_network
from om3d_core.proposals.mask3d.network import Mask3D
from om3d_core.settings import values_of
from om3d_core.sparse.backend import create_backend
from om3d_core.training.dataset import LabeledScene
from om3d_core.training.losses import prediction_loss
from om3d_core.training.sample import Batch, Sampler, targets_of
from om3d_core.training.schedule import learning_rate
from om3d_core.training.settings import TrainSettings
from om3d_core.training.state import (
    Progress,
    Record,
    load_state,
    restore_optimizer,
    save_state,
    save_weights,
)
from om3d_core.training.validation import evaluate_network

STATE, BEST, LAST, METRICS = (
    "state.safetensors", "best.safetensors", "last.safetensors", "metrics.json",
)
FREE_SETTINGS = {"mask3d.device", "schedule.evaluate_every", "schedule.save_every"}
"""Settings that may differ when a run is resumed."""

PRECISIONS = {"full": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Trainer:
    """Fine-tunes the network of ``mask3d.checkpoint``, or a new one, as class-agnostic proposer.

    train and val: scenes to learn from and to measure on. folder: an existing folder; it gets
    ``best.safetensors`` (for ``mask3d.checkpoint``), ``last.safetensors``, ``metrics.json`` and
    ``state.safetensors``. resume: go on from the state that is there, which on a CPU gives the
    very numbers of a run that was not interrupted. Raises ModelError for weights or a state that
    cannot be used, SettingsError if a run is resumed with other settings or scenes.
    """

    def __init__(
        self,
        train: Sequence[LabeledScene],
        val: Sequence[LabeledScene],
        settings: TrainSettings,
        folder: Path,
        *,
        resume: bool = False,
        names: Sequence[str] = (),
    ):
        """``names``: of the scenes, which a resumed run must share."""
        self._settings, self._val, self._folder = settings, val, Path(folder)
        self._device = choose_device(settings.mask3d.device)
        self._dtype = _precision(settings.schedule.precision, self._device)
        self._sampler = Sampler(train, settings)
        progress = Progress(0, dict(values_of(settings)), list(names))
        tensors: dict[str, Tensor] = {}
        if resume:
            s = settings.mask3d
            network, tensors, saved = load_state(
                self._folder / STATE, s.num_heads, s.sparse_backend
            )
            _check_same(saved, progress, self._folder / STATE)
            saved.settings, progress = progress.settings, saved
        else:
            network = initial_network(settings)
        self.network, self.progress = network.to(self._device), progress
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(), weight_decay=settings.schedule.weight_decay
        )
        restore_optimizer(self._optimizer, self.network, tensors, self._folder / STATE)
        self._scaler = torch.amp.GradScaler(
            self._device.type, enabled=self._dtype is torch.float16
        )
        if progress.scaler:
            self._restore_scaler(progress.scaler)

    def train(self, job: Job, log: Callable[[Record], None] = lambda record: None) -> None:
        """Run the steps that are left; canceled, save the state and raise CanceledError.

        log: called with each evaluation. Raises ModelError if the loss becomes infinite.
        """
        schedule, progress = self._settings.schedule, self.progress
        self._evaluate_if_due(job, log)
        with ThreadPoolExecutor(1, "om3d-batches") as loader:
            coming = loader.submit(self._sampler.batch, progress.step)
            try:
                while progress.step < schedule.steps:
                    job.step("train", progress.step, schedule.steps)
                    batch = coming.result()
                    if progress.step + 1 < schedule.steps:
                        coming = loader.submit(self._sampler.batch, progress.step + 1)
                    progress.loss = self._step(batch)
                    progress.step += 1
                    self._evaluate_if_due(job, log)
                    if progress.step % schedule.save_every == 0:
                        self.save()
            except CanceledError:
                self.save()
                raise
        self.save()
        job.step("train", progress.step, schedule.steps)

    def loss(self, batch: Batch) -> Tensor:
        """The mean over scenes of the loss, summed over all decoder steps."""
        batch = batch.to(self._device)
        s = self._settings
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not None):
            outputs = self.network(
                batch.coordinates,
                batch.colors.to(self._dtype or torch.float32),
                batch.positions,
                s.mask3d.num_queries,
                rows=batch.rows,
                sampling=s.mask3d.sampling,
                all_steps=True,
            )
        total = torch.zeros((), device=self._device)
        for output, labels, rows in zip(outputs, batch.labels, batch.rows, strict=True):
            targets = targets_of(labels, rows)
            for prediction in (*output.steps, output.final):
                masks = prediction.mask_logits.float().T
                classes = prediction.class_logits.float()
                total = total + prediction_loss(classes, masks, targets, s.loss)
        return total / len(outputs)

    def save(self) -> None:
        """Write the state from which a run can be resumed, the weights and the metrics."""
        self.progress.scaler = self._scaler.state_dict()
        save_state(self._folder / STATE, self.network, self._optimizer, self.progress)
        save_weights(self.network, self._folder / LAST)
        content = json.dumps(self.progress.history, indent=1)
        write_atomically(self._folder / METRICS, content.encode())

    def _restore_scaler(self, state: dict[str, float]) -> None:
        expected = self._scaler.state_dict()
        kinds = {name: type(value) for name, value in state.items()}
        if expected and kinds != {name: type(value) for name, value in expected.items()}:
            raise ModelError(f"{self._folder / STATE}: expected the state of loss scaling")
        self._scaler.load_state_dict(state)

    def _step(self, batch: Batch) -> float:
        schedule = self._settings.schedule
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.progress.step, schedule)
        self.network.train()
        if self.progress.step >= schedule.steps * (1 - schedule.frozen_norm):
            for module in self.network.modules():
                if isinstance(module, torch.nn.BatchNorm1d):
                    module.eval()
        self._optimizer.zero_grad(set_to_none=True)
        try:
            loss = self.loss(batch)
        except InputError as error:
            raise self._diverged(str(error)) from error
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimizer)
        norm = torch.nn.utils.clip_grad_norm_(
            self.network.parameters(), schedule.clip_norm or math.inf
        )
        # Loss scaling itself skips steps whose gradients overflow.
        if not self._scaler.is_enabled() and not bool(torch.isfinite(norm)):
            raise self._diverged(f"gradients of norm {float(norm)}")
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return float(loss.detach())

    def _evaluate_if_due(self, job: Job, log: Callable[[Record], None]) -> None:
        schedule, step, history = (
            self._settings.schedule, self.progress.step, self.progress.history
        )  # fmt: skip
        due = step == schedule.steps or (step > 0 and step % schedule.evaluate_every == 0)
        if not due or (history and history[-1]["step"] == step):
            return
        quality = evaluate_network(self.network, self._val, self._settings, job)
        record: Record = {"step": step, "loss": self.progress.loss, **quality.to_json()}
        if not history or _rank(record) > max(map(_rank, history)):
            save_weights(self.network, self._folder / BEST)
        history.append(record)
        log(record)

    def _diverged(self, what: str) -> ModelError:
        return ModelError(
            f"step {self.progress.step}: training diverged ({what}); choose a lower"
            f" schedule.learning_rate than {self._settings.schedule.learning_rate}"
        )


def initial_network(settings: TrainSettings) -> Mask3D:
    """The checkpoint's network, or one of random weights where no checkpoint is named."""
    s = settings.mask3d
    if s.checkpoint:
        path = user_path(s.checkpoint)
        return load_network(path, s.num_heads, s.sparse_backend).requires_grad_(True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.schedule.seed)
        return Mask3D(settings.network.config(s.num_heads), create_backend(s.sparse_backend))


def _rank(record: Record) -> tuple[float, float]:
    ap50, ap = (record.get(name) for name in ("ap50", "ap"))
    return (-1.0 if ap50 is None else ap50, -1.0 if ap is None else ap)


def _precision(name: str, device: torch.device) -> torch.dtype | None:
    if name == "auto":
        if device.type == "cpu":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return PRECISIONS[name]


def _check_same(saved: Progress, given: Progress, path: Path) -> None:
    names = saved.settings.keys() | given.settings.keys()
    changed = sorted(
        f"{name} (was {saved.settings.get(name)!r}, now {given.settings.get(name)!r})"
        for name in names - FREE_SETTINGS
        if saved.settings.get(name) != given.settings.get(name)
    )
    if changed:
        raise SettingsError(f"{path}: expected the settings of the saved run: {changed[0]}")
    if saved.scenes != given.scenes:
        raise SettingsError(f"{path}: expected the scenes of the saved run, got others")
