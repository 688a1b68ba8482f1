"""The quality-of-service profiles of the nodes; each can be overridden by parameters."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.duration import Duration
from rclpy.exceptions import ParameterException
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from om3d_core.errors import SettingsError

if TYPE_CHECKING:
    from rclpy.node import Node

OFFERED_LEASE_S, REQUESTED_LEASE_S = 2.0, 5.0
RECORDED_DEPTH = 60
REQUEST_DEPTH = 1000
POSE_DEPTH = 200
AS_OFFERED = "auto"
RELIABILITIES = (AS_OFFERED, "reliable", "best_effort")
MAX_DEPTH = 100_000


def following(
    offered: Sequence[QoSProfile], depth: int, reliability: str = AS_OFFERED
) -> QoSProfile:
    """An input: reliable and latched if every publisher is, so that it hears all of them.

    Before there is one it is reliable: then nothing is missed while a latched one is followed.

    reliability: one of :data:`RELIABILITIES`; any but the first is asked for whatever is offered.
    """
    reliable = not offered or _all(offered, "reliability", ReliabilityPolicy.RELIABLE)
    if reliability != AS_OFFERED:
        reliable = reliability == "reliable"
    latched = reliable and _all(offered, "durability", DurabilityPolicy.TRANSIENT_LOCAL)
    return _profile(
        ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        depth,
    )


def is_heard(offered: QoSProfile, asked: QoSProfile) -> bool:
    """Whether a subscription that asks for ``asked`` gets what is published as ``offered``."""
    return not (
        (asked.reliability == ReliabilityPolicy.RELIABLE
         and offered.reliability == ReliabilityPolicy.BEST_EFFORT)
        or (asked.durability == DurabilityPolicy.TRANSIENT_LOCAL
            and offered.durability == DurabilityPolicy.VOLATILE)
    )


class Overrides:
    """Parameters ``qos_overrides.<topic>.subscription.<policy>`` of an input, declared.

    They are those of rclpy, but that reliability and durability follow the publishers where they
    are not set. Raises SettingsError for a value that the policy does not have.
    """

    def __init__(self, node: Node, topic: str, depth: int):
        self._chosen: dict[str, IntEnum] = {}
        prefix = f"qos_overrides.{topic}.subscription"
        for policy, kind in (
            ("history", HistoryPolicy),
            ("reliability", ReliabilityPolicy),
            ("durability", DurabilityPolicy),
        ):
            name = f"{prefix}.{policy}"
            value = _declared(node, name, AS_OFFERED)
            if value == AS_OFFERED:
                continue
            if value.upper() not in kind.__members__:
                allowed = ", ".join((AS_OFFERED, *map(str.lower, kind.__members__)))
                raise SettingsError(f"{name}: expected one of {allowed}, got {value!r}")
            self._chosen[policy] = kind[value.upper()]
        self.depth = int(_declared(node, f"{prefix}.depth", depth))
        if not 1 <= self.depth <= MAX_DEPTH:
            raise SettingsError(f"{prefix}.depth: expected 1 .. {MAX_DEPTH}, got {self.depth}")

    def apply(self, profile: QoSProfile) -> QoSProfile:
        """``profile`` with what the parameters say; returns it."""
        for policy, value in self._chosen.items():
            setattr(profile, policy, value)
        profile.depth = self.depth
        return profile


def results() -> QoSProfile:
    """Results and diagnostics: nothing is lost between peers that are there."""
    return _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, 10)


def latched() -> QoSProfile:
    """Scene topics: the last message also reaches those who come late."""
    return _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL, 1)


def requests() -> QoSProfile:
    """Services: the questions of many clients at once wait, and none is lost.

    Clients that ask beside many others should use it too: DDS brings each answer to all of them.
    """
    return _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, REQUEST_DEPTH)


def recorded() -> QoSProfile:
    """What plays a recording: nothing is lost, even if a subscriber connects a moment later."""
    return _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL, RECORDED_DEPTH)


def latched_alive() -> QoSProfile:
    """A latched topic whose publisher gives signs of life."""
    profile = latched()
    profile.liveliness_lease_duration = Duration(seconds=OFFERED_LEASE_S)
    return profile


def watching() -> QoSProfile:
    """For who notices within seconds that a publisher is gone, and needs no message of it."""
    profile = _profile(ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE, 1)
    profile.liveliness_lease_duration = Duration(seconds=REQUESTED_LEASE_S)
    return profile


def overridable() -> QoSOverridingOptions:
    """Parameters ``qos_overrides.<topic>.<publisher or subscription>.<policy>``."""
    return QoSOverridingOptions(
        (
            QoSPolicyKind.HISTORY,
            QoSPolicyKind.DEPTH,
            QoSPolicyKind.RELIABILITY,
            QoSPolicyKind.DURABILITY,
        ),
        callback=_check,
    )


def _check(profile: QoSProfile) -> SetParametersResult:
    if 1 <= profile.depth <= MAX_DEPTH:
        return SetParametersResult(successful=True)
    return SetParametersResult(
        successful=False, reason=f"depth: expected 1 .. {MAX_DEPTH}, got {profile.depth}"
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


def _all(offered: Sequence[QoSProfile], policy: str, value: IntEnum) -> bool:
    return bool(offered) and all(getattr(profile, policy) == value for profile in offered)


def _declared(node: Node, name: str, default: Any) -> Any:
    """The value of a parameter, which is declared if it is not yet."""
    if node.has_parameter(name):
        return node.get_parameter(name).value
    try:
        descriptor = ParameterDescriptor(
            description="of this subscription; read when the node is activated", read_only=True
        )
        return node.declare_parameter(name, default, descriptor).value
    except ParameterException as error:
        raise SettingsError(
            f"{name}: expected {type(default).__name__}, got a value of another type"
        ) from error
