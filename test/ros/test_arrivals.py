"""A camera beside the mapper, all as processes with what users run: how much of it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from om3d_ros.node import qos
from om3d_ros.replay.client import Client
from om3d_ros.replay.processes import NodeProcess, Processes, environment

pytestmark = pytest.mark.alone

FRAMES, CALLBACK_P99_MS, IDLE_S = 100, 2.0, 120.0


class Trial:
    """The mapper, a bare subscriber and what came of the frames of one camera."""

    def __init__(self, folder, domain, reliability, *options, frames=FRAMES):
        self._environment = environment(domain)
        defaults = {"autostart": True, "map_root": str(folder / "maps")}
        self._mapper = NodeProcess(
            "om3d_ros.mapper_node", folder / "mapper.log", domain, defaults
        )
        self.warnings: set[str] = set()
        self.deliveries: set[str] = set()
        self.health: DiagnosticStatus | None = None
        heard, sent = folder / "heard.json", folder / "sent.json"
        with Processes([self._mapper]) as nodes, Client(domain, nodes.check) as client:
            client.spin_until(lambda: client.status is not None, 60.0, "the mapper")
            client.node.create_subscription(
                DiagnosticArray, "/diagnostics", self._take_health, qos.results()
            )
            listener = self._start("helpers.listener", heard, reliability)
            camera = self._start(
                "helpers.camera", sent, "--reliability", reliability, "--readers", "2",
                "--frames", str(frames), *options,
            )
            while camera.poll() is None:
                client.spin()
            client.spin_until(
                lambda: client.status.queue_depth == 0 and not client.status.busy, IDLE_S, "rest"
            )
            self.health = None
            client.spin_until(lambda: self.health is not None, 30.0, "diagnostics")
            listener.terminate()
            assert listener.wait(20.0) == 0 and camera.returncode == 0
            self.status = client.status
        self.published = len(json.loads(sent.read_text())["stamps"])
        got = json.loads(heard.read_text())
        self.heard = len(set(got["color"]) & set(got["depth"]))

    @property
    def values(self):
        return {value.key: value.value for value in self.health.values}

    def _start(self, module, *arguments):
        command = [sys.executable, "-m", module, *map(str, arguments)]
        return subprocess.Popen(command, env=self._environment)

    def _take_health(self, message):
        for status in message.status:
            if status.name == "/mapper":
                self.health = status
                self.warnings.add(status.message)
                self.deliveries.add(self.values["delivery color"])


def test_a_reliable_camera_at_10_hz_is_used_whole(tmp_path, ros_domain_id):
    trial = Trial(tmp_path, ros_domain_id, "reliable")
    assert trial.published == FRAMES
    assert trial.status.frames_processed >= 0.98 * FRAMES
    assert trial.status.frames_dropped == 0
    assert trial.deliveries == {"no publisher", "reliable"}
    assert float(trial.values["callback work p99 (ms)"]) <= CALLBACK_P99_MS


@pytest.mark.slow
def test_one_latched_camera_info_is_enough(tmp_path, ros_domain_id):
    trial = Trial(tmp_path, ros_domain_id, "reliable", "--info-once")
    assert trial.status.frames_processed >= 0.98 * FRAMES
    assert trial.deliveries == {"no publisher", "reliable"}
    assert trial.values["received camera_info"] == "1"


@pytest.mark.slow
def test_a_best_effort_camera_is_heard_and_what_is_lost_on_the_way_is_told(
    tmp_path, ros_domain_id
):
    """A busy machine loses most of such images; so does the bare subscriber."""
    trial = Trial(tmp_path, ros_domain_id, "best_effort")
    assert trial.deliveries == {"no publisher", "best effort"}
    status = trial.status
    assert status.frames_received > 0
    assert status.frames_processed == status.frames_paired and not status.frames_dropped
    lost = int(trial.values["lost color"])
    assert status.frames_received + lost <= FRAMES
    if status.frames_paired < 0.8 * FRAMES:
        assert any("lost on the way (best effort" in text for text in trial.warnings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--depth-shift-ms=40", "the stamps of /depth/image_raw are 40 ms later than color's; "
         "sync.slop_s is 0.02"),
        ("--without=tf", "tf does not connect 'map' with 'camera'; its frames are none"),
    ],
)
def test_a_low_share_is_a_warning_with_its_cause(tmp_path, ros_domain_id, option, said):
    trial = Trial(tmp_path, ros_domain_id, "reliable", option, frames=40)
    assert trial.status.frames_processed == 0
    assert any("only 0% of the color images" in text and said in text for text in trial.warnings)
