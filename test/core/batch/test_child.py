"""The process of a scene leaves when nobody waits for it any more."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from om3d_core.batch.child import ABANDONED


def test_it_ends_with_the_process_that_started_it(tmp_path):
    marker = tmp_path / "pid"
    task = json.dumps({"module": "helpers.batch_command", "arguments": ["a", "slow", str(marker)]})
    with subprocess.Popen(
        [sys.executable, "-m", "om3d_core.batch.child", task], stdin=subprocess.PIPE,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not marker.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.stdin.close()
        assert process.wait(30) == ABANDONED
