"""Parameters: declared from settings, validated without side effects, applied after the set."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
import rclpy
import yaml
from rclpy.context import Context
from rclpy.parameter import Parameter

from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import SettingsError
from om3d_core.mapping.settings import MapSettings
from om3d_core.query.settings import QuerySettings
from om3d_core.settings import Settings, build, flatten, setting
from om3d_core.streams.settings import RecordedStreamSettings
from om3d_ros import mapper_node, query_node
from om3d_ros.default_config import default_config
from om3d_ros.node.parameters import NodeParameters, ParameterSet, changes_among
from om3d_ros.node.settings import MapperNodeSettings, QueryNodeSettings


@dataclass(frozen=True)
class Group(Settings):
    size: int = setting(3, "a size", low=1, high=9)
    speed_m: float = setting(0.5, "a speed", low=0.0)
    kind: str = setting("a", "a kind", choices=("a", "b"))


@dataclass(frozen=True)
class Tree(Settings):
    on: bool = setting(False, "a switch")
    group: Group = field(default_factory=Group)


SET = ParameterSet((Tree,), live=frozenset({"group.size"}), read_only=frozenset({"on"}))


@pytest.fixture
def context():
    context = Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


class Probe:
    """A node with the parameters above, configured or not."""

    def __init__(self, context, overrides=()):
        self.configured = False
        self.applied = []
        self.node = rclpy.create_node(
            "probe", context=context, parameter_overrides=list(overrides)
        )
        self.parameters = NodeParameters(
            self.node, SET, lambda: self.configured, lambda names: self.applied.append(set(names))
        )

    def set(self, **values):
        changes = [Parameter(name.replace("__", "."), value=v) for name, v in values.items()]
        return self.node.set_parameters_atomically(changes)

    @property
    def tree(self):
        return self.parameters.get(Tree)


def test_defaults_descriptions_and_ranges_come_from_the_settings(context):
    probe = Probe(context)
    assert probe.tree == Tree()
    size = probe.node.describe_parameter("group.size")
    assert "a size" in size.description and "any time" in size.description
    assert (size.integer_range[0].from_value, size.integer_range[0].to_value) == (1, 9)
    speed = probe.node.describe_parameter("group.speed_m")
    assert speed.floating_point_range[0].from_value == 0.0
    assert "a, b" in probe.node.describe_parameter("group.kind").additional_constraints
    assert probe.node.describe_parameter("on").read_only


def test_overrides_are_taken_and_checked(context):
    probe = Probe(context, [Parameter("group.size", value=7), Parameter("on", value=True)])
    assert probe.tree == Tree(on=True, group=Group(size=7))
    with pytest.raises(SettingsError, match=r"group\.kind"):
        Probe(context, [Parameter("group.kind", value="c")])


def test_a_change_while_unconfigured_is_taken(context):
    probe = Probe(context)
    assert probe.set(group__kind="b", group__speed_m=2.0).successful
    assert probe.tree.group == Group(kind="b", speed_m=2.0)


def test_what_is_live_is_applied_and_the_rest_refused_while_configured(context):
    probe = Probe(context)
    probe.configured = True
    assert probe.set(group__size=4).successful and probe.applied == [{"group.size"}]
    refused = probe.set(group__kind="b")
    assert not refused.successful and "unconfigured" in refused.reason
    assert not probe.set(on=True).successful
    assert probe.tree == Tree(group=Group(size=4))


def test_what_a_parameter_has_already_is_taken_at_any_time(context):
    probe = Probe(context)
    probe.configured = True
    assert probe.set(group__kind="a").successful and probe.set(group__speed_m=0.5).successful
    assert not probe.set(group__kind="b").successful


def test_a_change_is_told_from_what_a_text_may_mean(context):
    """As `ros2 param load` guesses types from text."""
    node = rclpy.create_node("texts", context=context)
    texts = {"switch": "yes", "number": "0x10", "empty": "", "word": "a"}
    for name, value in {**texts, "speed_m": 0.5, "size": 3}.items():
        node.declare_parameter(name, value)
    same = [Parameter(name, value=yaml.safe_load(text) or text) for name, text in texts.items()]
    same += [Parameter("speed_m", value="5e-1"), Parameter("size", value=3)]
    assert [p.value for p in same[:2]] == [True, 16]
    assert changes_among(same, node) == []
    given = {"switch": False, "number": 17, "word": "b", "speed_m": 2, "size": 3.0, "new": 1}
    changes = changes_among([Parameter(n, value=v) for n, v in given.items()], node)
    assert {p.name: p.value for p in changes} == given
    assert changes[3].type_ == Parameter.Type.DOUBLE and changes[4].type_ == Parameter.Type.DOUBLE


def test_a_refused_set_has_no_effect_at_all(context):
    probe = Probe(context)
    before = probe.tree
    for values in ({"group__size": 5, "group__kind": "c"}, {"group__size": 10},
                   {"group__speed_m": -1.0}):
        assert not probe.set(**values).successful
    assert probe.tree == before and not probe.applied
    assert probe.node.get_parameter("group.size").value == 3


def test_parameters_of_others_are_left_alone(context):
    probe = Probe(context)
    probe.configured = True
    assert probe.set(use_sim_time=True).successful and not probe.applied


def test_names_must_be_known_and_unique():
    with pytest.raises(SettingsError):
        ParameterSet((Tree,), frozenset({"nothing"}), frozenset())
    with pytest.raises(SettingsError):
        ParameterSet((Tree, Tree), frozenset(), frozenset())


def test_the_parameter_file_is_that_of_the_settings(repository):
    text = (repository / "config" / "default.yaml").read_text()
    assert text == default_config(), "run python3 -m om3d_ros.default_config > config/default.yaml"


@pytest.mark.parametrize(
    ("name", "trees"),
    [
        ("mapper", (MapperNodeSettings, MapSettings)),
        ("query", (QueryNodeSettings, QuerySettings, EncoderSettings)),
    ],
)
def test_the_parameter_file_holds_every_default(name, trees):
    text = re.sub(r"^( +)# (\w+: \S+)$", r"\1\2", default_config(), flags=re.MULTILINE)
    values = dict(flat(yaml.safe_load(text)[name]["ros__parameters"]))
    assert list(values) == [leaf.name for tree in trees for leaf in flatten(tree)]
    for tree in trees:
        assert build(tree, {leaf.name: values[leaf.name] for leaf in flatten(tree)}) == tree()
    loaded = dict(flat(yaml.safe_load(default_config())[name]["ros__parameters"]))
    assert set(values) - set(loaded) == {"autostart", "maps"} & set(values)
    kinds = {leaf.name: leaf.kind for tree in trees for leaf in flatten(tree)}
    assert all(type(value) is kinds[key] for key, value in values.items())


def test_every_line_of_the_parameter_file_is_commented():
    lines = default_config().splitlines()
    for above, line in zip(lines, lines[1:], strict=False):
        if ": " in line and not line.strip().startswith("#"):
            assert above.strip().startswith("#"), line


def test_both_nodes_can_change_only_what_they_apply():
    assert "fusion.voxel_m" not in mapper_node.PARAMETERS.live
    assert "clip.model" not in query_node.PARAMETERS.live
    assert mapper_node.PARAMETERS.change("refresh.period_s") == "at any time"


def flat(content, prefix=""):
    for key, value in content.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def test_a_recording_is_read_with_the_stream_settings_of_the_node():
    """Names, defaults, descriptions and ranges; but a recording offers more sources of poses."""
    live = {leaf.name: leaf for leaf in flatten(MapperNodeSettings)}
    recorded = {leaf.name: leaf for leaf in flatten(RecordedStreamSettings)}
    assert recorded.keys() - live.keys() == {"pose.tolerance_s"}
    common = recorded.keys() & live.keys() - {"pose.source"}
    assert {name: recorded[name] for name in common} == {name: live[name] for name in common}
    streams = {name for name in live if name.split(".")[0] in {"pose", "sync", "depth", "lens"}}
    assert streams | {"map_frame"} == recorded.keys() & live.keys()


def test_maps_are_names_of_nodes():
    assert QueryNodeSettings().map_names == ("",)
    names = QueryNodeSettings(maps="a/mapper, /b/mapper, a/mapper").map_names
    assert names == ("a/mapper", "/b/mapper")
    for wrong in ("a/", "a//b", "~/mapper", "1a", "a mapper", "\u00e4"):
        with pytest.raises(SettingsError, match="maps"):
            QueryNodeSettings(maps=wrong)
    with pytest.raises(SettingsError, match="at most 64"):
        QueryNodeSettings(maps=",".join(f"m{n}" for n in range(65)))


def test_cameras_are_names_of_topics():
    names = MapperNodeSettings(cameras="front, arm/rear, front").camera_names
    assert names == ("front", "arm/rear") and MapperNodeSettings().camera_names == ("",)
    for wrong in ("/front", "front/", "2nd", "fr ont", "..", "front,é"):
        with pytest.raises(SettingsError, match="cameras"):
            MapperNodeSettings(cameras=wrong)
    with pytest.raises(SettingsError, match="at most 16"):
        MapperNodeSettings(cameras=",".join(f"c{n}" for n in range(17)))
