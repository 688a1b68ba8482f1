"""Replay: a bag through live nodes gives what the library gives offline, or a clear failure."""

from __future__ import annotations

import json
import os

import cv2
import numpy as np
import pytest
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.worlds import Recording, tabletop

import om3d_ros.replay
from om3d_core.errors import SourceError
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.query.scene_query import SceneQuery
from om3d_core.settings import build
from om3d_core.sources.bag.source import RosbagSource
from om3d_core.sources.bag.writer import BagSettings, write_bag
from om3d_ros.replay import replay
from om3d_ros.replay.client import Client, ReplayError
from om3d_ros.replay.processes import NodeDiedError, NodeProcess, Processes, free_domain

SETTINGS = {"fusion.voxel_m": 0.03, "views.top_k": 3, "views.min_pixels": 10}
PARAMETERS = """
/**/mapper:
  ros__parameters:
    features: {encoders: color}
    fusion: {voxel_m: 0.03}
    views: {top_k: 3, min_pixels: 10}
/**/query:
  ros__parameters:
    top_k: 3
"""


@pytest.fixture(scope="module")
def frames():
    return tabletop(20, 320, 240)


@pytest.fixture(scope="module")
def bag(frames, tmp_path_factory):
    path = tmp_path_factory.mktemp("bag") / "world.mcap"
    write_bag(Recording(frames), path)
    return path


@pytest.fixture
def parameters(tmp_path, monkeypatch):
    """Nodes with doubles for models, and the file of their parameters."""
    monkeypatch.setattr(om3d_ros.replay, "MAPPER_MODULE", "helpers.doubled_mapper")
    monkeypatch.setattr(om3d_ros.replay, "QUERY_MODULE", "helpers.doubled_query")
    path = tmp_path / "parameters.yaml"
    path.write_text(PARAMETERS)
    return path


def test_a_replay_answers_as_the_library_does_offline(
    bag, frames, parameters, tmp_path, ros_domain_id
):
    picture = tmp_path / "red.png"
    cv2.imwrite(str(picture), np.full((20, 30, 3), (40, 40, 200), np.uint8))
    out = tmp_path / "out"
    done = replay(bag, out, 0.0, ["red", "green"], [picture], params_file=parameters)
    lost = done.status.frames_dropped + done.status.frames_unpaired + done.status.inputs_rejected
    assert (done.status.frames_processed, lost) == (len(frames), 0)

    mapper = Mapper(build(MapSettings, SETTINGS), BoxProposer(), [ColorEncoder()])
    for frame in RosbagSource(bag):
        mapper.add_frame(frame)
    scene = mapper.refresh()
    assert np.array_equal(done.scene.cloud.points, scene.cloud.points)
    assert np.array_equal(done.scene.ids, scene.ids)
    query = SceneQuery(scene, ColorEncoder())
    answers = [reply.answer for reply in done.replies]
    for answer in answers[:2]:
        offline = query.text(answer.query, 3)
        assert (answer.kind, answer.space) == (offline.kind, offline.space)
        assert [m.instance_id for m in answer.matches] == [m.instance_id for m in offline.matches]
        assert np.allclose(
            [m.similarity for m in answer.matches], [m.similarity for m in offline.matches]
        )
    assert answers[2].matches[0].instance_id == answers[0].matches[0].instance_id

    records = json.loads((out / "answers.json").read_text())["answers"]
    assert [r["query"] for r in records] == ["red", "green", "red.png"]
    assert [r["kind"] for r in records] == ["text", "text", "image"]
    assert all(r["error_code"] == 0 and len(r["matches"]) == 3 for r in records)
    for record in records:
        markers = json.loads((out / record["markers"]).read_text())["markers"]
        assert markers[0]["action"] == 3 and len(markers) == 10
        assert cv2.imread(str(out / record["picture"])).shape == (800, 1280, 3)
    assert (out / "mapper.log").is_file() and (out / "query.log").is_file()
    assert not running(out)


def test_paced_and_compressed(frames, parameters, tmp_path, ros_domain_id):
    bag = tmp_path / "small"
    write_bag(Recording(frames), bag, BagSettings(images="png", storage="sqlite3"))
    done = replay(bag, tmp_path / "out", 4.0, ["blue", " "], params_file=parameters)
    good, bad = done.replies
    assert good.answer.matches[0].instance_id == 4 and done.failed == (bad,)
    assert "text" in bad.response.error_msg
    pictures = list((tmp_path / "out").glob("*.png"))
    assert [path.name for path in pictures] == ["01-blue.png"]


def test_a_node_that_dies_ends_the_replay(bag, tmp_path, monkeypatch, ros_domain_id):
    monkeypatch.setattr(om3d_ros.replay, "MAPPER_MODULE", "no_such_module")
    monkeypatch.setattr(om3d_ros.replay, "QUERY_MODULE", "helpers.doubled_query")
    with pytest.raises(NodeDiedError, match="no_such_module ended with status 1"):
        replay(bag, tmp_path / "out")
    assert not running(tmp_path / "out")


def test_what_is_no_bag_is_refused_before_a_node_starts(tmp_path):
    (tmp_path / "x.mcap").write_bytes(b"nothing")
    with pytest.raises(SourceError):
        replay(tmp_path / "x.mcap", tmp_path / "out")
    assert not (tmp_path / "out" / "mapper.log").exists()


def test_a_wrong_parameter_ends_a_node_with_one_line(tmp_path, ros_domain_id):
    log = tmp_path / "mapper.log"
    with Processes() as nodes:
        node = nodes.add(
            NodeProcess("om3d_ros.mapper_node", log, ros_domain_id, {"pose.source": "gps"})
        )
        assert node.wait(60) == 1
    assert "pose.source: expected one of tf, odometry, pose, " in log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_nodes_start_with_the_shipped_parameters(repository, tmp_path, ros_domain_id):
    shipped = repository / "config" / "default.yaml"
    with Processes() as nodes:
        for name in ("mapper", "query"):
            log = tmp_path / f"{name}.log"
            nodes.add(NodeProcess(
                f"om3d_ros.{name}_node", log, ros_domain_id, {"autostart": True},
                params_file=shipped,
            ))
        with Client(ros_domain_id, nodes.check) as client:
            client.wait_for_nodes()
            assert client.status.frames_received == 0
        assert [node.stop() for node in nodes.nodes] == [0, 0]
    for name in ("mapper", "query"):
        text = (tmp_path / f"{name}.log").read_text()
        assert "active" in text and "Traceback" not in text


def test_nodes_that_nobody_started_are_told(bag, tmp_path, monkeypatch, ros_domain_id):
    log = tmp_path / "mapper.log"
    monkeypatch.setattr(om3d_ros.replay, "ATTACH_TIMEOUT_S", 2.0)
    monkeypatch.setenv("ROS_DOMAIN_ID", str(ros_domain_id))
    with Processes() as nodes:
        nodes.add(NodeProcess("om3d_ros.mapper_node", log, ros_domain_id))
        with Client(ros_domain_id, nodes.check) as client:
            told = "unconfigured: a lifecycle manager, or autostart, starts it"
            client.spin_until(lambda: told in log.read_text(), 90.0, "the node to tell its state")
        with pytest.raises(ReplayError, match="mapper and query to be active within 2 s"):
            replay(bag, tmp_path / "out", attach=True)


def test_two_free_domains_differ():
    with free_domain() as first, free_domain() as second:
        assert first != second


def running(out):
    """Ids of processes whose output goes to a log in ``out``."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                target = os.readlink(f"/proc/{entry}/fd/1")
            except OSError:
                continue
            if target.startswith(f"{out}/"):
                found.append(int(entry))
    return found
