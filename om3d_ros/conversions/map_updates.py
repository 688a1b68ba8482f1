"""What changed between two revisions of a map as om3d/MapUpdate, and back (docs/wire.md)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from om3d.msg import FeatureTable, InstanceChange, MapUpdate
from std_msgs.msg import Header

from om3d_core.data.cloud import MAX_POINTS
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.scene import MAX_ID
from om3d_core.data.words import Word
from om3d_core.errors import expect
from om3d_core.formats.cloud_fields import FLOAT32, Field
from om3d_ros.conversions.clouds import from_words, words_of
from om3d_ros.conversions.images import from_jpeg
from om3d_ros.conversions.map_parts import InstanceParts, MapParts, View
from om3d_ros.conversions.poses import box_pose, to_box, vector
from om3d_ros.conversions.stamps import header as make_header
from om3d_ros.conversions.stamps import stamp_ns

Indices = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
NAMES = ("x", "y", "z", "rgb")
FIELDS = [Field(name, 4 * i, FLOAT32) for i, name in enumerate(NAMES)]
MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5],
               np.uint64)
"""Makes a key of the four words of a point; points of one key are compared."""
NOWHERE = -1


def to_update(base: MapParts | None, new: MapParts, header: Header) -> MapUpdate:
    """What makes ``new`` of ``base``, an earlier revision of the same map; all of it if None."""
    base = MapParts.empty(new.map_id) if base is None else base
    origin = _origin(base.words, new.words)
    starts, lengths = _runs(origin)
    places = _places(origin, len(base.words))
    changes = (
        _change(name, instance, base.instances.get(name), places)
        for name, instance in new.instances.items()
    )
    return MapUpdate(
        header=header,
        version=MapUpdate.VERSION,
        map_id=new.map_id,
        base=base.revision,
        revision=new.revision,
        up=vector(new.up),
        run_starts=_uint32(starts),
        run_lengths=_uint32(lengths),
        points=from_words(FIELDS, new.words[origin == NOWHERE], make_header(header.frame_id, 0)),
        removed=_uint32(sorted(base.instances.keys() - new.instances.keys())),
        changed=[change for change in changes if change is not None],
        crc32=new.crc32,
    )


def applied(base: MapParts | None, update: MapUpdate) -> MapParts:
    """What the update makes of ``base``, the revision that it names; None for a whole map.

    Raises InputError naming what does not fit, before it takes more memory than the update and
    the base do.
    """
    expect(update.version == MapUpdate.VERSION, f"an update of version {MapUpdate.VERSION}",
           update.version)
    base = MapParts.empty(update.map_id) if base is None else base
    told, held = (update.map_id, update.base), (base.map_id, base.revision)
    expect(told == held, f"an update of map and revision {held}", told)
    fresh = words_of(update.points, NAMES)
    origin = _origin_of(update, len(base.words))
    places = _places(origin, len(base.words))
    instances = {
        name: replace(instance, points=_moved(instance.points, places))
        for name, instance in base.instances.items()
    }
    for name in update.removed:
        expect(instances.pop(name, None) is not None, "ids of the base to remove", name)
    ids = [change.id for change in update.changed]
    expect(all(a < b for a, b in zip([0, *ids], ids, strict=False)),
           "ids ascending from 1 among the changed", ids[:8])
    for change in update.changed:
        instances[change.id] = _changed(change, instances.get(change.id), len(origin))
    up = np.array([update.up.x, update.up.y, update.up.z])
    made = MapParts(
        update.map_id, update.revision, up / max(float(np.linalg.norm(up)), 1e-12),
        _words(base.words, origin, fresh), dict(sorted(instances.items())),
    )  # fmt: skip
    expect(made.crc32 == update.crc32, "cloud and masks of the sum crc32", "others")
    return made


def _origin(old: Words, new: Words) -> Indices:
    """(len(new),) the row of ``old`` that holds the same, each at most once, else NOWHERE."""
    if old is new or np.array_equal(old, new):
        return np.arange(len(new))
    origin = np.full(len(new), NOWHERE, np.int64)
    if not len(old) or not len(new):
        return origin
    old_key, new_key = ((words * MIX).sum(axis=1, dtype=np.uint64) for words in (old, new))
    order = np.argsort(old_key, kind="stable")
    at = np.searchsorted(old_key[order], new_key)
    found = order[np.minimum(at, len(old) - 1)]
    same = np.flatnonzero((old[found] == new).all(axis=1))
    _, first = np.unique(found[same], return_index=True)
    origin[same[first]] = found[same[first]]
    return origin


def _runs(origin: Indices) -> tuple[Indices, Indices]:
    """Where runs of consecutive rows start, FRESH if from nowhere, and how long they are."""
    if not len(origin):
        return origin, origin
    before, now = origin[:-1], origin[1:]
    goes_on = np.where(before == NOWHERE, now == NOWHERE, now == before + 1)
    first = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    lengths = np.diff(first, append=len(origin))
    starts = np.where(origin[first] == NOWHERE, MapUpdate.FRESH, origin[first])
    return starts, lengths


def _places(origin: Indices, n_base: int) -> Indices:
    """(n_base,) where each point of the base lies in the new cloud, NOWHERE if it is gone."""
    places = np.full(n_base, NOWHERE, np.int64)
    kept = np.flatnonzero(origin != NOWHERE)
    places[origin[kept]] = kept
    return places


def _moved(points: npt.NDArray[np.int32], places: Indices) -> npt.NDArray[np.int32]:
    """The ascending places in the new cloud of points of the base that are still there."""
    moved = places[points]
    moved = moved[moved != NOWHERE].astype(np.int32)
    return moved if bool((moved[1:] > moved[:-1]).all()) else np.sort(moved)


def _change(
    name: int, new: InstanceParts, old: InstanceParts | None, places: Indices
) -> InstanceChange | None:
    """What makes ``new`` of ``old``, or None if there is nothing to say."""
    carried = _moved(old.points, places) if old is not None else np.zeros(0, np.int32)
    flipped = np.setxor1d(carried, new.points, assume_unique=True)
    if (
        old is not None and not len(flipped)
        and (old.label, old.label_probability, old.structure, old.score, old.views)
        == (new.label, new.label_probability, new.structure, new.score, new.views)
        and box_pose(old.box) == box_pose(new.box) and np.array_equal(old.box.size, new.box.size)
    ):  # fmt: skip
        return None
    before = list(old.views) if old is not None else []
    views = [before.index(view) if view in before else NOWHERE for view in new.views]
    fresh = [(j, view) for j, view in enumerate(new.views) if views[j] == NOWHERE]
    return InstanceChange(
        id=name,
        label=new.label,
        label_probability=new.label_probability,
        structure=new.structure,
        score=new.score,
        box_pose=box_pose(new.box),
        box_size=vector(new.box.size),
        flipped=_uint32(flipped),
        views=array("i", views),
        features=tables_of(fresh),
        thumbnails=[from_jpeg(v.jpeg, make_header(v.camera, v.stamp_ns)) for _, v in fresh],
        words=[word.text for _, view in fresh for word in view.words],
        word_confidences=array("f", [w.confidence for _, view in fresh for w in view.words]),
        word_views=array("I", [j for j, view in fresh for _ in view.words]),
        detections=[word.text for _, view in fresh for word in view.detections],
        detection_confidences=array(
            "f", [w.confidence for _, view in fresh for w in view.detections]
        ),
        detection_views=array("I", [j for j, view in fresh for _ in view.detections]),
    )


def tables_of(views: Sequence[tuple[int, View]]) -> list[FeatureTable]:
    """The features of views, each with its place, one table a space."""
    spaces = dict.fromkeys(space for _, view in views for space in view.rows)
    return [_table(space, [(j, view) for j, view in views if space in view.rows])
            for space in spaces]


def _table(space: FeatureSpace, views: Sequence[tuple[int, View]]) -> FeatureTable:
    rows = [view.rows[space] for _, view in views]
    return FeatureTable(
        space=space.name,
        encoder=space.encoder,
        source=space.source,
        preprocessing=space.preprocessing,
        text=space.text,
        image=space.image,
        views=len(views),
        dim=space.dim,
        view_indices=array("I", [j for j, _ in views]),
        lengths=array("f", [length for _, length in rows]),
        data=array("f", b"".join(unit for unit, _ in rows)),
    )


def _origin_of(update: MapUpdate, n_base: int) -> Indices:
    """(P,) the point of the base that each point is, or NOWHERE."""
    starts, lengths = (np.array(a, np.int64) for a in (update.run_starts, update.run_lengths))
    expect(len(starts) == len(lengths), "a length for each run", (len(starts), len(lengths)))
    fresh = starts == MapUpdate.FRESH
    n, n_fresh = int(lengths.sum()), int(lengths[fresh].sum())
    expect(n_fresh == update.points.width, f"{n_fresh} fresh points, as the runs say",
           update.points.width)
    expect(n - n_fresh <= n_base and n <= MAX_POINTS,
           f"at most {n_base} points of the base and {MAX_POINTS} in all", n)
    expect(bool((fresh | (starts + lengths <= n_base)).all()), f"runs below {n_base}", "others")
    begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
    origin = np.repeat(starts, lengths) + np.arange(n) - begins
    origin[np.repeat(fresh, lengths)] = NOWHERE
    return origin


def _words(old: Words, origin: Indices, fresh: Words) -> Words:
    if not len(fresh) and np.array_equal(origin, np.arange(len(old))):
        return old
    words = np.empty((len(origin), len(NAMES)), np.uint32)
    kept = origin != NOWHERE
    words[kept], words[~kept] = old[origin[kept]], fresh
    return words


def _changed(change: InstanceChange, old: InstanceParts | None, n_points: int) -> InstanceParts:
    """The instance with its points of the base in their new places, changed."""
    expect(1 <= change.id <= MAX_ID, f"ids in 1..{MAX_ID}", change.id)
    carried = old.points if old is not None else np.zeros(0, np.int32)
    flipped = np.array(change.flipped, np.int64)
    expect(bool((np.diff(flipped) > 0).all()) and (not len(flipped) or flipped[-1] < n_points),
           f"ascending points below {n_points} of instance {change.id}", "others")
    points = np.setxor1d(carried, flipped.astype(np.int32), assume_unique=True)
    views = _views(change, old.views if old is not None else ())
    box = to_box(change.box_pose, change.box_size)
    return InstanceParts(
        change.label, change.label_probability, change.structure, change.score, box, points, views
    )


def _views(change: InstanceChange, old: tuple[View, ...]) -> tuple[View, ...]:
    rows = _rows(change)
    words = _words_of(change, change.words, change.word_confidences, change.word_views)
    detections = _words_of(
        change, change.detections, change.detection_confidences, change.detection_views
    )
    pictures = iter(change.thumbnails)
    fresh = sum(place == NOWHERE for place in change.views)
    expect(fresh == len(change.thumbnails),
           f"{fresh} thumbnails of instance {change.id}", len(change.thumbnails))
    views = []
    for j, place in enumerate(change.views):
        expect(NOWHERE <= place < len(old), f"views below {len(old)} of instance {change.id}",
               place)
        if place != NOWHERE:
            expect(j not in rows, "features of fresh views only", j)
            views.append(old[place])
            continue
        picture = next(pictures)
        views.append(View(
            stamp_ns(picture.header.stamp), picture.header.frame_id, bytes(picture.data),
            rows.pop(j, {}), tuple(words.pop(j, ())),
            tuple(detections.pop(j, ())),
        ))
    left = [*rows, *words, *detections]
    expect(not left, f"places of fresh views below {len(views)} of instance {change.id}", left[:8])
    return tuple(views)


def _rows(change: InstanceChange) -> dict[int, dict[FeatureSpace, tuple[bytes, float]]]:
    """The features of the views, by the place of the view."""
    rows: dict[int, dict[FeatureSpace, tuple[bytes, float]]] = {}
    for table in change.features:
        space = FeatureSpace(
            table.space, table.dim, table.text, table.image, table.source, table.encoder,
            table.preprocessing,
        )
        counts = len(table.view_indices), len(table.lengths), len(table.data)
        expect(counts == (table.views, table.views, table.views * table.dim),
               f"{table.views} x {table.dim} features of instance {change.id}", counts)
        data = np.array(table.data, np.float32).reshape(table.views, table.dim)
        expect(bool(np.isfinite(data).all() and np.isfinite(table.lengths).all()),
               "finite features", "NaN or infinity")
        for j, unit, length in zip(table.view_indices, data, table.lengths, strict=True):
            rows.setdefault(j, {})[space] = unit.tobytes(), float(length)
    return rows


def _words_of(
    change: InstanceChange, texts: Sequence[str], confidences: Sequence[float],
    views: Sequence[int],
) -> dict[int, list[Word]]:
    """The words, or detections, of the views, by the place of the view."""
    counts = len(texts), len(confidences), len(views)
    expect(len(set(counts)) == 1,
           f"as many words as confidences and views of instance {change.id}", counts)
    words: dict[int, list[Word]] = {}
    for text, confidence, j in zip(texts, confidences, views, strict=True):
        words.setdefault(j, []).append(Word(text, float(confidence)))
    return words


def _uint32(values: npt.ArrayLike) -> array[int]:
    return array("I", np.asarray(values, np.uint32).tobytes())
