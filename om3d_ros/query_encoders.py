"""The encoders of the query node: those of the maps that it hears, loaded beside the questions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.feature_space import FeatureSpace, space_for
from om3d_core.encoders.base import Encoder, encoder_of_space, filling
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.query.text_memory import TextMemory
from om3d_ros.node.worker import BusyError, Worker

Key = tuple[str, str, str]
Rows = dict[str, npt.NDArray[np.float32]]


class QueryEncoders:
    """Loads the encoders that questions to the maps need, each once, in a thread of its own.

    They are kept for as long as maps have their spaces. A question waits for its encoder until
    ``wait_s`` after the encoder was first asked for; while it still loads then, the question
    fails with :class:`BusyError` at once. An encoder that could not be loaded is tried again with
    the next question, which fails with what went wrong.
    """

    def __init__(self, settings: EncoderSettings, wait_s: float, logger: Any):
        self.wait_s = wait_s
        self._settings = settings
        self._logger = logger
        self._worker = Worker("encoders", 1, lambda error: None)
        self._lock = threading.Lock()
        self._loads: dict[Key, _Load] = {}
        self._spaces: dict[str, tuple[FeatureSpace, ...]] = {}
        self._texts: dict[tuple[FeatureSpace, ...], TextMemory] = {}

    def for_map(self, spaces: Sequence[FeatureSpace], name: str = "") -> TextMemory:
        """What puts questions into the ``spaces`` of the map ``name``, which takes the place of
        the one before of that name; its encoders begin to load now. Maps in the same spaces share
        it.
        """
        mine = tuple(spaces)
        if needed := _needed(mine):
            self._spaces[name] = mine
        with self._lock:
            kept = {key for held in self._spaces.values() for key in _needed(held)}
            self._loads = {key: load for key, load in self._loads.items() if key in kept}
            for key, space in needed.items():
                if key not in self._loads:
                    self._loads[key] = self._begin(space)
        wanted = {mine, *self._spaces.values()}
        self._texts = {held: texts for held, texts in self._texts.items() if held in wanted}
        if mine not in self._texts:
            self._texts[mine] = TextMemory(_MapEncoder(mine, self._get))
        return self._texts[mine]

    def complaints(self) -> list[str]:
        """What keeps questions from being answered now."""
        with self._lock:
            loads = list(self._loads.values())
        found = []
        for load in loads:
            if not load.future.done():
                found.append(f"the encoder of {load.name} is loading")
            elif not load.future.cancelled() and (error := load.future.exception()):
                found.append(f"the encoder of {load.name} does not load: {error}")
        return found

    def close(self) -> None:
        """End the thread, after what it is loading now, and free the encoders."""
        self._worker.stop()
        with self._lock:
            self._loads.clear()

    def _get(self, space: FeatureSpace) -> Encoder:
        with self._lock:
            load = self._loads.get(_key(space))
            if load is None or not load.may_fill(space):
                load = self._loads[_key(space)] = self._begin(space)
        remaining_s = load.asked_s + self.wait_s - time.monotonic()
        try:
            return filling(load.future.result(max(0.0, remaining_s)), space)
        except TimeoutError as error:
            waited_s = time.monotonic() - load.asked_s
            raise BusyError(
                f"the encoder of {space.name} has been loading for {waited_s:.0f} s; ask again,"
                " or set answer.encoder_wait_s to wait longer"
            ) from error

    def _begin(self, space: FeatureSpace) -> _Load:
        return _Load(space.name, self._worker.submit(lambda: self._load(space)), time.monotonic())

    def _load(self, space: FeatureSpace) -> Encoder:
        began_s = time.monotonic()
        try:
            encoder = encoder_of_space(space, self._settings)
        except Exception as error:
            self._logger.warning(f"the encoder of {space.name} does not load: {error}",
                                 throttle_duration_sec=10.0)
            raise
        took_s = time.monotonic() - began_s
        self._logger.info(f"loaded the encoder of {space.name} in {took_s:.1f} s")
        return encoder


@dataclass(frozen=True)
class _Load:
    """An encoder that was asked for. name: the space that it was asked for first."""

    name: str
    future: Future[Encoder]
    asked_s: float

    def may_fill(self, space: FeatureSpace) -> bool:
        """Whether it still loads, or is there and fills ``space``; a model may have changed."""
        if not self.future.done():
            return True
        if self.future.exception() is not None:
            return False
        return space.name in {candidate.name for candidate in self.future.result().spaces}


class _MapEncoder:
    """The encoders of a map's spaces as one; a question waits for the one of its kind alone."""

    def __init__(
        self, spaces: tuple[FeatureSpace, ...], encoder_of: Callable[[FeatureSpace], Encoder]
    ):
        self.spaces = spaces
        self._encoder_of = encoder_of

    def encode_images(self, crops: Sequence[npt.NDArray[np.uint8]]) -> Rows:
        """Unit rows in the space for pictures and those of the same encoder."""
        space = space_for(self.spaces, image=True)
        return {} if space is None else self._encoder_of(space).encode_images(crops)

    def encode_texts(self, texts: Sequence[str]) -> Rows:
        """Unit rows in the space for texts and those of the same encoder."""
        space = space_for(self.spaces, image=False)
        return {} if space is None else self._encoder_of(space).encode_texts(texts)


def _needed(spaces: tuple[FeatureSpace, ...]) -> dict[Key, FeatureSpace]:
    """The spaces that questions are put into, by what tells their encoders apart."""
    asked = [space_for(spaces, image=image) for image in (False, True)]
    return {_key(space): space for space in asked if space is not None}


def _key(space: FeatureSpace) -> Key:
    """What tells encoders apart."""
    return space.encoder, space.source, space.preprocessing
