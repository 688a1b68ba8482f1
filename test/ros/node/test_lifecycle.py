"""Both nodes, as users start them, through transitions, parameters and services in every order."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from helpers import ros2_param
from helpers.plain_nodes import EDGES, NODES, PlainNodes
from helpers.robot import code_name
from helpers.worlds import tabletop
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from lifecycle_msgs.srv import ChangeState, GetState
from om3d.srv import ClearMap, ListInstances, LoadMap, QueryText, SaveMap

from om3d_core.errors import SettingsError
from om3d_core.settings import build, flatten
from om3d_ros import mapper_node, query_node

PARAMETERS = {"mapper": mapper_node.PARAMETERS, "query": query_node.PARAMETERS}
LEAVES = {name: [leaf for leaf in p.leaves() if leaf.name != "map_root"]
          for name, p in PARAMETERS.items()}
LABELS = ("configure", "activate", "deactivate", "cleanup")
SERVICES = {
    "save": (SaveMap, "mapper/save", {"name": "a"}),
    "load": (LoadMap, "mapper/load", {"name": "a"}),
    "clear": (ClearMap, "mapper/clear", {}),
    "text": (QueryText, "query/query_text", {"text": "a red box"}),
    "list": (ListInstances, "query/list_instances", {}),
}
SECOND = 1_000_000_000
# What these name is imported and loaded, or missing, only after seconds.
HEAVY = {"proposals.method", "segmenter.method", "features.encoders"}
SHORT = settings(
    max_examples=5, stateful_step_count=40, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)
LONG = settings(SHORT, max_examples=40, stateful_step_count=60, derandomize=False)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory, ros_domain_id):
    with PlainNodes(tmp_path_factory.mktemp("lifecycle"), ros_domain_id) as nodes:
        yield nodes


@pytest.fixture
def active(nodes):
    """Both nodes, active, with default parameters."""
    for name in NODES:
        for label in ("configure", "activate"):
            if (nodes.state(name), label) in EDGES:
                assert nodes.transition(name, label)
    yield nodes
    for name in NODES:
        nodes.recover(name)


@pytest.mark.parametrize("name", NODES)
def test_deactivated_and_activated_again_with_the_default_parameters(active, name):
    for _ in range(2):
        assert active.transition(name, "deactivate")
        assert active.transition(name, "activate"), active.log(name)[-2000:]
    assert active.set_parameter("mapper", "refresh.period_s", 2.0).successful
    assert active.transition(name, "deactivate") and active.transition(name, "activate")
    assert active.set_parameter("mapper", "refresh.period_s", 5.0).successful


@pytest.mark.parametrize("name", NODES)
def test_what_is_dumped_is_loaded_active_and_unconfigured(active, name, tmp_path):
    path = tmp_path / "dump.yaml"
    before = active.parameters(name)
    path.write_text(ros2_param.dump(active, name))
    assert any(key.startswith("qos_overrides.") for key in before) and len(before) > 30
    assert ros2_param.refused(ros2_param.load(active, name, path)) == {}
    active.recover(name)
    results = ros2_param.load(active, name, path)
    assert ros2_param.refused(results) == {} and results.keys() == before.keys()
    assert active.parameters(name) == before


@pytest.mark.parametrize("name", NODES)
def test_the_shipped_parameters_are_loaded_active_and_unconfigured(active, name, repository):
    shipped = repository / "config" / "default.yaml"
    assert active.set_parameter("mapper", "queue.capacity", 12).successful
    assert ros2_param.refused(ros2_param.load(active, name, shipped)).keys() <= {"map_root"}
    active.recover(name)
    results = ros2_param.load(active, name, shipped)
    assert ros2_param.refused(results) == {} and len(results) > 20
    assert active.set_parameter("mapper", "queue.capacity", 30).successful


def test_an_unknown_encoder_is_refused_when_it_is_set(nodes):
    nodes.recover("mapper")
    result = nodes.set_parameter("mapper", "features.encoders", "nope")
    assert not result.successful and "nope" in result.reason and "lite" in result.reason


class Life(RuleBasedStateMachine):
    """What the two nodes should be and hold, beside what they are and hold."""

    nodes: PlainNodes
    heavy = False
    frames = tabletop(3, 160, 120)

    @initialize()
    def begin(self):
        self.states = dict.fromkeys(NODES, "unconfigured")
        self.values = {n: {leaf.name: leaf.default for leaf in LEAVES[n]} for n in NODES}
        self.sent = 0
        for name in NODES:
            self.nodes.recover(name)

    @rule(name=st.sampled_from(NODES), label=st.sampled_from(LABELS))
    def change(self, name, label):
        """A transition succeeds where there is one; only what is set can keep a node from it."""
        before = self.states[name]
        goal = EDGES.get((before, label))
        succeeded = self.nodes.transition(name, label)
        if goal is None:
            assert not succeeded
        elif succeeded:
            self.states[name] = goal
        else:
            assert label == "configure" and not self.is_default(name), f"{name}: {label}"
        self.check_state(name)

    @rule(name=st.sampled_from(NODES))
    def go_on(self, name):
        """To the next state up: else few runs would come to be active."""
        self.change(name, {"unconfigured": "configure", "inactive": "activate"}.get(
            self.states[name], "deactivate"
        ))

    @rule(name=st.sampled_from(NODES), data=st.data())
    def set_default(self, name, data):
        leaf = data.draw(st.sampled_from(LEAVES[name]))
        self.set(name, leaf, leaf.default)

    @rule(name=st.sampled_from(NODES), data=st.data())
    def set_random(self, name, data):
        leaves = [leaf for leaf in LEAVES[name] if self.heavy or leaf.name not in HEAVY]
        leaf = data.draw(st.sampled_from(leaves))
        self.set(name, leaf, data.draw(values_of(leaf)))

    @rule(name=st.sampled_from(NODES), value=st.booleans())
    def set_use_sim_time(self, name, value):
        """Without a /clock: the node's time stands still."""
        assert self.nodes.set_parameter(name, "use_sim_time", value).successful

    @rule(which=st.sampled_from(sorted(SERVICES)))
    def call(self, which):
        kind, service, fields = SERVICES[which]
        response = self.nodes.call(kind, service, **fields)
        self.check_code(response, service.partition("/")[0])

    @rule()
    def refresh(self):
        self.check_code(self.nodes.refresh_result(self.nodes.send_refresh()), "mapper")

    @rule()
    def stream(self):
        for frame in self.frames:
            self.sent += 1
            self.nodes.send(frame, shift_ns=self.sent * SECOND)

    @rule(
        which=st.lists(st.sampled_from(sorted(SERVICES)), min_size=1, max_size=4),
        labels=st.lists(st.sampled_from(LABELS), min_size=1, max_size=3),
    )
    def crowd(self, which, labels):
        """Questions, a refresh and transitions at once: each is answered, and both nodes live."""
        refresh = self.nodes.send_refresh()
        asked = [self.nodes.ask(SERVICES[w][0], SERVICES[w][1], **SERVICES[w][2]) for w in which]
        for label in labels:
            for name in NODES:
                asked.append(self.nodes.ask(
                    ChangeState, f"{name}/change_state", transition=transition_of(label)
                ))
        self.nodes.wait(lambda: all(future.done() for future in asked), "all answers")
        self.nodes.refresh_result(refresh)
        for future in asked[: len(which)]:
            assert code_name(future.result().error_code) != "INTERNAL"
        for name in NODES:
            self.states[name] = self.nodes.state(name)
            assert self.states[name] in {"unconfigured", "inactive", "active"}

    def teardown(self):
        """Cleanup recovers from whatever state, and default parameters bring a node up again."""
        for name in NODES:
            self.nodes.recover(name)
            assert self.nodes.set_parameter(name, "use_sim_time", False).successful
            for leaf in LEAVES[name]:
                if self.values[name][leaf.name] != leaf.default:
                    assert self.nodes.set_parameter(name, leaf.name, leaf.default).successful
            for label in ("configure", "activate"):
                assert self.nodes.transition(name, label), self.nodes.log(name)[-2000:]
            self.nodes.recover(name)
            assert "Traceback" not in self.nodes.log(name)

    def set(self, name, leaf, value):
        """Refused or applied as documented."""
        values = self.values[name]
        reason = self.refusal(name, leaf, value)
        result = self.nodes.set_parameter(name, leaf.name, value)
        assert result.successful == (not reason), f"{leaf.name}: {value!r}: {result.reason}"
        if result.successful:
            values[leaf.name] = value
        assert self.nodes.parameters(name)[leaf.name] == values[leaf.name]

    def refusal(self, name, leaf, value):
        """Why a node should refuse a value; empty if it should not."""
        parameters = PARAMETERS[name]
        if value == self.values[name][leaf.name]:
            return ""
        if leaf.name in parameters.read_only:
            return "read-only"
        if self.states[name] != "unconfigured" and leaf.name not in parameters.live:
            return "configured"
        try:
            changed = {**self.values[name], leaf.name: value}
            for tree in parameters.trees:
                own = {each.name for each in flatten(tree)}
                build(tree, {key: changed[key] for key in own & set(changed)})
        except SettingsError as error:
            return str(error)
        return ""

    def check_state(self, name):
        assert self.nodes.call(GetState, f"{name}/get_state").current_state.label == (
            self.states[name]
        )

    def check_code(self, response, name):
        code = code_name(response.error_code)
        if self.states[name] == "active":
            assert code not in {"INTERNAL", "NOT_ACTIVE"}, response.error_msg
        else:
            assert code == "NOT_ACTIVE", response.error_msg

    def is_default(self, name):
        return all(self.values[name][leaf.name] == leaf.default for leaf in LEAVES[name])


def values_of(leaf):
    """Values of the leaf's type, in and out of its range."""
    constraint = leaf.constraint
    if leaf.kind is bool:
        return st.booleans()
    if leaf.kind is str:
        return st.sampled_from([*constraint.choices, leaf.default, "nope", "", "{}", "a b"])
    low, high = constraint.low or 0, constraint.high or 1000
    within = (st.integers(int(low), int(high)) if leaf.kind is int
              else st.floats(float(low), float(high)))
    return within | st.sampled_from([leaf.kind(low), leaf.kind(high), leaf.kind(-1)])


def run_lives(nodes, heavy, how):
    class Lives(Life):
        pass

    Lives.nodes, Lives.heavy = nodes, heavy
    run_state_machine_as_test(Lives, settings=how)


def test_no_order_of_transitions_parameters_and_services_gets_a_node_stuck(nodes):
    run_lives(nodes, False, SHORT)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_order_gets_a_node_stuck_for_long(nodes):
    run_lives(nodes, True, LONG)


def transition_of(label):
    from lifecycle_msgs.msg import Transition

    return Transition(id=getattr(Transition, f"TRANSITION_{label.upper()}"))
