"""What the rows are measured on: a recorded or rendered scene, and maps of it, each made once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from om3d_core.bench.clock import Span, StageClock, timed
from om3d_core.bench.rows import CannotMeasureError
from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.encoders.base import Encoder
from om3d_core.errors import Om3dError, UnusableFrameError
from om3d_core.mapping.build import create_encoders, create_proposer
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.progress import Job
from om3d_core.proposals.base import Proposer
from om3d_core.segmenters.base import Segmenter
from om3d_core.sources.open import open_source
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings
from om3d_core.synthetic import SynthSettings, synthesize

T = TypeVar("T")
MAX_FRAMES = 200
"""Of a longer recording the first ones are used: frames are held in memory."""
ROOM = SynthSettings()
NS_PER_S = 1e9

Curves = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class SceneChoice:
    """Which scene, and how it is read; without a path a room is rendered."""

    path: Path | None = None
    source: SourceSettings = field(default_factory=SourceSettings)
    streams: RecordedStreamSettings = field(default_factory=RecordedStreamSettings)
    max_frames: int = MAX_FRAMES
    room: SynthSettings = ROOM


@dataclass(frozen=True)
class Refreshed:
    """What a refresh took, by stage too, and the crops that it encoded."""

    span: Span
    stages: dict[str, float]
    crops: int


class KnownMasks:
    """A proposer of masks that are known already, on the cloud that they are of."""

    def __init__(self, masks: InstanceMasks):
        self._masks = masks

    def propose(self, cloud: Cloud, job: Job, up: Any) -> InstanceMasks:
        """See :class:`~om3d_core.proposals.base.Proposer`."""
        return self._masks


class Workbench:
    """Scene, models and results that several rows share; everything is made when first asked for.

    curves: numbers for plots, by title and by name of the line; profile: seconds by stage of a
    full map.
    """

    def __init__(self, scene: SceneChoice, job: Job, folder: Path):
        self.choice = scene
        self.job = job
        self.folder = folder
        self.settings = MapSettings()
        self.curves: dict[str, Curves] = {}
        self.profile: dict[str, float] = {}
        self._made: dict[str, Any] = {}

    @cached_property
    def scene_path(self) -> Path:
        """The folder or bag that is measured on; the default room is rendered into ``folder``.

        Raises CannotMeasureError where it cannot be rendered.
        """
        if self.choice.path is not None:
            return self.choice.path
        out = self.folder / "room"
        try:
            synthesize(out, self.choice.room, self.job.step)
        except Om3dError as error:
            raise CannotMeasureError(f"no room could be rendered: {error}") from error
        return out

    @cached_property
    def frames(self) -> list[Frame]:
        """The first frames of the scene, by stamp."""
        source = open_source(self.scene_path, self.choice.source, self.choice.streams)
        total, frames = min(len(source), self.choice.max_frames), []
        for frame in source:
            frames.append(frame)
            self.job.step("read", len(frames), total)
            if len(frames) >= total:
                break
        if len(frames) < 2:
            raise CannotMeasureError(f"{self.scene_path}: expected at least two usable frames")
        return frames

    @cached_property
    def encoders(self) -> tuple[Encoder, ...]:
        """The default encoder."""
        return create_encoders(self.settings.features.encoders, self.settings.encoders)

    @cached_property
    def proposer(self) -> Proposer:
        """The default proposer."""
        return create_proposer(self.settings)

    @cached_property
    def duration_s(self) -> float:
        """How long the frames took to record, the last one's period included."""
        stamps = [frame.stamp_ns for frame in self.frames]
        return (stamps[-1] - stamps[0]) / NS_PER_S * len(stamps) / (len(stamps) - 1)

    @cached_property
    def batch(self) -> tuple[Scene, Refreshed, list[int]]:
        """The map of all frames at once, what it took, and the numbers of the frames kept."""
        mapper = self.mapper()
        kept = [i for i, frame in enumerate(self.frames) if offer(mapper, frame)]
        made = self.refresh(mapper)
        return scene_of(mapper), made, kept

    def mapper(
        self,
        settings: MapSettings | None = None,
        proposer: Proposer | None = None,
        encoders: Sequence[Encoder] | None = None,
        segmenter: Segmenter | None = None,
    ) -> Mapper:
        """An empty mapper, by default with the default settings and models."""
        return Mapper(
            settings or self.settings,
            proposer or self.proposer,
            self.encoders if encoders is None else encoders,
            segmenter,
        )

    def refresh(self, mapper: Mapper) -> Refreshed:
        """Refresh, and say what it took."""
        before, clock = mapper.counts.crops_encoded, StageClock(self.job.step)
        with timed() as span:
            mapper.refresh(Job(clock))
        clock.stop()
        return Refreshed(span, clock.seconds, mapper.counts.crops_encoded - before)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What ``make`` gave the first time for this name."""
        if name not in self._made:
            self._made[name] = make()
        result: T = self._made[name]
        return result

    def add_curve(self, title: str, line: str, points: list[tuple[float, float]]) -> None:
        """Keep points (x, y) of a line for the plot ``title``, ``y against x (units)``."""
        self.curves.setdefault(title, {})[line] = points


@contextmanager
def workbench(scene: SceneChoice, job: Job) -> Iterator[Workbench]:
    """A workbench whose files are deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="om3d-bench-") as folder:
        yield Workbench(scene, job, Path(folder))


def offer(mapper: Mapper, frame: Frame) -> bool:
    """Offer a frame; whether it was kept. One that shows nothing is not."""
    try:
        return mapper.add_frame(frame)
    except UnusableFrameError:
        return False


def scene_of(mapper: Mapper) -> Scene:
    """The map of a mapper that was refreshed."""
    assert mapper.scene is not None
    return mapper.scene


def spread(frames: Sequence[Frame], n: int) -> list[Frame]:
    """At most ``n`` of the frames, evenly."""
    rows = np.unique(np.linspace(0, len(frames) - 1, min(n, len(frames))).round().astype(int))
    return [frames[i] for i in rows]
