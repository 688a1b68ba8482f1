"""What the transformers library loads from a folder: a network, its tokenizer, its config."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from om3d_core.errors import ModelError, reason_of
from om3d_core.files import read_json

TOKENIZER = "tokenizer.json"
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
MAX_NAMED_KEYS = 5


def load_pretrained(folder: Path, kind: str = "AutoModel") -> Any:
    """The transformers model in ``folder`` in evaluation mode; every weight must be there.

    kind: the class of transformers that reads it, such as ``AutoModelForObjectDetection``.
    Weights are read in float32, whatever precision config.json names. Nothing is unpickled and
    nothing is downloaded.
    """
    try:
        import transformers
    except ImportError as error:
        raise ModelError(
            f"expected the package transformers (pip install om3d[models]), got: {error}"
        ) from error
    weights = [path for pattern in WEIGHTS for path in folder.glob(pattern)]
    if not weights:
        raise ModelError(f"{folder}: expected model.safetensors or pytorch_model.bin, got neither")
    try:
        with _quiet():
            network, report = getattr(transformers, kind).from_pretrained(
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
