"""A latched topic that is filled on demand, with a publisher that only counts."""

from __future__ import annotations

import pytest
from std_msgs.msg import String

from om3d_ros.node.on_demand import OnDemand


class Node:
    """Who listens, what was published, and what was made for it."""

    def __init__(self):
        self.listeners, self.published, self.made = 0, [], []
        self.topic = OnDemand(self, String, "~/topic", None)

    def publisher(self, kind, topic, profile, callback_group, event_callbacks):
        self._matched = event_callbacks.matched
        return self

    def get_subscription_count(self):
        return self.listeners

    def publish(self, publisher, message):
        self.published.append(message.data)

    def offer(self, text, anew=False):
        def make():
            self.made.append(text)
            return String(data=text)

        self.topic.offer(make, hash(text), anew)

    def listen(self):
        self.listeners += 1
        self._matched(None)


@pytest.fixture
def node():
    return Node()


def test_nothing_is_made_for_nobody(node):
    node.offer("a")
    node.offer("b")
    assert not node.made
    node.listen()
    assert node.published == node.made == ["b"]


def test_who_comes_later_finds_it_latched(node):
    node.listen()
    node.offer("a")
    node.listen()
    assert node.published == ["a"]


def test_the_same_is_published_again_if_it_must_be_only(node):
    node.listen()
    for text, anew in (("a", False), ("a", False), ("a", True), ("b", False), ("a", False)):
        node.offer(text, anew)
    assert node.published == node.made == ["a", "a", "b", "a"]
