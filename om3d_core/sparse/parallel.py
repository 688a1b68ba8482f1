"""Independent blocks of tensor work side by side, each on one core.

PyTorch splits every single operation over its threads, which then wait for each other; with
thousands of short operations on a busy machine the waiting takes longer than the work. Here each
thread works through blocks of its own, and nobody waits before the end.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch

Worker = Callable[[Iterator[int]], None]
"""Takes block numbers until there are no more."""


def for_each_block(worker: Worker, n_blocks: int, device: torch.device) -> None:
    """Have ``worker`` take the numbers 0..n_blocks-1, on as many threads as PyTorch uses.

    Workers run without recording gradients. On a GPU there is one worker, the calling thread.
    """
    n_threads = torch.get_num_threads()
    blocks = iter(range(n_blocks))
    if n_threads < 2 or device.type != "cpu":
        worker(blocks)
        return
    inference = torch.is_inference_mode_enabled()

    def run() -> None:
        with torch.inference_mode(inference), torch.no_grad():
            worker(blocks)

    pool = _pool(n_threads)
    for future in [pool.submit(run) for _ in range(min(n_threads, n_blocks))]:
        future.result()


@lru_cache(maxsize=4)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    """Threads on each of which PyTorch's operations use one core."""
    pool = ThreadPoolExecutor(n_threads, "om3d-sparse", initializer=_use_one_core)
    started = threading.Barrier(n_threads + 1)
    for _ in range(n_threads):
        pool.submit(started.wait)
    started.wait()
    # The number is each thread's own, but also that of threads yet to come: put this one back.
    torch.set_num_threads(n_threads)
    os.register_at_fork(after_in_child=_pool.cache_clear)
    return pool


def _use_one_core() -> None:
    # The first question makes PyTorch initialize the thread, which would undo the setting.
    torch.get_num_threads()
    torch.set_num_threads(1)
