"""Parts over the samples: what each holds, and which touch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from om3d_core.proposals.surface.layout import Layout, Support
from om3d_core.proposals.surface.samples import Float, Int, Surface

HUG_M = 0.05
HUG_SHARE = 0.9
MAX_HUGGING_M2 = 0.06


class PartGraph:
    """Convex parts and supports, numbered, with their samples and contacts."""

    def __init__(self, surface: Surface, layout: Layout, convex: Int):
        """convex: (n,) convex part of each sample; in planes it is not looked at."""
        supports = layout.plane_of - len(layout.structure)
        count = int(convex.max(initial=-1)) + 1
        parts = np.where(layout.plane_of < 0, convex, -1)
        parts[supports >= 0] = count + supports[supports >= 0]
        parts = _without_noise(surface, layout, parts)
        self._area_m2 = surface.voxel_m**2
        self._support_of = {id(s): count + i for i, s in enumerate(layout.supports)}
        self.parts = parts
        total = count + len(layout.supports)
        self.sizes = np.bincount(parts[parts >= 0], minlength=total)
        self.is_support = np.arange(total) >= count
        order = np.argsort(parts, kind="stable")
        bounds = np.searchsorted(parts[order], np.arange(total + 1))
        self.members = [order[bounds[i] : bounds[i + 1]] for i in range(total)]
        self._contact = _contacts(parts, surface.edges, total)
        near = surface.neighbors[:, 1:]
        real = near < len(surface)
        own = np.broadcast_to(np.arange(len(surface))[:, None], near.shape)
        wide = np.stack([own[real], near[real]], axis=1)
        self._loose_contact = _contacts(parts, wide, total)

    def part_of(self, support: Support) -> int:
        """The number of a support's part."""
        return self._support_of[id(support)]

    def area(self, members: Int) -> float:
        """The seen surface of some samples, square meters."""
        return len(members) * self._area_m2

    def share(self, inside: npt.NDArray[np.bool_]) -> Float:
        """(parts,) share of each part's samples where ``inside`` (n,) holds."""
        chosen = self.parts[inside & (self.parts >= 0)]
        counts = np.bincount(chosen, minlength=len(self.sizes)).astype(np.float64)
        counts /= np.maximum(self.sizes, 1)
        return counts

    def groups(self, chosen: npt.NDArray[np.bool_], *, loose: bool = False) -> list[Int]:
        """Connected groups of the chosen parts; loose ones reach across small gaps."""
        index = np.flatnonzero(chosen)
        if not len(index):
            return []
        contact = self._loose_contact if loose else self._contact
        n, label = connected_components(contact[index][:, index], directed=False)
        return [index[label == i] for i in range(n)]

    def union(self, group: Int) -> Int:
        """Ascending samples of several parts."""
        return np.sort(np.concatenate([self.members[i] for i in group]))


def _contacts(parts: Int, edges: Int, count: int) -> sparse.csr_matrix:
    """(count, count) number of edges between every two parts, symmetric."""
    a, b = parts[edges[:, 0]], parts[edges[:, 1]]
    touch = (a != b) & (a >= 0) & (b >= 0)
    ones = np.ones(int(touch.sum()))
    half = sparse.coo_matrix((ones, (a[touch], b[touch])), (count, count)).tocsr()
    return (half + half.T).tocsr()


def _without_noise(surface: Surface, layout: Layout, parts: Int) -> Int:
    """(n,) parts, -1 for small ones within a thin layer of a structural plane."""
    close = np.zeros(len(surface), bool)
    for plane in (plane for group in layout.structure for plane in group):
        close |= plane.height(surface.points) < HUG_M
    count = int(parts.max(initial=-1)) + 1
    sizes = np.bincount(parts[parts >= 0], minlength=count)
    hugging = np.bincount(parts[close & (parts >= 0)], minlength=count)
    noise = (hugging >= HUG_SHARE * sizes) & (sizes * surface.voxel_m**2 < MAX_HUGGING_M2)
    owned = np.flatnonzero(parts >= 0)
    kept = parts.copy()
    kept[owned[noise[parts[owned]]]] = -1
    return kept
