"""A sample of frames, held against each other: what is wrong with them, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from om3d_core.doctor.agreement import (
    NEAR_M,
    NOT_JUDGED,
    Agreement,
    Look,
    agreement,
    is_static,
    is_still,
    median_depth_m,
    motions,
)
from om3d_core.doctor.cures import MEDIAN_RANGE_M, Cure, Given, cures, rarer_cures
from om3d_core.doctor.findings import Examination, Finding
from om3d_core.doctor.focal import focal_cure
from om3d_core.doctor.pose_scale import pose_scale_cure
from om3d_core.sources.base import SkipCount

MOST_FRAMES, LONG = 24, 240
GROUP = (0, 2, 8, 24)
GROUPS = MOST_FRAMES // len(GROUP)
WRONG_SHARE, SURE_SHARE, CURED_SHARE, MARGIN = 0.5, 0.7, 0.6, 0.15
SURE_UNHIDDEN, RELATIVE_NEAR = 0.9, 0.03
MIN_UNJUDGED, MIN_DEPTH_SHARE = 6, 0.005
FAR_MEDIANS = 200.0
MOST_SKIPPED, SKIPPED = 0.8, "frames skipped"
DARK = "no depth", "little depth"
EXPECTED = {
    "pose invalid": "a pose is a rigid 4x4 transform within 10 km of the origin",
    "depth unreadable": "depth is of 16 bits or floating point",
    "color unreadable": "color is an image of 8 bits",
    "size differs": "all images of a kind are of one size, that of their camera_info",
}
"""What a usable frame has, by the reason why one is skipped."""
HEALTHY = "healthy frames have 0.58 to 0.99"
TO_FOLDER, TO_STREAM = "folder", "stream"


def sample(length: int) -> list[int]:
    """The places of at most :data:`MOST_FRAMES` frames, spread over a recording, ascending.

    Of a long one groups, whose frames are near enough to show the same, whatever the rate.
    """
    if length <= LONG:
        return sorted({round(p) for p in np.linspace(0, max(0, length - 1), MOST_FRAMES)
                       if p < length})  # fmt: skip
    starts = np.linspace(0, length - 1 - GROUP[-1], GROUPS)
    return [round(start) + offset for start in starts for offset in GROUP]


def skipped(count: SkipCount, asked: int) -> Examination:
    """What became of frames that were asked for and did not come."""
    reasons, total = count.reasons, count.total
    if not total:
        return Examination()
    why = ", ".join(f"{reason}: {n}" for reason, n in reasons.items())
    if total <= MOST_SKIPPED * asked:
        return Examination(told=(f"{total} frames skipped: {why}",))
    return Examination((Finding(
        SKIPPED, f"{total} of {max(asked, total)} frames cannot be used",
        "; ".join(count.lines),
        "; ".join(EXPECTED[reason] for reason in reasons if reason in EXPECTED),
    ),))  # fmt: skip


def judge(looks: Sequence[Look], given: Given, to: str) -> Examination:
    """What is wrong with a sample of frames of one recording.

    given: what they were read with. to: :data:`TO_FOLDER` or :data:`TO_STREAM`, whose flags are
    named. Too few frames, or frames that show nothing in common, are no fault: that is told.
    """
    if not looks:
        return Examination(told=("no frames to judge",))
    depth = _depth(looks)
    if depth.findings:
        return depth
    found = agreement(looks)
    return depth + _agreement(looks, found, given, to)


def _depth(looks: Sequence[Look]) -> Examination:
    shares = [float((look.depth > 0).mean()) for look in looks]
    share, empty = float(np.median(shares)), sum(s == 0 for s in shares)
    of = _count(len(looks), "frame")
    if empty == len(looks):
        return Examination((Finding(
            DARK[0], "no pixel has depth", f"0 % of the pixels of {of}",
            "the files are black, or hold units that put all depth beyond 20 m",
            "--depth.units_per_m",
        ),))  # fmt: skip
    median = f"{of}: median depth {median_depth_m(looks):.2f} m, {share:.0%} of the pixels have it"
    if empty > len(looks) / 2 or share < MIN_DEPTH_SHARE:
        return Examination((Finding(
            DARK[1], "hardly any pixel has depth", f"{median}, {empty} frames have none",
            "units that put most depth beyond 20 m or below the first one",
            "--depth.units_per_m",
        ),))  # fmt: skip
    return Examination(told=(median,))


def _agreement(
    looks: Sequence[Look], found: Agreement, given: Given, to: str
) -> Examination:
    still = "; the camera hardly moves, which shows little" if is_still(looks) else ""
    little = "" if found.share >= WRONG_SHARE else " in what is not hidden from one to the next"
    agree = Examination(told=(f"frames agree{little}: {_shares(found)}{still}",))
    if found.judged and (found.share >= SURE_SHARE or (
        found.share >= WRONG_SHARE and found.unhidden >= SURE_UNHIDDEN
    )):  # fmt: skip
        return agree
    wrong = found.judged and found.unhidden < WRONG_SHARE
    if wrong and is_static(looks):
        return Examination((Finding(
            "static poses", "all poses are the same, but the frames show different things",
            f"{_count(len(looks), 'frame')}; {_shares(found)}; {HEALTHY}",
            "poses were never estimated: start the localization before recording",
            "" if to == TO_FOLDER else "pose.source, map_frame",
        ),))  # fmt: skip
    if not found.judged and len(looks) < MIN_UNJUDGED:
        return _unjudged(looks, found)
    before = f"{found.share:.2f}" if found.pairs else "nothing"
    best = _best(looks, found, given, to)
    if best is not None:
        cure, after = best.cure, best.after
        flag = cure.folder if to == TO_FOLDER else cure.stream
        return Examination((Finding(
            cure.kind, cure.said,
            f"neighbors agree in {before} of their depth within {NEAR_M * 100:g} cm as given, in"
            f" {after.share:.2f} so read ({after.pairs} pairs; {HEALTHY})",
            cure.remedy, flag,
        ),))  # fmt: skip
    if not found.judged:
        return _unjudged(looks, found)
    if not wrong:
        return agree
    return Examination((Finding(
        "agreement", "the frames contradict each other",
        f"{_shares(found)}, {found.unhidden:.2f} of what is not hidden; {HEALTHY}",
        "none of the known ones helps (inverse poses, axes, units, intrinsics, depth along rays):"
        " check time stamps, the mount of the camera and the localization",
    ),))  # fmt: skip


def _unjudged(looks: Sequence[Look], found: Agreement) -> Examination:
    median_m = median_depth_m(looks)
    low, high = MEDIAN_RANGE_M
    if not low <= median_m <= high:
        return Examination((Finding(
            "depth units", f"half of all depth is {'below' if median_m < low else 'above'} "
            f"{median_m:.3g} m", f"expected a median of {low:g} to {high:g} m",
            "set the units of depth", "--depth.units_per_m",
        ),))  # fmt: skip
    distance, _ = motions(looks)
    nearest = np.where(np.eye(len(looks), dtype=bool), np.inf, distance).min(axis=1)
    if len(looks) > 1 and float(np.median(nearest)) > FAR_MEDIANS * median_m:
        return Examination((Finding(
            "pose units", "the cameras are too far apart for what they see",
            f"{np.median(nearest):.0f} m to the nearest, median depth {median_m:.2f} m",
            "poses in millimeters?", "--folder.pose_units_per_m 1000",
        ),))  # fmt: skip
    seen = f"{_count(found.pairs, 'pair')} of {_count(len(looks), 'frame')} show the same"
    return Examination(told=(f"agreement of frames not judged: {seen}",))


@dataclass(frozen=True)
class _Tried:
    cure: Cure
    after: Agreement


def _best(
    looks: Sequence[Look], found: Agreement, given: Given, to: str
) -> _Tried | None:
    """The cure by which the frames agree clearly better than without, and than by any other that
    is as likely."""
    before = found.share if found.judged else 0.0
    needed = MIN_UNJUDGED if not found.judged else max(3, len(looks) // 3)
    contradict = not found.judged or found.unhidden < SURE_UNHIDDEN
    for tries in _by_likelihood(looks, given, to if contradict else ""):
        tried = [_Tried(cure, after) for cure in tries
                 if (after := _after(cure, looks)).pairs >= needed]  # fmt: skip
        best = max(tried, key=lambda one: one.after.share, default=None)
        if best is not None and best.after.share >= max(CURED_SHARE, before + MARGIN):
            return best
    return None


def _by_likelihood(looks: Sequence[Look], given: Given, to: str) -> Iterator[list[Cure]]:
    """Single cures; of folders what is rarer, another focal length and another scale of the poses;
    two at once. Where frames do not contradict each other (``to`` is empty), as little of one is
    seen in another, single ones alone: among many, one agrees by chance."""
    meant, others = cures(looks, given)
    yield meant + others
    if to == TO_FOLDER:
        yield rarer_cures(given)
        yield [cure for cure in (focal_cure(looks, given),) if cure is not None]
        yield [cure for cure in (pose_scale_cure(looks),) if cure is not None]
    if to:
        yield [a.then(b) for a in meant for b in others]


def _after(cure: Cure, looks: Sequence[Look]) -> Agreement:
    """The agreement after a cure; where the scale changes, by a tolerance that does not let all
    agree that is small."""
    cured = [cure.apply(look) for look in looks]
    if not cure.rescales:
        return agreement(cured)
    median_m = median_depth_m(cured)
    if not MEDIAN_RANGE_M[0] <= median_m <= MEDIAN_RANGE_M[1]:
        return NOT_JUDGED
    return agreement(cured, min(NEAR_M, RELATIVE_NEAR * median_m))


def _shares(found: Agreement) -> str:
    return (
        f"{found.share:.2f} of the depth of neighbors within {NEAR_M * 100:g} cm"
        f" ({_count(found.pairs, 'pair')})"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
