"""Scene to om3d/InstanceArray and the PointCloud2 of its points, and back.

The cloud has one row for every pair of a point and an instance that holds it, and one row with
instance 0 for a point of none, so that the scene's masks, overlapping or not, are in it.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from om3d.msg import FeatureTable as FeatureTableMsg
from om3d.msg import Instance, InstanceArray
from sensor_msgs.msg import CompressedImage, PointCloud2
from std_msgs.msg import Header

from om3d_core.data.boxes import Box
from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.errors import InputError, expect
from om3d_core.formats.cloud_fields import FLOAT32, UINT32, Field
from om3d_ros.conversions.clouds import from_words, words_of
from om3d_ros.conversions.images import from_jpeg
from om3d_ros.conversions.poses import box_pose, point, vector
from om3d_ros.conversions.stamps import header as make_header
from om3d_ros.conversions.stamps import stamp_ns, to_time

MAX_CLOUD_POINTS = 50_000_000
FIELDS = [
    *(Field(name, 4 * i, FLOAT32) for i, name in enumerate(("x", "y", "z", "rgb"))),
    Field("instance", 16, UINT32),
    Field("point", 20, UINT32),
]


def from_scene(scene: Scene, header: Header) -> tuple[InstanceArray, PointCloud2]:
    """The two messages of one revision, tied together by a checksum.

    header: of the instances, with the time of the newest image. A map holds at any time, and who
    shows the cloud has no transform of an old image any more: its stamp is 0.
    """
    cloud = from_words(FIELDS, _rows(scene), make_header(header.frame_id, 0))
    message = InstanceArray(
        header=header,
        version=InstanceArray.VERSION,
        map_id=scene.map_id,
        revision=scene.revision,
        up=vector(scene.up),
        n_points=len(scene.cloud),
        cloud_crc32=zlib.crc32(cloud.data),
        instances=[instance_message(scene, int(i)) for i in np.argsort(scene.ids)],
    )
    return message, cloud


def belong_together(instances: InstanceArray, cloud: PointCloud2) -> bool:
    """Whether the two messages are of one revision."""
    return (
        instances.header.frame_id == cloud.header.frame_id
        and instances.cloud_crc32 == zlib.crc32(cloud.data)
    )


def to_scene(instances: InstanceArray, cloud: PointCloud2) -> Scene:
    """The scene of one revision; raises InputError naming what does not fit.

    The fields that only the mapper needs (pixel counts and boxes of the views, normals) are zero.
    """
    if not belong_together(instances, cloud):
        raise InputError("expected instances and cloud of one revision, got two")
    expect(instances.version == InstanceArray.VERSION,
           f"instances of version {InstanceArray.VERSION}", instances.version)
    words = words_of(cloud, [field.name for field in FIELDS])
    ids = np.array([instance.id for instance in instances.instances], np.int64)
    expect(bool((np.diff(ids) > 0).all()) and not (ids == 0).any(), "ids ascending from 1", ids)
    k = max((len(i.thumbnails) for i in instances.instances), default=0)
    up = np.array([instances.up.x, instances.up.y, instances.up.z])
    return Scene(
        revision=instances.revision,
        cloud=_cloud(words, instances.n_points),
        masks=_masks(words, instances, ids),
        ids=ids,
        up=up / max(float(np.linalg.norm(up)), 1e-12),
        views=_views(instances.instances, k),
        features=_tables(instances.instances, k),
        thumbnails=tuple(
            tuple(bytes(t.data) for t in instance.thumbnails) for instance in instances.instances
        ),
        labels=tuple(instance.label for instance in instances.instances),
        map_id=instances.map_id,
        camera_frames={
            stamp_ns(thumbnail.header.stamp): thumbnail.header.frame_id
            for instance in instances.instances
            for thumbnail in instance.thumbnails
            if thumbnail.header.frame_id
        },
    )


def instance_message(
    scene: Scene, i: int, features: bool = True, thumbnails: bool = True, box: Box | None = None
) -> Instance:
    """The message of the scene's instance at index ``i``; box: its own, if that is known."""
    box, n_views = box or scene.boxes[i], len(scene.thumbnails[i])
    first_ns, last_ns = scene.views.span_ns[i].tolist() if n_views else (0, 0)
    return Instance(
        id=int(scene.ids[i]),
        label=scene.labels[i],
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
        features=[_table_message(t, i) for t in scene.features if t.valid[i].any()]
        if features else [],
        thumbnails=thumbnail_messages(scene, i) if thumbnails else [],
    )


def thumbnail_messages(scene: Scene, i: int, limit: int | None = None) -> list[CompressedImage]:
    """The JPEG views of instance ``i``, best first, each with the header of its image."""
    stamps = scene.views.stamps[i][scene.views.valid[i]][:limit].tolist()
    return [
        from_jpeg(jpeg, make_header(scene.camera_frames.get(stamp, ""), stamp))
        for jpeg, stamp in zip(scene.thumbnails[i], stamps, strict=False)
    ]


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
    words[:, :3] = scene.cloud.points[points].view(np.uint32)
    red, green, blue = scene.cloud.colors[points].astype(np.uint32).T
    words[:, 3] = red << 16 | green << 8 | blue
    words[:, 4], words[:, 5] = ids, points
    return words


def _table_message(table: FeatureTable, i: int) -> FeatureTableMsg:
    rows = np.flatnonzero(table.valid[i])
    return FeatureTableMsg(
        space=table.space.name,
        encoder=table.space.encoder,
        source=table.space.source,
        preprocessing=table.space.preprocessing,
        text=table.space.text,
        image=table.space.image,
        views=len(rows),
        dim=table.space.dim,
        view_indices=array("I", rows.tolist()),
        data=array("f", table.vectors[i, rows].tobytes()),
        lengths=array("f", table.lengths[i, rows].tobytes()),
    )


def _cloud(words: npt.NDArray[np.uint32], n_points: int) -> Cloud:
    expect(n_points <= MAX_CLOUD_POINTS, f"at most {MAX_CLOUD_POINTS} points", n_points)
    index = words[:, 5].astype(np.int64)
    first = np.flatnonzero(np.diff(index, prepend=-1) != 0)
    expect(bool(np.array_equal(index[first], np.arange(n_points))),
           f"rows that ascend over the points 0..{n_points - 1}", "gaps or disorder")
    rgb = words[first, 3]
    colors = np.stack([rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255], axis=1).astype(np.uint8)
    points = np.ascontiguousarray(words[first, :3]).view(np.float32)
    return Cloud(points, colors, np.zeros((n_points, 3), np.float32))


def _masks(
    words: npt.NDArray[np.uint32], instances: InstanceArray, ids: npt.NDArray[np.int64]
) -> InstanceMasks:
    owned = words[words[:, 4] > 0]
    order = np.argsort(owned[:, 4], kind="stable")
    owner, points = owned[order, 4].astype(np.int64), owned[order, 5].astype(np.int64)
    expect(bool(np.isin(owner, ids).all()), "points of listed instances only", "an unknown id")
    starts = np.searchsorted(owner, ids)
    members = np.split(points, starts[1:]) if len(ids) else []
    scores = [instance.score for instance in instances.instances]
    structure = [instance.structure for instance in instances.instances]
    return InstanceMasks.from_lists(members, instances.n_points, scores, structure)


def _views(instances: Sequence[Instance], k: int) -> ViewTable:
    views = ViewTable.empty(len(instances), k)
    for i, instance in enumerate(instances):
        views.stamps[i, : len(instance.thumbnails)] = [
            stamp_ns(thumbnail.header.stamp) for thumbnail in instance.thumbnails
        ]
    return views


def _tables(instances: Sequence[Instance], k: int) -> tuple[FeatureTable, ...]:
    spaces: dict[str, FeatureSpace] = {}
    for table in (table for instance in instances for table in instance.features):
        space = FeatureSpace(
            table.space, table.dim, table.text, table.image, table.source, table.encoder,
            table.preprocessing,
        )
        expect(spaces.setdefault(table.space, space) == space, f"one space {space}", "another")
    return tuple(_table(instances, k, space) for space in spaces.values())


def _table(instances: Sequence[Instance], k: int, space: FeatureSpace) -> FeatureTable:
    vectors = np.zeros((len(instances), k, space.dim), np.float32)
    valid, lengths = np.zeros((len(instances), k), bool), np.zeros((len(instances), k), np.float32)
    for i, instance in enumerate(instances):
        for table in (table for table in instance.features if table.space == space.name):
            rows = np.array(table.view_indices, np.int64)
            counts = len(rows), len(table.lengths), len(table.data)
            expect(counts == (table.views, table.views, table.views * table.dim),
                   f"{table.views} x {table.dim} features of instance {instance.id}", counts)
            expect(not len(rows) or int(rows.max()) < k, f"view indices below {k}", rows)
            data = np.array(table.data, np.float32).reshape(len(rows), space.dim)
            expect(bool(np.isfinite(data).all() and np.isfinite(table.lengths).all()),
                   "finite features", "NaN or infinity")
            vectors[i, rows], valid[i, rows], lengths[i, rows] = data, True, table.lengths
    return FeatureTable(space, vectors, valid, lengths)
