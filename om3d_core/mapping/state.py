"""Everything that one map is; the models that work on it are apart (:mod:`.mapper`)."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.data.keyframe import Keyframe
from om3d_core.data.scene import Scene
from om3d_core.mapping.base_layer import BaseLayer
from om3d_core.mapping.fusion import IncrementalFusion
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.reading import WordMemory
from om3d_core.mapping.set_aside import SetAside
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.sightings import Sightings
from om3d_core.mapping.tile_memory import TileMemory
from om3d_core.mapping.tracking import Digests
from om3d_core.mapping.view_memory import ViewMemory


@dataclass(frozen=True)
class MapperCounts:
    """What the mapper has done since it was made, cleared or loaded.

    keyframes_dropped: those that were one too many; places_lost: whose only view that was.
    blocks_fused: frames times blocks of the volume. proposals: clouds, or tiles of them, on
    which masks were proposed. looks: pairs of a frame and an instance that was looked for in it.
    """

    frames_offered: int = 0
    frames_kept: int = 0
    keyframes_dropped: int = 0
    places_lost: int = 0
    blocks_fused: int = 0
    proposals: int = 0
    looks: int = 0
    crops_encoded: int = 0


@dataclass(eq=False)
class MapState:
    """What came in, the Scene that was made of it, and what is kept so as not to make it again.

    One thread owns it; :meth:`add` and :meth:`keyframes` may be called from others. incoming: what
    came while ``frames`` had to stay as they were. given: a cloud that is used instead of fusing
    frames; proven: that of the last Scene. digests: of the points of the Scene's masks, if known.
    told: what was read in views, by the field of the Scene that it is for. base: a map that was
    loaded without its keyframes. set_aside: inputs that a refresh failed at.
    """

    frames: KeyframeStore
    incoming: KeyframeStore
    fusion: IncrementalFusion
    sightings: Sightings
    tiles: TileMemory = field(default_factory=TileMemory)
    memory: ViewMemory = field(default_factory=ViewMemory)
    told: dict[str, WordMemory] = field(default_factory=lambda: defaultdict(WordMemory))
    given: Cloud | None = None
    proven: Cloud | None = None
    base: BaseLayer | None = None
    scene: Scene | None = None
    digests: Digests = ()
    set_aside: list[SetAside] = field(default_factory=list)
    frames_offered: int = 0
    frames_kept: int = 0
    map_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _still: bool = False

    @classmethod
    def of(cls, settings: MapSettings) -> MapState:
        """A map of nothing."""
        few_mb = max(settings.keyframes.memory_mb // 8, 1)
        return cls(
            KeyframeStore(settings.keyframes),
            KeyframeStore(replace(settings.keyframes, memory_mb=few_mb)),
            IncrementalFusion(settings.fusion), Sightings(settings.visibility),
        )

    def add(self, frame: Frame, level: int) -> bool:
        """Offer a frame of this quality; say whether it was kept."""
        with self._lock:
            store = self.incoming if self._still else self.frames
            wanted = self.frames.wants(frame.stamp_ns, frame.map_from_camera, level)
            kept = wanted and store.add(frame, level)
            self.frames_offered += 1
            self.frames_kept += int(kept)
            return kept

    @contextmanager
    def still(self) -> Iterator[None]:
        """Meanwhile ``frames`` stay as they are; those that come are taken in at the end."""
        with self._lock:
            self._still = True
        try:
            yield
        finally:
            with self._lock:
                self._still = False
                self.frames.absorb(self.incoming)

    def keyframes(self) -> tuple[Keyframe, ...]:
        """All keyframes by ascending stamp; from any thread."""
        with self._lock:
            kept = self.frames.snapshot() + self.incoming.snapshot()
        return tuple(sorted(kept, key=lambda keyframe: keyframe.stamp_ns))

    @property
    def n_keyframes(self) -> int:
        """How many frames are held."""
        return len(self.frames) + len(self.incoming)

    @property
    def is_empty(self) -> bool:
        """Whether nothing came in."""
        return not len(self.frames) and self.given is None and self.base is None

    def counts(self) -> MapperCounts:
        """What was done so far."""
        return MapperCounts(
            self.frames_offered, self.frames_kept, self.frames.dropped, self.frames.lost_places,
            self.fusion.blocks_fused, self.tiles.proposals, self.sightings.looks,
            self.memory.crops_encoded,
        )

    def inputs(self) -> str:
        """A digest of all that came in: the same for the same, whenever and in any order."""
        digest = hashlib.sha256()
        for stamp in self.frames.stamps:
            images, pose = self.frames.key(stamp)
            digest.update(b"%d %d %s" % (stamp, images, pose))
        if self.given is not None:
            digest.update(f"cloud {self.given.digest}".encode())
        if self.base is not None:
            digest.update(f"base {self.base.scene.cloud.digest}".encode())
        return digest.hexdigest()
