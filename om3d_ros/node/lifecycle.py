"""What the two nodes share: lifecycle, parameters, diagnostics and entities."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock, JumpThreshold, TimeJump
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.exceptions import InvalidHandle, ParameterException
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher, LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn as Transition
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import InvalidQosOverridesError
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from om3d_core.errors import Om3dError, SettingsError, reason_of
from om3d_ros.node import qos
from om3d_ros.node.diagnostics import DiagnosticsPublisher, Health
from om3d_ros.node.inputs import WATCH_PERIOD_S, Input
from om3d_ros.node.outcomes import NotActiveError
from om3d_ros.node.parameters import NodeParameters, ParameterSet, changes_among
from om3d_ros.node.settings import DiagnosticsSettings, LifecycleSettings
from om3d_ros.node.told_once import ToldOnce

T = TypeVar("T")
# A step of the clock from which on it is told; the smaller ones are those of any /clock.
LEAP_NS = 10_000_000_000


class ManagedNode(LifecycleNode):
    """A lifecycle node whose work is in the hooks below, each called in the transition's thread.

    Subscriptions and timers made in :meth:`start` end with the state active, publishers made in
    :meth:`set_up` with the state inactive. Services live as long as the node and answer
    NOT_ACTIVE outside of the state active. A hook that raises fails its transition, and what it
    had made is undone; what only stops and frees goes through in any case, so that every state
    can be left. An autostart that fails calls ``on_failed_start``.
    """

    def __init__(self, name: str, parameters: ParameterSet, settings: type[LifecycleSettings]):
        super().__init__(name)
        self._configured = False
        self._active = False
        self._closed = False
        self._transition = threading.RLock()
        self.on_failed_start: Callable[[], None] = lambda: None
        self._publishers_made: list[LifecyclePublisher[Any]] = []
        self._subscriptions_made: list[Subscription[Any]] = []
        self._inputs_made: list[Input] = []
        self._timers_made: list[Timer] = []
        self.parameters = NodeParameters(self, parameters, lambda: self._configured, self._apply)
        diagnostics = self._diagnostics_settings(settings)
        self._diagnostics = DiagnosticsPublisher(self, diagnostics.period_s, self._report)
        self._told = ToldOnce(self.get_logger().warning)
        self._settings_type = settings
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=Duration(nanoseconds=LEAP_NS), min_backward=Duration(nanoseconds=-1),
                on_clock_change=False,
            ),
            post_callback=self._clock_jumped,
        )
        self.steady_timer(WATCH_PERIOD_S, self._watch)
        if self.parameters.get(settings).autostart:
            self._autostart = self.steady_timer(0.01, self._start_up)

    def greet(self) -> None:
        """Say what the node waits for, now that it is complete."""
        if not self.parameters.get(self._settings_type).autostart:
            self.get_logger().info("unconfigured: a lifecycle manager, or autostart, starts it")

    def set_up(self) -> None:
        """Load models and make publishers."""
        raise NotImplementedError

    def start(self) -> None:
        """Make subscriptions and timers."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop the work; what was learned stays."""

    def tear_down(self) -> None:
        """Free what :meth:`set_up` loaded, however far it came."""

    def apply(self, names: Collection[str]) -> None:
        """Use parameters that were changed at run time."""

    def clock_went_back(self) -> None:
        """React to a backward jump of the node's clock."""

    def health(self) -> Health:
        """What /diagnostics says of this node."""
        raise NotImplementedError

    @property
    def is_active(self) -> bool:
        """Whether the node is in the state active."""
        return self._active

    def require_active(self) -> None:
        """Raise :class:`NotActiveError` outside of the state active."""
        if not self._active:
            raise NotActiveError(f"expected {self.get_name()} to be active, it is not")

    def publisher(
        self, kind: type[Any], topic: str, profile: QoSProfile, **options: Any
    ) -> Any:
        """A lifecycle publisher until the next cleanup."""
        made = self._overridden(topic, lambda: self.create_lifecycle_publisher(
            kind, topic, profile, qos_overriding_options=qos.overridable(), **options
        ))
        self._publishers_made.append(made)
        return made

    def subscribe(
        self,
        kind: type[Any],
        topic: str,
        callback: Callable[[Any], None],
        profile: QoSProfile,
        **options: Any,
    ) -> Subscription[Any]:
        """A subscription until the next deactivation."""
        made = self._overridden(topic, lambda: self.create_subscription(
            kind, topic, callback, profile, qos_overriding_options=qos.overridable(), **options
        ))
        self._subscriptions_made.append(made)
        return made

    def end_subscription(self, subscription: Subscription[Any]) -> None:
        """Destroy a subscription of :meth:`subscribe` before its time."""
        self._subscriptions_made.remove(subscription)
        self.destroy_subscription(subscription)

    def listen(
        self,
        kind: type[Any],
        topic: str,
        callback: Callable[[Any], None],
        depth: int,
        reliability: str,
    ) -> Input:
        """A subscription that follows its publishers, until the next deactivation."""
        made = Input(self, kind, topic, callback, depth, reliability)
        self._inputs_made.append(made)
        return made

    def publish(self, publisher: LifecyclePublisher[Any], message: Any) -> None:
        """Publish, unless a transition has taken the publisher away meanwhile."""
        with suppress(InvalidHandle):
            publisher.publish(message)

    def serve(self, kind: type[Any], topic: str, callback: Any, group: CallbackGroup) -> None:
        """A service for the life of the node."""
        self.create_service(
            kind, topic, callback, qos_profile=qos.requests(), callback_group=group
        )

    def repeat(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """A timer on the node's clock until the next deactivation."""
        made = self.create_timer(period_s, callback)
        self._timers_made.append(made)
        return made

    def end_timer(self, timer: Timer) -> None:
        """Destroy a timer of :meth:`repeat` before its time."""
        self._timers_made.remove(timer)
        self.destroy_timer(timer)

    def steady_timer(
        self, period_s: float, callback: Callable[[], None], group: CallbackGroup | None = None
    ) -> Timer:
        """A timer on the steady clock for the life of the node."""
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        return self.create_timer(period_s, callback, group, clock=clock)

    def set_parameters_atomically(
        self, parameter_list: Sequence[Parameter[Any]]
    ) -> SetParametersResult:
        """As rclpy does, but what changes nothing is no change: it is never refused.

        So a parameter file that was dumped can be loaded, read-only parameters and all.
        """
        changes = changes_among(parameter_list, self)
        if parameter_list and not changes:
            return SetParametersResult(successful=True)
        return super().set_parameters_atomically(changes)

    def on_configure(self, state: LifecycleState) -> Transition:
        """Load models and make publishers."""
        with self._transition:
            if self._closed:
                return Transition.FAILURE
            self.get_logger().info("configuring")
            try:
                self.set_up()
            except Exception as error:
                self._unconfigure()
                return self._failure("configure", error)
            self._configured = True
            self.get_logger().info("configured")
            return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> Transition:
        """Begin to work."""
        with self._transition:
            if self._closed:
                return Transition.FAILURE
            result = super().on_activate(state)
            try:
                self.start()
            except Exception as error:
                self._deactivate(state)
                return self._failure("activate", error)
            self._active = True
            self.get_logger().info("active")
            return result

    def on_deactivate(self, state: LifecycleState) -> Transition:
        """Stop working."""
        with self._transition:
            return self._deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> Transition:
        """Free models and publishers."""
        with self._transition:
            self._unconfigure()
            return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> Transition:
        """Stop and free, from whatever state."""
        with self._transition:
            self._deactivate(state)
            self._unconfigure()
            return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> Transition:
        """Recover to the state unconfigured."""
        return self.on_shutdown(state)

    def close(self) -> None:
        """Free everything for good, once a transition under way has ended."""
        self._closed = True
        with self._transition:
            self._active = False
            self._destroy_inputs()
            self._unconfigure()

    def _deactivate(self, state: LifecycleState) -> Transition:
        self._active = False
        self._destroy_inputs()
        if self._configured:
            self._surely("stop", self.stop)
        return super().on_deactivate(state)

    def _destroy_inputs(self) -> None:
        for subscription in self._subscriptions_made:
            self.destroy_subscription(subscription)
        for made in self._inputs_made:
            made.destroy()
        for timer in self._timers_made:
            self.destroy_timer(timer)
        self._subscriptions_made.clear()
        self._inputs_made.clear()
        self._timers_made.clear()

    def _watch(self) -> None:
        for made in self._inputs_made:
            made.watch()
        if self._active:
            self._told.take(time.monotonic(), self._report().complaints)

    def _report(self) -> Health:
        """The health of the node, and of its clock."""
        health, clock = self.health(), self.get_clock()
        if not clock.ros_time_is_active or clock.now().nanoseconds:
            return health
        silent = {
            "clock": "use_sim_time is true, but nothing came on /clock: time stands still, and "
                     "with it refresh.period_s"
        }
        return replace(health, warnings={**silent, **health.warnings})

    def _clock_jumped(self, jump: TimeJump) -> None:
        by_ns = jump.delta.nanoseconds
        if self.get_clock().now().nanoseconds != by_ns:
            self.get_logger().warning(f"the clock jumped by {by_ns / 1e9:+.3f} s")
        if by_ns < 0:
            self.clock_went_back()

    def _unconfigure(self) -> None:
        self._surely("free what was loaded", self.tear_down)
        for publisher in self._publishers_made:
            self.destroy_lifecycle_publisher(publisher)
        self._publishers_made.clear()
        self._configured = False

    def _surely(self, what: str, hook: Callable[[], None]) -> None:
        """Run a hook that must not keep the node from leaving its state."""
        try:
            hook()
        except Exception as error:
            self._failure(what, error)

    def _overridden(self, topic: str, make: Callable[[], T]) -> T:
        """What ``make`` makes; an override of its quality of service that is wrong is an error."""
        try:
            return make()
        except (RuntimeError, ParameterException, InvalidQosOverridesError) as error:
            name = self.resolve_topic_name(topic)
            raise SettingsError(f"{name}: cannot use qos_overrides: {reason_of(error)}") from error

    def _failure(self, transition: str, error: Exception) -> Transition:
        self.get_logger().error(f"cannot {transition}: {error}")
        if not isinstance(error, (Om3dError, OSError)):
            import traceback

            self.get_logger().error("".join(traceback.format_exception(error)))
        return Transition.FAILURE

    def _apply(self, names: Collection[str]) -> None:
        if "diagnostics.period_s" in names:
            period_s = self._diagnostics_settings(self._settings_type).period_s
            self._diagnostics.set_period(period_s)
        self.apply(names)

    def _diagnostics_settings(self, settings: type[LifecycleSettings]) -> DiagnosticsSettings:
        return self.parameters.get(settings).diagnostics

    def _start_up(self) -> None:
        self._autostart.cancel()
        self.trigger_configure()
        if self._configured:
            self.trigger_activate()
        if not self._active and not self._closed:
            self.get_logger().fatal("autostart failed: the node ends")
            self.on_failed_start()
