"""That what a node frees it holds no longer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from om3d_ros.replay.processes import environment

# A large block that is freed, others beside small ones that stay, as maps come and go.
COME_AND_GO = """
import os
import sys
import numpy as np
from om3d_ros.node.memory import give_back_freed_memory
from soak.record import held_by

if sys.argv[1] == "set":
    give_back_freed_memory()
np.ones(30_000_000, np.uint8)
before, kept = held_by(os.getpid()).memory_mb, []
for number in range(20):
    blocks = [np.ones(4_000_000 + 1000 * number, np.uint8) for _ in range(20)]
    kept.append(np.ones(100_000, np.uint8))
    del blocks
print(held_by(os.getpid()).memory_mb - before)
"""

# One thread after the other holds and frees smaller blocks, and keeps a little; all live on.
THREAD_BY_THREAD = """
import os
import sys
import threading
import numpy as np
from om3d_ros.node.memory import give_back_freed_memory
from soak.record import held_by

if sys.argv[1] == "set":
    give_back_freed_memory()
kept, over = [], threading.Event()

def work(done):
    blocks = [np.ones(100_000, np.uint8) for _ in range(300)]
    kept.append(np.ones(1000, np.uint8))
    del blocks
    done.set()
    over.wait()

before = held_by(os.getpid()).memory_mb
for _ in range(10):
    done = threading.Event()
    threading.Thread(target=work, args=(done,)).start()
    done.wait()
print(held_by(os.getpid()).memory_mb - before)
over.set()
"""

# Of many blocks that lie side by side a few stay.
FREED_BETWEEN = """
import os
import sys
import numpy as np
from om3d_ros.node.memory import give_back_now
from soak.record import held_by

before = held_by(os.getpid()).memory_mb
blocks = [np.ones(40_000, np.uint8) for _ in range(3000)]
blocks = blocks[::10]
if sys.argv[1] == "set":
    give_back_now()
print(held_by(os.getpid()).memory_mb - before)
"""


def grown_mb(script, mode):
    done = subprocess.run(
        [sys.executable, "-c", script, mode], capture_output=True, text=True, check=True,
        env=environment(0),
    )
    return float(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs glibc")
def test_blocks_that_were_freed_are_given_back():
    assert grown_mb(COME_AND_GO, "set") < 10 < grown_mb(COME_AND_GO, "unset")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs glibc")
def test_what_one_thread_frees_another_uses():
    assert 2 * grown_mb(THREAD_BY_THREAD, "set") < grown_mb(THREAD_BY_THREAD, "unset")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs glibc")
def test_what_was_freed_between_what_stays_is_given_back():
    assert 3 * grown_mb(FREED_BETWEEN, "set") < grown_mb(FREED_BETWEEN, "unset")
