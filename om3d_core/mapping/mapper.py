"""Mapper: frames and clouds in, a Scene out; what did not change is not computed again."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import ViewTable
from om3d_core.encoders.base import Encoder
from om3d_core.errors import EmptyMapError, reason_of
from om3d_core.mapping.embedder import Embedder
from om3d_core.mapping.frame_quality import quality_level
from om3d_core.mapping.fusion import IncrementalFusion
from om3d_core.mapping.gravity import decide_up
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.set_aside import Faulty, SetAside, blaming
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.tracking import match_ids, voxel_iou
from om3d_core.mapping.views import Cameras, select_views
from om3d_core.mapping.visibility import Observation, observe, visible_pixels
from om3d_core.progress import Job
from om3d_core.proposals.base import Proposer
from om3d_core.segmenters.base import Segmenter


@dataclass(frozen=True)
class MapperCounts:
    """What the mapper has done since it was made or cleared."""

    frames_offered: int = 0
    frames_kept: int = 0
    crops_encoded: int = 0


class Mapper:
    """Maintains the map; not thread-safe: one thread owns it.

    A cloud that is set with :meth:`set_cloud` is used as it is; without one the keyframes are
    fused. The same frames and cloud give the same Scene in any order of arrival and however many
    refreshes lie between.
    """

    def __init__(
        self,
        settings: MapSettings,
        proposer: Proposer,
        encoders: Sequence[Encoder],
        segmenter: Segmenter | None = None,
    ):
        self._settings = settings
        self._proposer = proposer
        self._embedder = Embedder(encoders, settings.crops, settings.visibility, segmenter)
        self._frames = KeyframeStore(settings.keyframes)
        self._fusion = IncrementalFusion(settings.fusion)
        self._given: Cloud | None = None
        self._proven: Cloud | None = None
        self._set_aside: list[SetAside] = []
        self._scene: Scene | None = None
        self._revision = 0
        self._map_id = uuid.uuid4().hex
        self._observations: dict[int, Observation] = {}
        self._state: tuple[tuple[int, ...], Cloud | None] | None = None
        self._counts = MapperCounts()

    @property
    def scene(self) -> Scene | None:
        """The last Scene, or None before the first refresh and once cleared."""
        return self._scene

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
        return self._map_id

    @property
    def counts(self) -> MapperCounts:
        """Counters for diagnostics."""
        return self._counts

    @property
    def n_keyframes(self) -> int:
        """Keyframes held."""
        return len(self._frames)

    def keyframe_poses(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Stamps (F,) of the keyframes, ascending, and their map_from_camera (F, 4, 4)."""
        stamps = self._frames.stamps
        poses = [self._frames.pose(stamp) for stamp in stamps]
        return np.array(stamps, np.int64), np.array(poses, np.float64).reshape(-1, 4, 4)

    @property
    def set_aside(self) -> tuple[SetAside, ...]:
        """What refreshes failed at and go on without, in the order in which it was found."""
        return tuple(self._set_aside)

    def add_frame(self, frame: Frame) -> bool:
        """Offer a frame; say whether it was kept as a keyframe.

        Raises :class:`UnusableFrameError` for one that shows nothing, where one frame a place is
        kept and missing depth counts as none.
        """
        kept = self._frames.add(frame, self._level(frame))
        self._counts = replace(
            self._counts,
            frames_offered=self._counts.frames_offered + 1,
            frames_kept=self._counts.frames_kept + int(kept),
        )
        if kept and self._scene is not None and self._scene.cloud is self._given:
            keyframe = self._frames[frame.stamp_ns]
            self._observe(keyframe, self._scene.cloud, self._scene.masks, self._observations)
        return kept

    def set_cloud(self, cloud: Cloud) -> None:
        """Use ``cloud`` from the next refresh on instead of fusing the keyframes.

        Raises :class:`InputError` if its points lie too far apart, as if in another unit.
        """
        cloud.check_density()
        self._given = cloud

    def load(self, scene: Scene) -> Scene:
        """Start from a saved Scene; ids continue from it, keyframes start anew.

        Returns it as a map of its own: with the revision that it had, unless one as high was here
        before, and another ``map_id``.
        """
        self._forget()
        self._revision = max(self._revision + 1, scene.revision)
        self._scene = replace(scene, revision=self._revision, map_id=self._map_id)
        return self._scene

    def clear(self) -> None:
        """Forget everything but the revision, which counts on, and begin another map."""
        self._forget()
        self._revision += 1

    def _forget(self) -> None:
        self._frames.clear()
        self._fusion = IncrementalFusion(self._settings.fusion)
        self._embedder.clear()
        self._given = self._proven = None
        self._set_aside = []
        self._scene, self._observations, self._state = None, {}, None
        self._counts = MapperCounts()
        self._map_id = uuid.uuid4().hex

    def refresh(self, job: Job | None = None) -> Scene:
        """Bring the Scene up to date and return it; the same object if nothing changed.

        A frame or a new cloud that an error comes from is set aside, and the rest goes on. Raises
        :class:`EmptyMapError` before the first frame or cloud, and CanceledError between steps;
        the previous Scene stays in either case.
        """
        while True:
            try:
                return self._refresh(job or Job())
            except Faulty as faulty:
                self._leave_out(faulty)

    def _refresh(self, job: Job) -> Scene:
        stamps = tuple(self._frames.stamps)
        state = (stamps, self._given)
        if self._scene is not None and (state == self._state or state == ((), None)):
            return self._scene
        if not stamps and self._given is None:
            raise EmptyMapError("expected at least one frame or a cloud before the first refresh")
        old = self._scene
        cloud = self._given if self._given is not None else self._fusion.cloud(self._frames, job)
        known = old is not None and old.cloud is cloud
        with blaming(None):
            up = old.up if old is not None and known else self._up(cloud)
            masks = (
                old.masks if old is not None and known
                else self._proposer.propose(cloud, job, up).without_empty()
            )
        observations = dict(self._observations) if known else {}
        views = self._views(stamps, cloud, masks, observations, job)
        encoded = self._embedder.encode(views, self._frames, cloud, masks, job)
        ids, next_id = self._ids(old, cloud, masks)
        scene = Scene(
            revision=self._revision + 1,
            cloud=cloud,
            masks=masks,
            ids=ids,
            up=up,
            views=views,
            features=encoded.tables,
            thumbnails=encoded.thumbnails,
            labels=self._labels(old, ids),
            next_id=next_id,
            map_id=self._map_id,
            camera_frames=self._camera_frames(views),
        )
        self._counts = replace(
            self._counts, crops_encoded=self._counts.crops_encoded + encoded.n_encoded
        )
        self._scene, self._observations, self._state = scene, observations, state
        self._proven, self._revision = self._given, scene.revision
        return scene

    def _level(self, frame: Frame) -> int:
        """The quality of a frame, where that decides which one is kept."""
        keyframes = self._settings.keyframes
        if not (keyframes.one_a_cell and self._settings.visibility.require_depth):
            return 0
        return quality_level(frame, self._settings.fusion.max_depth_m)

    def _leave_out(self, faulty: Faulty) -> None:
        """Forget the input that a refresh failed at; raise the error if it is no input's fault."""
        error = faulty.__cause__
        assert error is not None
        if faulty.stamp_ns is not None:
            self._frames.remove(faulty.stamp_ns)
            self._fusion = IncrementalFusion(self._settings.fusion)
        elif self._given is not None and self._given is not self._proven:
            self._given = self._proven
        else:
            raise error
        self._set_aside.append(SetAside(faulty.stamp_ns, reason_of(error)))

    def _views(
        self,
        stamps: tuple[int, ...],
        cloud: Cloud,
        masks: InstanceMasks,
        observations: dict[int, Observation],
        job: Job,
    ) -> ViewTable:
        """Complete ``observations`` to exactly ``stamps``, then choose the views."""
        for gone in set(observations) - set(stamps):
            del observations[gone]
        for done, stamp in enumerate(stamps):
            job.step("views", done, len(stamps))
            if stamp not in observations:
                with blaming(stamp):
                    self._observe(self._frames[stamp], cloud, masks, observations)
        if not stamps:
            return ViewTable.empty(len(masks), self._settings.views.top_k)
        poses = np.stack([self._frames.pose(stamp) for stamp in stamps])
        centers = [cloud.points[masks[i]].mean(axis=0) for i in range(len(masks))]
        cameras = Cameras(
            poses[:, :3, :3], poses[:, :3, 3], np.array(centers, np.float64).reshape(-1, 3)
        )
        seen = [observations[stamp] for stamp in stamps]
        return select_views(np.array(stamps, np.int64), seen, cameras, self._settings.views)

    def _observe(
        self, frame: Frame, cloud: Cloud, masks: InstanceMasks, into: dict[int, Observation]
    ) -> None:
        pixels = visible_pixels(
            cloud.points,
            frame.depth,
            frame.intrinsics,
            frame.map_from_camera,
            self._settings.visibility,
        )
        size = frame.intrinsics.width, frame.intrinsics.height
        count = self._settings.visibility.count
        into[frame.stamp_ns] = observe(pixels, masks, *size, count)

    def _up(self, cloud: Cloud) -> npt.NDArray[np.float64]:
        cameras = (self._frames.pose(stamp) for stamp in self._frames.stamps)
        return decide_up(cloud, self._settings.gravity, cameras)

    def _ids(
        self, old: Scene | None, cloud: Cloud, masks: InstanceMasks
    ) -> tuple[npt.NDArray[np.int64], int]:
        if old is None:
            return np.arange(1, len(masks) + 1, dtype=np.int64), len(masks) + 1
        if old.cloud is cloud and old.masks is masks:
            return old.ids, old.next_id
        tracking = self._settings.tracking
        overlap = voxel_iou((old.cloud, old.masks), (cloud, masks), tracking.voxel_m)
        ids = match_ids(overlap, old.ids, old.next_id, tracking.min_iou)
        return ids, max(old.next_id, int(ids.max(initial=0)) + 1)

    def _camera_frames(self, views: ViewTable) -> dict[int, str]:
        stamps = np.unique(views.stamps[views.valid]).tolist()
        named = {stamp: self._frames.camera_frame(stamp) for stamp in stamps}
        return {stamp: name for stamp, name in named.items() if name}

    def _labels(self, old: Scene | None, ids: npt.NDArray[np.int64]) -> tuple[str, ...]:
        """Names stay with their ids."""
        names = dict(zip(old.ids.tolist(), old.labels, strict=True)) if old is not None else {}
        return tuple(names.get(int(i), "") for i in ids)
