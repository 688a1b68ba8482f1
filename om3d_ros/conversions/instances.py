"""Scene to om3d/InstanceArray, om3d/InstanceViews, and the PointCloud2 of its points.

The cloud has one row for every pair of a point and an instance that holds it, and one row with
instance 0 for a point of none, so that the scene's masks, overlapping or not, are in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
from om3d.msg import Instance, InstanceArray, InstanceViews
from sensor_msgs.msg import CompressedImage, PointCloud2
from std_msgs.msg import Header

from om3d_core.data.boxes import Box
from om3d_core.data.scene import Scene
from om3d_core.data.words import Words
from om3d_core.formats.cloud_fields import FLOAT32, UINT32, Field
from om3d_ros.conversions.clouds import from_words
from om3d_ros.conversions.images import from_jpeg
from om3d_ros.conversions.map_parts import point_words, views_of
from om3d_ros.conversions.map_updates import tables_of
from om3d_ros.conversions.poses import box_pose, point, vector
from om3d_ros.conversions.stamps import header as make_header
from om3d_ros.conversions.stamps import to_time

FIELDS = [
    *(Field(name, 4 * i, FLOAT32) for i, name in enumerate(("x", "y", "z", "rgb"))),
    Field("instance", 16, UINT32),
    Field("point", 20, UINT32),
]


def to_instances(
    scene: Scene, header: Header, rows: Sequence[int] | None = None,
    boxes: Mapping[int, Box] | None = None,
) -> InstanceArray:
    """The instances at the indices ``rows``, or all, by ascending id.

    header: with the time of the newest image. boxes: by id, if they are known, as to fit them
    takes its time.
    """
    rows = range(len(scene)) if rows is None else rows
    boxes = boxes or dict(zip(scene.ids.tolist(), scene.boxes, strict=True))
    return InstanceArray(
        header=header,
        version=InstanceArray.VERSION,
        map_id=scene.map_id,
        revision=scene.revision,
        up=vector(scene.up),
        n_points=len(scene.cloud),
        instances=[
            _instance(scene, i, boxes[int(scene.ids[i])])
            for i in sorted(rows, key=lambda i: scene.ids[i])
        ],
    )


def to_cloud_of_instances(scene: Scene, frame_id: str) -> PointCloud2:
    """The points, for people to see.

    A map holds at any time, and who shows the cloud has no transform of an old image any more:
    its stamp is 0.
    """
    return from_words(FIELDS, _rows(scene), make_header(frame_id, 0))


def to_views(scene: Scene, i: int, features: bool, thumbnails: bool) -> InstanceViews:
    """The views of the instance at index ``i``."""
    return InstanceViews(
        id=int(scene.ids[i]),
        features=tables_of(list(enumerate(views_of(scene, i)))) if features else [],
        thumbnails=thumbnail_messages(scene, i) if thumbnails else [],
    )


def thumbnail_messages(scene: Scene, i: int, limit: int | None = None) -> list[CompressedImage]:
    """The JPEG views of instance ``i``, best first, each with the header of its image."""
    stamps = scene.views.stamps[i][scene.views.valid[i]][:limit].tolist()
    return [
        from_jpeg(jpeg, make_header(scene.camera_frames.get(stamp, ""), stamp))
        for jpeg, stamp in zip(scene.thumbnails[i], stamps, strict=False)
    ]


def _instance(scene: Scene, i: int, box: Box) -> Instance:
    n_views = len(scene.thumbnails[i])
    words, detections = _surest(scene.words[i]), _surest(scene.detections[i])
    first_ns, last_ns = scene.views.span_ns[i].tolist() if n_views else (0, 0)
    return Instance(
        id=int(scene.ids[i]),
        label=scene.labels[i],
        label_probability=float(scene.label_probabilities[i]),
        structure=bool(scene.masks.structure[i]),
        state=Instance.CONFIRMED if n_views else Instance.TENTATIVE,
        first_seen=to_time(first_ns),
        last_seen=to_time(last_ns),
        box_pose=box_pose(box),
        box_size=vector(box.size),
        centroid=point(scene.centroids[i]),
        n_points=len(scene.masks[i]),
        score=float(scene.masks.scores[i]),
        n_views=n_views,
        words=list(words),
        word_confidences=list(words.values()),
        detections=list(detections),
        detection_confidences=list(detections.values()),
    )


def _surest(told: Iterable[Words]) -> dict[str, float]:
    """Each word of several views once with its highest confidence, the surest first."""
    words: dict[str, float] = {}
    for word in sorted(chain(*told), key=lambda w: (-w.confidence, w.text)):
        words.setdefault(word.text, word.confidence)
    return words


def _rows(scene: Scene) -> npt.NDArray[np.uint32]:
    """(R, 6) words of x, y, z, rgb, instance, point, by point, then by instance."""
    masks = scene.masks
    held = np.zeros(masks.n_points, bool)
    held[masks.indices] = True
    free = np.flatnonzero(~held)
    points = np.concatenate([masks.indices.astype(np.int64), free])
    ids = np.concatenate([np.repeat(scene.ids, masks.sizes), np.zeros(len(free), np.int64)])
    order = np.lexsort((ids, points))
    points, ids = points[order], ids[order]
    words = np.empty((len(points), len(FIELDS)), np.uint32)
    words[:, :4] = point_words(scene.cloud)[points]
    words[:, 4], words[:, 5] = ids, points
    return words
