"""Everything that one map is; the models that work on it are apart (:mod:`.mapper`)."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field

from om3d_core.data.cloud import Cloud
from om3d_core.data.scene import Scene
from om3d_core.mapping.base_layer import BaseLayer
from om3d_core.mapping.fusion import IncrementalFusion
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.set_aside import SetAside
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.sightings import Sightings
from om3d_core.mapping.view_memory import ViewMemory


@dataclass(frozen=True)
class MapperCounts:
    """What the mapper has done since it was made, cleared or loaded.

    keyframes_dropped: those that were one too many; places_lost: whose only view that was.
    blocks_fused: frames times blocks of the volume. proposals: clouds on which masks were
    proposed. looks: pairs of a frame and an instance that was looked for in it.
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

    given: a cloud that is used instead of fusing frames; proven: that of the last Scene. base: a
    map that was loaded without its keyframes. set_aside: inputs that a refresh failed at.
    """

    frames: KeyframeStore
    fusion: IncrementalFusion
    sightings: Sightings
    memory: ViewMemory = field(default_factory=ViewMemory)
    given: Cloud | None = None
    proven: Cloud | None = None
    base: BaseLayer | None = None
    scene: Scene | None = None
    set_aside: list[SetAside] = field(default_factory=list)
    frames_offered: int = 0
    frames_kept: int = 0
    proposals: int = 0
    map_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(cls, settings: MapSettings) -> MapState:
        """A map of nothing."""
        return cls(
            KeyframeStore(settings.keyframes), IncrementalFusion(settings.fusion),
            Sightings(settings.visibility),
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing came in."""
        return not len(self.frames) and self.given is None and self.base is None

    def counts(self) -> MapperCounts:
        """What was done so far."""
        return MapperCounts(
            self.frames_offered, self.frames_kept, self.frames.dropped, self.frames.lost_places,
            self.fusion.blocks_fused, self.proposals, self.sightings.looks,
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
