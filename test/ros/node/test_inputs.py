"""Inputs follow their publishers; the executor keeps requests and inputs apart."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from std_srvs.srv import Trigger

from om3d_core.errors import SettingsError
from om3d_ros.node import inputs
from om3d_ros.node.executor import NodeExecutor, OneAtATime
from om3d_ros.node.inputs import Input
from om3d_ros.node.patience import Patience

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
VOLATILE, LATCHED = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL
TIMEOUT_S = 20.0


class World:
    """A node that listens and one that publishes, in one process."""

    def __init__(self, domain, *arguments):
        self.context = Context()
        rclpy.init(args=list(arguments), context=self.context, domain_id=domain)
        self.listener = rclpy.create_node("listener", context=self.context)
        self.talker = rclpy.create_node("talker", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        for node in (self.listener, self.talker):
            self.executor.add_node(node)
        self.heard = []
        self.sent = 0

    def listen(self, depth=20, reliability="auto"):
        def take(message):
            self.heard.append(message.header.frame_id)

        self.input = Input(self.listener, PoseStamped, "pose", take, depth, reliability)
        return self.input

    def publisher(self, reliability=RELIABLE, durability=VOLATILE, depth=20):
        profile = QoSProfile(depth=depth, reliability=reliability, durability=durability)
        return self.talker.create_publisher(PoseStamped, "pose", profile)

    def send(self, publisher, name=None):
        message = PoseStamped()
        message.header.frame_id = name or str(self.sent)
        publisher.publish(message)
        self.sent += 1

    def spin(self, seconds=0.05):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.01)

    def until(self, done, what):
        end = time.monotonic() + TIMEOUT_S
        while not done():
            assert time.monotonic() < end, f"waited in vain for {what}; heard {self.heard[-20:]}"
            self.spin(0.02)
            self.input.watch()

    def close(self):
        self.executor.shutdown()
        for node in (self.listener, self.talker):
            node.destroy_node()
        self.context.try_shutdown()


@contextmanager
def world_of(domain, *arguments):
    world = World(domain, *arguments)
    try:
        yield world
    finally:
        world.close()


@pytest.fixture
def world(ros_domain_id):
    with world_of(ros_domain_id) as world:
        yield world


@pytest.mark.parametrize(
    ("offers", "delivery"),
    [
        ([(RELIABLE, VOLATILE)], "reliable"),
        ([(BEST_EFFORT, VOLATILE)], "best effort"),
        ([(RELIABLE, LATCHED)], "reliable, latched"),
        ([(RELIABLE, LATCHED), (RELIABLE, VOLATILE)], "reliable"),
        ([(RELIABLE, LATCHED), (BEST_EFFORT, VOLATILE)], "best effort"),
    ],
)
def test_what_every_publisher_offers_is_asked_for_and_all_are_heard(world, offers, delivery):
    source = world.listen()
    publishers = [world.publisher(*offer) for offer in offers]
    world.until(lambda: source.delivery == delivery, delivery)
    for name, publisher in enumerate(publishers):
        def heard(name=str(name), publisher=publisher):
            world.send(publisher, name)
            return name in world.heard

        world.until(heard, "a message of each")


def test_what_was_published_before_comes_from_those_who_keep_it(world):
    publisher = world.publisher(durability=LATCHED)
    for _ in range(3):
        world.send(publisher)
    world.listen()
    world.until(lambda: world.heard == ["0", "1", "2"], "the history, once")


def test_nothing_is_lost_or_doubled_when_publishers_come_and_go(world, monkeypatch):
    monkeypatch.setattr(inputs, "HANDOVER_S", 0.3)
    source, first = world.listen(), world.publisher()
    world.until(lambda: first.get_subscription_count() == 1, "the connection")
    world.until(lambda: source.delivery == "reliable", "reliable delivery")
    second = None
    for step in range(150):
        world.send(first)
        world.spin(0.01)
        source.watch()
        if step == 50:
            second = world.publisher(BEST_EFFORT)
        if step == 100:
            world.talker.destroy_publisher(second)
    world.until(lambda: source.delivery == "reliable", "reliable delivery again")
    world.until(lambda: first.get_subscription_count() == 1, "the end of the former ones")
    world.spin(0.2)
    assert world.heard == [str(i) for i in range(150)]
    assert source.arrivals.lost == 0 and source.arrivals.received == 150


def test_what_was_never_heard_is_subscribed_to_anew(world, monkeypatch):
    monkeypatch.setattr(inputs, "Patience", lambda: Patience(0.3))
    monkeypatch.setattr(inputs, "HANDOVER_S", 0.3)
    make, topics = world.listener.create_subscription, ["elsewhere"]

    def deaf_once(kind, topic, *given, **options):
        return make(kind, topics.pop() if topics else topic, *given, **options)

    monkeypatch.setattr(world.listener, "create_subscription", deaf_once)
    publisher = world.publisher(durability=LATCHED)
    world.send(publisher)
    world.listen()
    world.until(lambda: world.heard == ["0"], "what was published")
    for _ in range(40):
        world.spin(0.02)
        world.input.watch()
    assert world.heard == ["0"] and publisher.get_subscription_count() == 1


def test_messages_that_overflow_the_queue_are_counted(world):
    source, publisher = world.listen(depth=5), world.publisher()
    world.until(lambda: source.delivery == "reliable", "reliable delivery")
    world.until(lambda: publisher.get_subscription_count() == 1, "the connection")
    world.send(publisher)
    world.until(lambda: world.heard == ["0"], "the first message")
    for _ in range(15):
        world.send(publisher)
    time.sleep(0.3)
    world.until(lambda: world.heard[-1] == "15", "the last message")
    assert len(world.heard) == 6 and source.arrivals.lost == 10


def test_a_fixed_reliability_is_kept_and_what_it_cannot_hear_is_said(world):
    source = world.listen(reliability="reliable")
    world.publisher(BEST_EFFORT)
    world.until(lambda: source.complaints, "a complaint")
    assert "1 of 1" in source.complaints[0] and "/pose" in source.complaints[0]
    assert "sensor.reliability" in source.complaints[0]


def test_overrides_win_over_the_setting_and_the_publishers(ros_domain_id):
    prefix = "qos_overrides./pose.subscription"
    arguments = ["--ros-args", "-p", f"{prefix}.reliability:=best_effort", "-p",
                 f"{prefix}.depth:=3"]
    with world_of(ros_domain_id, *arguments) as world:
        publisher, source = world.publisher(), world.listen(reliability="reliable")
        world.until(lambda: publisher.get_subscription_count() == 1, "the connection")
        world.spin(0.3)
        source.watch()
        assert source.delivery == "best effort"
        assert world.listener.get_parameter(f"{prefix}.depth").value == 3


@pytest.mark.parametrize(
    ("override", "said"),
    [("reliability:=sure", "reliable"), ("depth:=many", "int"), ("history:=7", "str")],
)
def test_a_bad_override_is_an_error_that_names_it(ros_domain_id, override, said):
    name = f"qos_overrides./pose.subscription.{override}"
    with world_of(ros_domain_id, "--ros-args", "-p", name) as world:
        with pytest.raises(SettingsError, match=said) as caught:
            world.listen()
        assert name.partition(":=")[0] in str(caught.value)


def test_a_long_request_does_not_keep_inputs_waiting(ros_domain_id):
    with world_of(ros_domain_id) as world:
        release, started = threading.Event(), threading.Event()

        def answer(request, response):
            started.set()
            assert release.wait(TIMEOUT_S)
            return response

        world.executor.remove_node(world.listener)
        world.listener.create_service(Trigger, "slow", answer, callback_group=OneAtATime())
        executor = NodeExecutor(context=world.context)
        executor.add_node(world.listener)
        source, publisher = world.listen(), world.publisher()
        ended = Future(executor=executor)
        spinning = threading.Thread(target=executor.spin_until_future_complete, args=(ended,))
        spinning.start()
        client = world.talker.create_client(Trigger, "slow")
        try:
            world.until(client.service_is_ready, "the service")
            world.until(lambda: source.delivery == "reliable", "reliable delivery")
            futures = [client.call_async(Trigger.Request()) for _ in range(3)]
            world.until(started.is_set, "the request to start")
            world.send(publisher)
            world.until(lambda: world.heard == ["0"], "the message")
            assert not any(future.done() for future in futures)
            release.set()
            world.until(lambda: all(future.done() for future in futures), "the answers")
        finally:
            release.set()
            ended.set_result(None)
            spinning.join(TIMEOUT_S)
            executor.shutdown()
        assert not spinning.is_alive()
