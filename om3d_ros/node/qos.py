"""The quality-of-service profiles of the nodes; each can be overridden by parameters."""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

OFFERED_LEASE_S, REQUESTED_LEASE_S = 2.0, 5.0
RECORDED_DEPTH = 60


def sensor(depth: int = 5) -> QoSProfile:
    """Camera streams: the newest ``depth`` messages, losses allowed."""
    return _profile(ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE, depth)


def poses() -> QoSProfile:
    """Pose streams: small and frequent, so that a longer history costs nothing."""
    return _profile(ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE, 200)


def results() -> QoSProfile:
    """Results and diagnostics: nothing is lost between peers that are there."""
    return _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, 10)


def latched() -> QoSProfile:
    """Scene topics: the last message also reaches those who come late."""
    return _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL, 1)


def recorded() -> QoSProfile:
    """What plays a recording: nothing is lost, even if a subscriber connects a moment later."""
    return _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL, RECORDED_DEPTH)


def receive_all(topic: str) -> dict[str, str | int]:
    """Parameters that make a subscription lose nothing of a :func:`recorded` topic."""
    prefix = f"qos_overrides.{topic}.subscription"
    return {
        f"{prefix}.reliability": "reliable",
        f"{prefix}.durability": "transient_local",
        f"{prefix}.depth": RECORDED_DEPTH,
    }


def latched_alive(*, publisher: bool) -> QoSProfile:
    """A latched topic whose subscribers notice within seconds that the publisher is gone."""
    profile = latched()
    lease_s = OFFERED_LEASE_S if publisher else REQUESTED_LEASE_S
    profile.liveliness_lease_duration = Duration(seconds=lease_s)
    return profile


def overridable() -> QoSOverridingOptions:
    """Parameters ``qos_overrides.<topic>.<publisher or subscription>.<policy>``."""
    return QoSOverridingOptions(
        (
            QoSPolicyKind.HISTORY,
            QoSPolicyKind.DEPTH,
            QoSPolicyKind.RELIABILITY,
            QoSPolicyKind.DURABILITY,
        )
    )


def _profile(
    reliability: ReliabilityPolicy, durability: DurabilityPolicy, depth: int
) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=durability,
    )
