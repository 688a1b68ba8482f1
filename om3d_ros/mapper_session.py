"""What a configured mapper node does: messages to the worker, the worker's map to messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from om3d.msg import MapperStatus
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from om3d_core.data.keyframe import Keyframe
from om3d_core.data.poses import Transform
from om3d_core.data.scene import Scene
from om3d_core.data.scene_store import load_map, save_scene
from om3d_core.errors import CanceledError, EmptyMapError, InputError, expect
from om3d_core.evidence.detections import lacking
from om3d_core.mapping.build import create_mapper
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.pose_corrections import PoseCorrections
from om3d_core.mapping.settings import MapSettings
from om3d_core.progress import Job, Report, silent
from om3d_ros.conversions import clouds, images
from om3d_ros.conversions.stamps import check_frame, stamp_ns
from om3d_ros.map_folder import map_folder
from om3d_ros.mapper_cameras import Cameras
from om3d_ros.mapper_health import MapperHealth
from om3d_ros.mapper_status import Counts, Refreshed, to_status
from om3d_ros.node.diagnostics import Health, Latencies
from om3d_ros.node.inputs import Input
from om3d_ros.node.memory import give_back_now
from om3d_ros.node.outcomes import MAX_MESSAGE, FrameError, InsufficientDataError, NoMapError
from om3d_ros.node.settings import MapperNodeSettings
from om3d_ros.node.worker import Worker

Publish = Callable[[Scene, int, bool], None]
"""Called as ``publish(scene, stamp_ns, whole)``; the scene is empty once the map is cleared.

whole: whether those who have the last one may need more than what changed since.
"""


class MappingSession:
    """A Mapper behind a worker thread. Its methods may be called from any thread.

    A second thread takes frames in, also while the worker refreshes the map. publish is called in
    the worker thread whenever the map has changed.
    """

    def __init__(
        self, node: MapperNodeSettings, mapping: MapSettings, publish: Publish, logger: Any
    ):
        self._settings = node
        self._publish = publish
        self._logger = logger
        self._lock = threading.Lock()
        self._interrupt = threading.Event()
        self._halted = threading.Event()
        self._scheduled: Future[Refreshed] | None = None
        self._newest_ns = 0
        self._corrections = PoseCorrections()
        self.latencies = Latencies()
        self._worker = Worker("mapper", node.queue.capacity, self._reject)
        self._intake = Worker("intake", node.queue.capacity, self._reject)
        self._mapper: Mapper = self._make(mapping)
        self.start()

    def start(self) -> None:
        """Begin to take inputs with all counters at zero; show the map if there is one."""
        with self._lock:
            self._counts = Counts(dropped=self._dropped())
            self._jumps = 0
        self._corrections = PoseCorrections()
        self.cameras = Cameras(
            self._settings, self._take, self._reject, self._correct, self._logger
        )
        self.watch({})
        self._halted.clear()
        if self._mapper.revision:
            self._worker.submit(partial(self._show, whole=True))

    def watch(self, inputs: Mapping[str, Mapping[str, Input]]) -> None:
        """Tell in :meth:`health` what is wrong with these inputs of each camera."""
        self._health = MapperHealth(inputs, self._settings, self.latencies)
        if self._mapper.scene is not None:
            self._health.first_look.clear(self._mapper.scene)
        color = next((of["color"].topic for of in inputs.values()), "")
        self._rectified = self._settings.lens.are_rectified(color)

    def pause(self) -> None:
        """Forget waiting inputs and cancel a refresh under way; the map stays."""
        self._halted.set()
        self._intake.discard_inputs()
        self._worker.discard_inputs()

    def close(self) -> None:
        """End the threads after what they are doing now; a refresh is canceled."""
        self._halted.set()
        self._intake.stop()
        self._worker.stop()

    def apply(self, settings: MapperNodeSettings) -> None:
        """Take over the settings that can change while configured."""
        self._settings = settings
        for worker in (self._intake, self._worker):
            worker.set_capacity(settings.queue.capacity)

    def clock_went_back(self) -> None:
        """Forget what waits for partners of an earlier time, and which image was the newest."""
        self.cameras.jump()
        jumps = self.cameras.jumps
        with self._lock:
            self._jumps, self._newest_ns = jumps, 0

    def take_cloud(self, message: PointCloud2) -> None:
        """Take a reconstruction of the scene, to be used from the next refresh on."""
        self._worker.offer(partial(self._set_cloud, message))
        if self._settings.refresh.on_cloud:
            self.schedule_refresh(after_current=True)

    def schedule_refresh(self, after_current: bool = False) -> None:
        """Ask for a refresh unless one waits, or runs and ``after_current`` is false.

        Without any frame or cloud there is nothing to ask for.
        """
        if not (after_current or self._counts.processed or self._counts.clouds):
            return
        last = self._scheduled
        waits = last is not None and not last.done() and not last.running()
        runs = last is not None and last.running()
        if waits or (runs and not after_current):
            return
        self._scheduled = self.refresh()
        self._scheduled.add_done_callback(self._log_scheduled)

    def refresh(
        self,
        force: bool = False,
        report: Report = silent,
        canceled: Callable[[], bool] = lambda: False,
    ) -> Future[Refreshed]:
        """Queue a refresh of everything taken so far; ``force`` publishes an unchanged map too."""
        job = Job(
            report, lambda: canceled() or self._interrupt.is_set() or self._halted.is_set()
        )
        return self._worker.submit(partial(self._refresh, job, force))

    def save(self, name: str) -> tuple[str, Scene]:
        """Save the newest map; returns its path and it. Does not wait for the worker."""
        folder = map_folder(self._settings.map_root, name)
        scene, keyframes = self._mapper.snapshot()
        if scene is None:
            raise NoMapError("expected a map to save, got none yet")
        with self.latencies.measure("save"):
            save_scene(replace(scene, frame=self._settings.map_frame), folder, keyframes)
        return str(folder), scene

    def load(self, name: str) -> Scene:
        """Replace the map, to go on from it; returns the new one.

        Raises :class:`FrameError` for a map in another frame than this node's; one whose frame is
        not known is taken.
        """
        saved, keyframes = load_map(map_folder(self._settings.map_root, name))
        if saved.frame not in ("", self._settings.map_frame):
            raise FrameError(
                f"{name}: expected a map in {self._settings.map_frame!r} (parameter map_frame),"
                f" got one in {saved.frame!r}"
            )
        return self._now(partial(self._load, saved, keyframes))

    def clear(self) -> Scene:
        """Forget the map and all inputs; returns the empty map."""
        return self._now(self._clear)

    def status(self, header: Header) -> MapperStatus:
        """Counters and state for programs."""
        cameras = self.cameras.states.values()
        workers = self._worker.state, self._intake.state
        with self._lock:
            return to_status(header, self._counts, cameras, workers, self._mapper)

    def health(self, active: bool) -> Health:
        """Complaints and values for people."""
        cameras = self.cameras
        return self._health.report(
            self.status(Header()), self._mapper.counts, cameras.states, cameras.color_hz,
            cameras.lacks, active,
        )

    def _dropped(self) -> int:
        return self._worker.state.dropped + self._intake.state.dropped

    def _make(self, mapping: MapSettings) -> Mapper:
        """Load the models in the worker, so that the threads they start are as it is."""
        if lack := lacking(mapping.detections):
            self._logger.warning(lack)
        try:
            return self._worker.submit(partial(create_mapper, mapping)).result()
        except BaseException:
            self._intake.stop()
            self._worker.stop()
            raise

    def _take(self, shot: images.Shot) -> None:
        self._intake.offer(partial(self._add_frame, shot, self.cameras.jumps))

    def _correct(self, jump: Transform) -> None:
        """The localization jumped: keyframes follow, as it is where they were that was wrong."""
        self._corrections.learn(jump)
        self._worker.submit(self._move_keyframes)

    def _move_keyframes(self) -> None:
        self._intake.settled()
        moved = self._corrections.apply(self._mapper)
        self._health.first_look.clear()
        self._logger.info(
            f"the localization jumped: {moved} keyframes were moved (pose.jump_m, pose.jump_rad)"
        )

    def _reject(self, error: Exception) -> None:
        with self._lock:
            self._counts.rejected += 1
        self._health.last_error = text = str(error)[:MAX_MESSAGE]
        self._logger.warning(f"input rejected: {text}", throttle_duration_sec=2.0)

    def _add_frame(self, shot: images.Shot, jumps: int) -> None:
        with self.latencies.measure("frame"):
            frame = images.to_frame(shot, self._settings.depth, self._rectified)
            kept = self._corrections.add(self._mapper, frame, shot.corrections)
            if kept:
                self._health.first_look.take(frame, getattr(shot.depth, "encoding", ""))
        with self._lock:
            self._counts.processed += 1
            self._counts.kept += kept
            if jumps > self._jumps:
                self._jumps, self._newest_ns = jumps, 0
            if jumps == self._jumps:
                self._newest_ns = max(self._newest_ns, shot.stamp_ns)

    def _set_cloud(self, message: PointCloud2) -> None:
        check_frame("cloud_map", message.header, self._settings.map_frame)
        stamp = stamp_ns(message.header.stamp)
        with self.latencies.measure("cloud"):
            cloud = clouds.to_cloud(message)
            expect(len(cloud) > 0, "cloud_map of at least one finite point", 0)
            self._mapper.set_cloud(cloud)
        with self._lock:
            self._counts.clouds += 1
            self._newest_ns = max(self._newest_ns, stamp)

    def _refresh(self, job: Job, force: bool) -> Refreshed:
        self._intake.settled()
        start, old = time.monotonic(), self._mapper.scene
        encoded = self._mapper.counts.crops_encoded
        known = len(self._mapper.set_aside)
        try:
            scene = self._mapper.refresh(job)
        except CanceledError:
            raise
        except Exception as error:
            with self._lock:
                self._counts.refreshes_failed += 1
            self._health.last_error = str(error)
            if isinstance(error, EmptyMapError):
                raise InsufficientDataError(str(error)) from error
            raise
        finally:
            for fault in self._mapper.set_aside[known:]:
                self._reject(InputError(str(fault)))
        self.latencies.add("refresh", time.monotonic() - start)
        if force or scene is not old:
            self._show(whole=scene is old)
        n_encoded = self._mapper.counts.crops_encoded - encoded
        duration_s = time.monotonic() - start
        return Refreshed(scene.map_id, scene.revision, len(scene), n_encoded, duration_s)

    def _load(self, scene: Scene, keyframes: tuple[Keyframe, ...]) -> Scene:
        self._intake.settled()
        self._mapper.load(scene, keyframes)
        self._corrections.forget()
        self._health.first_look.clear(scene)
        self._newest_ns = int(scene.views.stamps.max(initial=0))
        return self._show()

    def _clear(self) -> Scene:
        self._intake.discard_inputs()
        self._intake.settled()
        self._mapper.clear()
        self._corrections.forget()
        self._worker.discard_inputs()
        self._health.clear()
        self._newest_ns = 0
        return self._show()

    def _show(self, whole: bool = False) -> Scene:
        """Publish the map as it is; returns it."""
        mapper, scene = self._mapper, self._mapper.scene
        scene = Scene.empty(mapper.revision, mapper.map_id) if scene is None else scene
        with self.latencies.measure("publish"):
            self._publish(scene, self._newest_ns, whole)
        give_back_now()
        self._logger.info(f"revision {scene.revision}: {len(scene)} instances")
        return scene

    def _now(self, job: Callable[[], Scene]) -> Scene:
        """Cancel a refresh under way, run ``job`` in the worker and wait for its result."""
        future = self._worker.submit(job)
        self._interrupt.set()
        try:
            return future.result(self._settings.services.timeout_s)
        except TimeoutError:
            if future.cancel():
                raise TimeoutError("the worker did not get to the request in time") from None
            return future.result()
        finally:
            self._interrupt.clear()

    def _log_scheduled(self, future: Future[Refreshed]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._logger.warning(f"refresh failed: {error}", throttle_duration_sec=5.0)
