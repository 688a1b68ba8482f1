"""What is wrong with topics, recorded or live: names, stamps, rates, registration."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Intrinsics
from om3d_core.doctor.findings import Finding

ALIKE = 0.5
ENOUGH, PERCENTILE, SLOP_STEP_S, MAX_SLOP_S = 0.5, 95, 0.005, 1.0
SAME_VIEW, FAR_M = 0.02, 100.0
S_PER_NS = 1e-9

Stamps = npt.NDArray[np.int64]

ALIGN = (
    "use depth that is aligned to color (realsense: align_depth.enable, topic"
    " aligned_depth_to_color; else depth_image_proc/register)"
)
"""What mends depth that is not registered to color."""


@dataclass(frozen=True, eq=False)
class Heard:
    """What came on a topic: (N,) int64 stamps of the headers, and the frame of the first.

    parts: (N,) ints, of which part of a recording each is that was not read between them; None
    for one without gaps.
    """

    topic: str
    stamps_ns: Stamps
    frame: str = ""
    parts: npt.NDArray[np.int64] | None = None

    @property
    def rate_hz(self) -> float:
        """Messages a second by their stamps; 0 for fewer than two."""
        order = np.argsort(self.stamps_ns, kind="stable")
        steps_ns = np.diff(self.stamps_ns[order])
        if self.parts is not None:
            steps_ns = steps_ns[np.diff(self.parts[order]) == 0]
        span_s = float(steps_ns.sum()) * S_PER_NS
        return len(steps_ns) / span_s if span_s else 0.0

    def __str__(self) -> str:
        return f"{self.topic} {self.rate_hz:.1f} Hz"


def nearest(name: str, names: Collection[str]) -> str:
    """The name most alike, empty where none is; a name that ends alike counts as more alike."""
    tail = name.strip("/").rpartition("/")[2]

    def likeness(other: str) -> float:
        alike = difflib.SequenceMatcher(None, name.strip("/"), other.strip("/")).ratio()
        return alike + 0.2 * (other.rpartition("/")[2] == tail)

    best = max(sorted(names), key=likeness, default="")
    return best if best and likeness(best) >= ALIKE else ""


def misnamed(
    wanted: Mapping[str, str], counts: Mapping[str, int], flags: Mapping[str, str],
    alike: Mapping[str, Collection[str]],
) -> list[Finding]:
    """Topics that do not exist or from which nothing came.

    wanted: topic by purpose. counts: messages by topic that exists. flags: what names the topic,
    by purpose, ``{}`` for the name. alike: topics of the same type, by purpose.
    """
    found = []
    for purpose, name in wanted.items():
        if counts.get(name):
            continue
        others = [other for other in alike.get(purpose, ()) if other != name]
        other = nearest(name, others)
        known = ", ".join(sorted(others)) or "none"
        found.append(Finding(
            f"{purpose} topic", f"nothing comes on {name}" if name in counts
            else f"there is no topic {name}", f"topics of its type: {known}",
            f"use {other}, the most alike" if other else "nothing alike is there: start it, or"
            " record it",
            flags.get(purpose, "").format(other) if other else "",
        ))  # fmt: skip
    return found


def out_of_step(color: Heard, other: Heard, purpose: str, slop_s: float) -> Finding | None:
    """Whether most stamps have no partner on the other topic, and by how much they are off.

    The topic with fewer messages is judged: the other may well be faster.
    """
    if not len(color.stamps_ns) or not len(other.stamps_ns):
        return None
    offsets_s = _offsets_s(color, other)
    paired = float((np.abs(offsets_s) <= slop_s).mean())
    if paired >= ENOUGH:
        return None
    offset_s, needed_s = float(np.median(offsets_s)), bridging_slop_s(color, other)
    when = "later" if offset_s > 0 else "earlier"
    return Finding(
        "stamps out of step",
        f"the stamps of {other.topic} ({purpose}) are {seconds(offset_s)} {when} than those of"
        f" {color.topic}",
        f"{paired:.0%} of {len(offsets_s)} have a partner within sync.slop_s = {slop_s:g} s;"
        f" rates {color.rate_hz:.1f} and {other.rate_hz:.1f} Hz",
        "stamp both when they are taken, by one clock"
        + ("; or pair them as they are" if needed_s else ""),
        f"--sync.slop_s {needed_s:.3g}" if needed_s else "",
    )


def bridging_slop_s(color: Heard, other: Heard) -> float:
    """The ``sync.slop_s`` that pairs nearly all, 0 where that would pair what does not belong."""
    off_s = float(np.percentile(np.abs(_offsets_s(color, other)), PERCENTILE))
    needed_s = math.ceil(off_s / SLOP_STEP_S) * SLOP_STEP_S
    rate_hz = min(color.rate_hz, other.rate_hz)
    return needed_s if rate_hz and needed_s <= min(MAX_SLOP_S, 1 / rate_hz) else 0.0


def uncovered(color: Heard, pose: Heard, tolerance_s: float, max_gap_s: float) -> Finding | None:
    """Whether poses do not reach the time of the images, or are too rare to be interpolated."""
    if not len(color.stamps_ns) or not len(pose.stamps_ns):
        return None
    sorted_ns = np.sort(pose.stamps_ns)
    low, high = sorted_ns[0] - tolerance_s * 1e9, sorted_ns[-1] + tolerance_s * 1e9
    inside = float(((color.stamps_ns >= low) & (color.stamps_ns <= high)).mean())
    if inside < ENOUGH:
        off_s = (float(np.median(sorted_ns)) - float(np.median(color.stamps_ns))) * S_PER_NS
        when = "later" if off_s > 0 else "earlier"
        return Finding(
            "stamps of poses", f"the stamps of {pose.topic} are {seconds(off_s)} {when} than the"
            " images", f"{inside:.0%} of the images are within the time of the poses",
            "stamp both by one clock",
        )
    gap_s = float(np.median(np.diff(sorted_ns))) * S_PER_NS if len(sorted_ns) > 1 else 0.0
    if gap_s <= max_gap_s:
        return None
    return Finding(
        "rate of poses", f"the poses of {pose.topic} are too rare to be interpolated",
        f"{seconds(gap_s)} apart, pose.max_gap_s is {max_gap_s:g}",
        "publish them more often", f"--pose.max_gap_s {math.ceil(1.5 * gap_s):g}",
    )  # fmt: skip


def unregistered(
    depth: Heard, color_k: Intrinsics | None, depth_k: Intrinsics | None, flag: str
) -> Finding | None:
    """Whether depth that is taken as registered has a camera_info that says otherwise.

    flag: what names the topic of depth.
    """
    if not color_k or not depth_k or _same_view(color_k, depth_k):
        return None
    return Finding(
        "registration", f"{depth.topic} is not registered to color",
        f"its own camera_info says fx = {depth_k.fx:.0f} of {depth_k.width} px, color's"
        f" {color_k.fx:.0f} of {color_k.width} px", ALIGN, flag,
    )


def seconds(value_s: float) -> str:
    """A time without its sign, for people."""
    size = abs(value_s)
    return f"{size * 1e3:.0f} ms" if size < 1 else f"{size:.1f} s"


def rates(heard: Sequence[Heard]) -> str:
    """The rates of topics in one line."""
    return ", ".join(str(one) for one in heard)


def floats_in_millimeters(encoding: str, pixels: bytes, units_per_m: float) -> Finding | None:
    """Whether a raw depth image, little-endian, is of floating point in other units than given."""
    if encoding != "32FC1":
        return None
    values = np.frombuffer(pixels[: len(pixels) // 4 * 4], "<f4")
    values = values[np.isfinite(values) & (values > 0)]
    median = float(np.median(values)) if len(values) else 0.0
    if median <= FAR_M * units_per_m:
        return None
    return Finding(
        "depth units", "depth of floating point is in millimeters, not meters",
        f"median {median:.0f}", "publish meters, or 16UC1 (REP 118)",
        "--depth.float_units_per_m 1000",
    )


def _offsets_s(color: Heard, other: Heard) -> npt.NDArray[np.float64]:
    """(N,) by how much the other topic's nearest message is later, for each of the fewer ones."""
    few, many = sorted((color.stamps_ns, other.stamps_ns), key=len)
    sign = 1.0 if few is color.stamps_ns else -1.0
    ordered = np.sort(many)
    right = np.clip(np.searchsorted(ordered, few), 0, len(ordered) - 1)
    left = np.maximum(right - 1, 0)
    later, earlier = ordered[right] - few, ordered[left] - few
    nearest_ns = np.where(np.abs(later) < np.abs(earlier), later, earlier)
    return np.asarray(sign * S_PER_NS * nearest_ns, np.float64)


def _same_view(a: Intrinsics, b: Intrinsics) -> bool:
    def shares(k: Intrinsics) -> npt.NDArray[np.float64]:
        return np.array([k.fx / k.width, k.fy / k.height, k.cx / k.width, k.cy / k.height])

    return bool(np.abs(shares(a) - shares(b)).max() < SAME_VIEW)
