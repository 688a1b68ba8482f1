"""Fine segments merged into convex parts (LCCP)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from om3d_core.proposals.surface.samples import Float, Int, Surface

COLOR_BEND = 0.5
ABSORB_SHARE = 0.15
ABSORB_M2 = 0.0015
ABSORB_CONTACT = 1.0


@dataclass(frozen=True, eq=False)
class Borders:
    """Contacts of neighboring segments: pairs (b, 2), count (b,) edges that cross, bend (b,) sum
    of signed angles (rad, positive = convex), color (b,) sum of color steps."""

    pairs: Int
    count: Float
    bend: Float
    color: Float


def find_borders(surface: Surface, labels: Int, edges: Int) -> Borders:
    """Statistics of the edges between segments; normals are fitted within each segment."""
    n = len(surface)
    a, b = edges.T
    crossing = labels[a] != labels[b]
    a, b = a[crossing], b[crossing]
    local = np.full(n + 1, -1, np.int64)
    local[a] = local[b] = 0
    touched = np.flatnonzero(local == 0)
    local[touched] = np.arange(len(touched))
    near = surface.neighbors[touched]
    same = near < n
    same[same] &= np.repeat(labels[touched], same.sum(axis=1)) == labels[near[same]]
    weight = same.astype(np.float64)
    total = np.maximum(weight.sum(axis=1), 1.0)
    safe = np.where(same, near, 0)
    centers = np.einsum("ij,ijk->ik", weight, surface.points[safe]) / total[:, None]
    colors = np.einsum("ij,ijk->ik", weight, surface.colors[safe]) / total[:, None]
    offsets = surface.points[safe] - centers[:, None, :]
    covariance = np.einsum("ij,ijk,ijl->ikl", weight, offsets, offsets)
    normals = np.linalg.eigh(covariance)[1][:, :, 0]
    hints = np.einsum("ij,ijk->ik", weight, surface.normals[safe])
    normals[np.einsum("ij,ij->i", normals, hints) < 0] *= -1
    weak = total < 5
    normals[weak] = surface.normals[touched][weak]
    i, j = local[a], local[b]
    cosine = np.clip(np.einsum("ij,ij->i", normals[i], normals[j]), -1.0, 1.0)
    along = centers[i] - centers[j]
    side = np.einsum("ij,ij->i", normals[i] - normals[j], along)
    bend = np.arccos(cosine) * np.sign(side)
    step = np.linalg.norm(colors[i] - colors[j], axis=1)
    low, high = np.minimum(labels[a], labels[b]), np.maximum(labels[a], labels[b])
    m = int(labels.max()) + 1 if len(labels) else 0
    keys, group = np.unique(low * m + high, return_inverse=True)
    k = len(keys)
    return Borders(
        np.stack([keys // max(m, 1), keys % max(m, 1)], axis=1),
        np.bincount(group, minlength=k).astype(np.float64),
        np.bincount(group, bend, k).astype(np.float64),
        np.bincount(group, step, k).astype(np.float64),
    )


def merge_convex(
    sizes: Float, borders: Borders, max_concave_rad: float, min_contact: float
) -> Int:
    """(m,) labels of parts: segments joined, flattest border first, while no border is concave."""
    m = len(sizes)
    parent = np.arange(m)
    size = sizes.astype(np.float64).copy()
    links: list[dict[int, tuple[float, float]]] = [{} for _ in range(m)]
    bends = borders.bend - COLOR_BEND * borders.color
    for (a, b), count, bend in zip(borders.pairs, borders.count, bends, strict=True):
        links[a][int(b)] = links[b][int(a)] = (float(count), float(bend))
    queue = [
        (_cost(c, s), int(a), int(b), float(c))
        for (a, b), c, s in zip(borders.pairs, borders.count, bends, strict=True)
    ]
    heapq.heapify(queue)
    alive = np.ones(m, bool)
    while queue:
        cost, a, b, count = heapq.heappop(queue)
        if not (alive[a] and alive[b]) or links[a].get(b, (0.0, 0.0))[0] != count:
            continue
        if cost > max_concave_rad:
            continue
        if count < min_contact * np.sqrt(min(size[a], size[b])):
            continue
        if len(links[a]) < len(links[b]):
            a, b = b, a
        alive[b] = False
        parent[b] = a
        size[a] += size[b]
        del links[a][b], links[b][a]
        for other, (c, s) in links[b].items():
            del links[other][b]
            c0, s0 = links[a].get(other, (0.0, 0.0))
            links[a][other] = links[other][a] = (c0 + c, s0 + s)
        for other, (c, s) in links[a].items():
            heapq.heappush(queue, (_cost(c, s), min(a, other), max(a, other), c))
        links[b] = {}
    for i in range(m):
        root = i
        while parent[root] != root:
            root = parent[root]
        parent[i] = root
    return np.asarray(np.unique(parent, return_inverse=True)[1], np.int64)


def _cost(count: float, bend: float) -> float:
    return -bend / count


def absorb_small(surface: Surface, parts: Int, edges: Int) -> Int:
    """(n,) parts, where a much smaller part has joined the neighbor it touches most."""
    a, b = parts[edges[:, 0]], parts[edges[:, 1]]
    cross = a != b
    m = int(parts.max(initial=-1)) + 1
    low, high = np.minimum(a, b)[cross], np.maximum(a, b)[cross]
    keys, counts = np.unique(low * m + high, return_counts=True)
    sizes = np.bincount(parts, minlength=m)
    best = np.full(m, -1, np.int64)
    most = np.zeros(m, np.int64)
    for key, count in zip(keys, counts, strict=True):
        for i, j in ((key // m, key % m), (key % m, key // m)):
            if sizes[i] < ABSORB_SHARE * sizes[j] and count > most[i]:
                best[i], most[i] = j, count
    limit = ABSORB_M2 / surface.voxel_m**2
    target = np.arange(m)
    for i in np.argsort(-sizes, kind="stable"):
        if best[i] >= 0 and sizes[i] < limit and most[i] >= ABSORB_CONTACT * np.sqrt(sizes[i]):
            target[i] = target[best[i]]
    result: Int = target[parts]
    return result
