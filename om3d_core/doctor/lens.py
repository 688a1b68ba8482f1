"""Whether the distortion that comes with a camera is still in its images."""

from __future__ import annotations

from collections.abc import Sequence

from om3d_core.doctor.agreement import Look, agreement
from om3d_core.doctor.findings import Examination, Finding
from om3d_core.doctor.frames import CURED_SHARE
from om3d_core.errors import SourceError
from om3d_core.sources.folder import FolderSource

FINE_M, CLEARLY = 0.02, 0.05
OTHER = {"raw": "rectified", "rectified": "raw"}
MEANT = {
    "raw": "the images are raw: the distortion of the lens is still in them",
    "rectified": "the images are rectified: the distortion of the lens is out of them",
}
REMEDY = {"raw": "take it out", "rectified": "do not take it out again"}


def examine_lens(
    source: FolderSource, looks: Sequence[Look], places: Sequence[int]
) -> Examination:
    """How the frames ``looks`` at ``places`` agree as they are read, and as if their images were
    raw instead of rectified, or the other way round; nothing where the lens has no distortion."""
    if not source.distortion or not looks:
        return Examination()
    other = OTHER[source.meant.images]
    flag = f"--lens.images {other}"
    terms = " ".join(f"{term:.3g}" for term in source.distortion)
    named = f"the camera has a distortion ({terms}), and images are taken for {OTHER[other]} ones"
    try:
        others = [Look.of(frame) for frame in source.with_images(other).pick(places)]
    except SourceError as error:
        return Examination(assumed=(f"{named}; as {other} ones they cannot be read: {error}",))
    given, so_read = agreement(looks, FINE_M), agreement(others, FINE_M)
    if not (given.judged and so_read.judged):
        return Examination(assumed=(f"{named}, which too few frames can tell; else {flag}",))
    numbers = (
        f"neighbors agree in {given.share:.2f} of their depth within {FINE_M * 100:g} cm as"
        f" {OTHER[other]} images, in {so_read.share:.2f} as {other} ones ({terms})"
    )
    if so_read.share >= given.share + CLEARLY and agreement(others).share >= CURED_SHARE:
        return Examination((Finding("lens", MEANT[other], numbers, REMEDY[other], flag),))
    if given.share >= so_read.share + CLEARLY:
        return Examination(told=(f"{MEANT[OTHER[other]]}: {numbers}",))
    return Examination(assumed=(f"{named}, which the frames do not tell: {numbers}; else {flag}",))
