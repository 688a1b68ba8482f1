"""Mapper: frames and clouds in, a Scene out; what did not change is not computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.data.keyframe import Keyframe
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.poses import Transform
from om3d_core.data.scene import Scene
from om3d_core.data.tables import ViewTable
from om3d_core.encoders.base import Encoder
from om3d_core.errors import EmptyMapError, reason_of
from om3d_core.evidence.windows import ViewReader
from om3d_core.mapping.base_layer import BaseLayer
from om3d_core.mapping.embedder import Embedder, Encoded
from om3d_core.mapping.frame_quality import quality_level
from om3d_core.mapping.gravity import up_from
from om3d_core.mapping.names import Namer, Names
from om3d_core.mapping.reading import Reading
from om3d_core.mapping.recipe import recipe_of
from om3d_core.mapping.set_aside import Faulty, SetAside, blaming
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.state import MapperCounts, MapState
from om3d_core.mapping.tracking import Digests, digests_of, follow
from om3d_core.mapping.views import Cameras, select_views
from om3d_core.progress import Job
from om3d_core.proposals.base import Proposer
from om3d_core.query.seen_as import taken_for
from om3d_core.segmenters.base import Segmenter


@dataclass(frozen=True, eq=False)
class _Surface:
    """A cloud with up (3,) and the masks on it."""

    cloud: Cloud
    up: npt.NDArray[np.float64]
    masks: InstanceMasks

    @cached_property
    def digests(self) -> Digests:
        """A digest of the points of each mask."""
        return digests_of(self.cloud, self.masks)


class Mapper:
    """Maintains the map; one thread owns it. Only :meth:`add_frame` and :meth:`snapshot` may be
    called from others, also while a refresh is under way, which does not see what comes then.

    A cloud that is set with :meth:`set_cloud` is used as it is; without one the keyframes are
    fused. The same frames, poses and cloud give the same Scene in any order of arrival and
    however many refreshes, saves and loads lie between. Proposer, encoders and segmenter hold
    nothing of a map: several mappers may share them.
    """

    def __init__(
        self,
        settings: MapSettings,
        proposer: Proposer,
        encoders: Sequence[Encoder],
        segmenter: Segmenter | None = None,
        reader: ViewReader | None = None,
        detector: ViewReader | None = None,
    ):
        self._settings = settings
        self._proposer = proposer
        self._embedder = Embedder(encoders, settings.crops, settings.visibility, segmenter)
        self._namer = Namer(encoders, settings.names)
        self._readings = {
            "words": Reading("text", reader, settings.text.views, settings.crops),
            "detections": Reading("detect", detector, settings.detections.views, settings.crops),
        }
        read = reader is not None, detector is not None
        self._recipe = recipe_of(settings, self._embedder, self._namer, read)
        self._state = MapState.of(settings)
        self._revision = 0

    @property
    def scene(self) -> Scene | None:
        """The last Scene, or None before the first refresh and once cleared."""
        return self._state.scene

    @property
    def revision(self) -> int:
        """Counts the changes of the Scene: by a refresh that found news, a load or a clearing.

        That of the Scene, if there is one; never falls.
        """
        return self._revision

    @property
    def map_id(self) -> str:
        """Which map the revisions count: another one after a clearing or a load.

        A load begins one, too: what its file goes on from may have gone on elsewhere.
        """
        return self._state.map_id

    @property
    def counts(self) -> MapperCounts:
        """Counters for diagnostics."""
        return self._state.counts()

    @property
    def n_keyframes(self) -> int:
        """Keyframes held."""
        return self._state.n_keyframes

    def keyframe_poses(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Stamps (F,) of the keyframes, ascending, and their map_from_camera (F, 4, 4)."""
        return self._state.frames.poses()

    def snapshot(self) -> tuple[Scene | None, tuple[Keyframe, ...]]:
        """The last Scene and the keyframes, by ascending stamp, as they are to be saved.

        Where the settings leave them out there are no keyframes. May be called from any thread.
        Raises :class:`InputError` that names the file of a keyframe that is lost on disk.
        """
        state = self._state
        return state.scene, state.keyframes() if self._settings.save.keyframes else ()

    @property
    def set_aside(self) -> tuple[SetAside, ...]:
        """What refreshes failed at and go on without, in the order in which it was found."""
        return tuple(self._state.set_aside)

    def add_frame(self, frame: Frame) -> bool:
        """Offer a frame; say whether it was kept as a keyframe.

        Raises :class:`UnusableFrameError` for one that shows nothing, where one frame a place is
        kept and missing depth counts as none.
        """
        return self._state.add(frame, self._level(frame))

    def set_poses(self, poses: Mapping[int, Transform]) -> list[int]:
        """Move keyframes, by stamp to map_from_camera (4, 4), as a loop closure does.

        The next refresh makes anew what they show. Returns the stamps of those that had to go, as
        a better one is now in the same place. Raises :class:`InputError` for a stamp of no
        keyframe and for what is no rigid transform; nothing is moved then.
        """
        return self._state.frames.set_poses(poses)

    def remove_frames(self, stamps: Iterable[int]) -> None:
        """Forget keyframes and, with the next refresh, what they alone showed.

        Stamps of no keyframe are none to forget.
        """
        for stamp in stamps:
            if stamp in self._state.frames:
                self._state.frames.remove(stamp)

    def set_cloud(self, cloud: Cloud) -> None:
        """Use ``cloud`` from the next refresh on instead of fusing the keyframes.

        One of the same content as the last is no news. Raises :class:`InputError` if its points
        lie too far apart, as if in another unit.
        """
        cloud.check_density()
        given = self._state.given
        if given is None or given.digest != cloud.digest:
            self._state.given = cloud

    def load(self, scene: Scene, keyframes: Iterable[Keyframe] = ()) -> Scene:
        """Go on from a saved Scene and the keyframes that were saved with it; ids continue.

        Without keyframes the Scene is what later frames extend and correct. Returns it as a map of
        its own: with the revision that it had, unless one as high was here before, and another
        ``map_id``.
        """
        self._state = state = MapState.of(self._settings)
        state.frames.restore(keyframes)
        self._revision = max(self._revision + 1, scene.revision)
        scene = replace(scene, revision=self._revision, map_id=state.map_id)
        if scene.cloud_given:
            state.given = state.proven = scene.cloud
        if not len(state.frames):
            state.base = BaseLayer(scene)
            scene = replace(scene, made_by=self._recipe, made_from=state.inputs())
        elif scene.made_by == self._recipe:
            self._embedder.recall(scene, state.frames, state.memory)
            for told, reading in self._readings.items():
                reading.recall(getattr(scene, told), scene, state.frames, state.told[told])
        state.scene = scene
        return scene

    def clear(self) -> None:
        """Forget everything but the revision, which counts on, and begin another map."""
        self._state = MapState.of(self._settings)
        self._revision += 1

    def refresh(self, job: Job | None = None) -> Scene:
        """Bring the Scene up to date and return it; the same object if nothing changed.

        A frame or a new cloud that an error comes from is set aside, and the rest goes on. Raises
        :class:`EmptyMapError` before the first frame or cloud, and CanceledError between steps;
        the previous Scene stays in either case. Where all fails, what the cloud failed at is
        raised.
        """
        first: Faulty | None = None
        with self._state.still():
            while True:
                try:
                    return self._refresh(job or Job())
                except Faulty as faulty:
                    first = first or (faulty if faulty.stamp_ns is None else None)
                    self._leave_out(faulty, first or faulty)

    def _refresh(self, job: Job) -> Scene:
        state = self._state
        if state.is_empty:
            raise EmptyMapError("expected at least one frame or a cloud before the first refresh")
        inputs, old = state.inputs(), state.scene
        if old is not None and (old.made_from, old.made_by) == (inputs, self._recipe):
            return old
        surface = self._surface(job)
        ids, next_id = self._ids(surface)
        views = self._views(surface, job)
        encoded = self._embedder.encode(
            views, state.frames, surface.cloud, surface.masks, surface.up, state.memory, job
        )
        seen = views, state.frames, surface.masks, surface.up
        words, detections = (
            reading.read(*seen, state.told[told], job) for told, reading in self._readings.items()
        )
        encoded = replace(encoded, words=words, detections=detections)
        if state.base is not None:
            rows = state.base.rows_of(surface.cloud, surface.masks, self._settings.tracking)
            views, encoded = state.base.complete(views, encoded, rows, state.frames.stamps)
        names = self._names(ids, surface, views, encoded)
        scene = Scene(
            revision=self._revision + 1,
            cloud=surface.cloud,
            masks=surface.masks,
            ids=ids,
            up=surface.up,
            views=views,
            features=encoded.tables,
            thumbnails=encoded.thumbnails,
            labels=names.labels,
            label_probabilities=names.probabilities,
            words=encoded.words,
            detections=encoded.detections,
            next_id=next_id,
            map_id=state.map_id,
            camera_frames=self._camera_frames(views),
            cloud_given=state.given is not None,
            made_by=self._recipe,
            made_from=inputs,
            frame="" if old is None else old.frame,
        )
        state.scene, state.proven, self._revision = scene, state.given, scene.revision
        state.digests = surface.digests
        return scene

    def _surface(self, job: Job) -> _Surface:
        """The cloud, with what is proposed on it unless it is that of the last Scene."""
        state, old = self._state, self._state.scene
        cloud = state.given
        if cloud is None:
            cloud = state.fusion.cloud(state.frames, job)
            if state.base is not None:
                cloud = state.base.under(cloud, self._settings.fusion.voxel_m)
        proposed = old if old is not None and old.made_by == self._recipe else None
        for known in (proposed, state.base.scene if state.base is not None else None):
            if known is not None and known.cloud is cloud:
                return _Surface(cloud, known.up, known.masks)
        with blaming(None):
            tile_m = self._settings.proposals.tile_m
            up, masks = state.tiles.propose(self._proposer, cloud, self._up, tile_m, job)
        return _Surface(cloud, up, masks)

    def _level(self, frame: Frame) -> int:
        """The quality of a frame, where that decides which one is kept."""
        keyframes = self._settings.keyframes
        if not (keyframes.one_a_cell and self._settings.visibility.require_depth):
            return 0
        return quality_level(frame, self._settings.fusion.max_depth_m)

    def _leave_out(self, faulty: Faulty, first: Faulty) -> None:
        """Forget the input that a refresh failed at; raise the first error if it is no input's
        fault."""
        state, error, cause = self._state, faulty.__cause__, first.__cause__
        assert error is not None and cause is not None
        if faulty.stamp_ns is not None:
            state.frames.remove(faulty.stamp_ns)
            state.fusion.begin_anew()
        elif state.given is not None and state.given is not state.proven:
            state.given = state.proven
        else:
            raise cause
        state.set_aside.append(SetAside(faulty.stamp_ns, reason_of(error)))

    def _views(self, surface: _Surface, job: Job) -> ViewTable:
        """The views that the keyframes have of the masks."""
        state, cloud, masks = self._state, surface.cloud, surface.masks
        seen = state.sightings.update(state.frames, cloud, masks, surface.digests, job)
        stamps, poses = self.keyframe_poses()
        if not len(stamps):
            return ViewTable.empty(len(masks), self._settings.views.top_k)
        centers = [cloud.points[masks[i]].mean(axis=0) for i in range(len(masks))]
        cameras = Cameras(
            poses[:, :3, :3], poses[:, :3, 3], np.array(centers, np.float64).reshape(-1, 3)
        )
        return select_views(stamps, seen, cameras, self._settings.views)

    def _up(self, facing: Callable[[], npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        """Up as it is set, or as the facing areas of the cloud and the cameras tell."""
        return up_from(facing, self._settings.gravity, self.keyframe_poses()[1])

    def _ids(self, surface: _Surface) -> tuple[npt.NDArray[np.int64], int]:
        old, masks = self._state.scene, surface.masks
        if old is None:
            return np.arange(1, len(masks) + 1, dtype=np.int64), len(masks) + 1
        if old.cloud is surface.cloud and old.masks is masks:
            return old.ids, old.next_id
        before = self._state.digests or digests_of(old.cloud, old.masks)
        new = surface.cloud, masks
        ids = follow(old, before, new, surface.digests, self._settings.tracking)
        return ids, max(old.next_id, int(ids.max(initial=0)) + 1)

    def _camera_frames(self, views: ViewTable) -> dict[int, str]:
        frames, base = self._state.frames, self._state.base
        before = {} if base is None else base.scene.camera_frames
        stamps = np.unique(views.stamps[views.valid]).tolist()
        named = {
            stamp: frames.camera_frame(stamp) if stamp in frames else before.get(stamp, "")
            for stamp in stamps
        }
        return {stamp: name for stamp, name in named.items() if name}

    def _names(
        self, ids: npt.NDArray[np.int64], surface: _Surface, views: ViewTable, encoded: Encoded
    ) -> Names:
        names = self._namer.name(
            surface.cloud, surface.masks, surface.up, encoded.tables, encoded.words,
            taken_for(encoded.detections, views),
        )
        old = self._state.scene
        return names if old is None else names.with_given(ids, old)
