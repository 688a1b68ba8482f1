"""The worker: order, drops, errors and its end."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import CancelledError

import pytest

from om3d_ros.node.worker import MAX_REQUESTS, NICENESS, BusyError, Worker


@pytest.fixture
def errors():
    return []


@pytest.fixture
def worker(errors):
    worker = Worker("test", 3, errors.append)
    yield worker
    worker.stop()


def block(worker):
    """Occupy the worker until the returned event is set."""
    running, release = threading.Event(), threading.Event()

    def job():
        running.set()
        release.wait(10)

    worker.offer(job)
    assert running.wait(10)
    return release


def test_inputs_and_requests_run_in_the_order_of_arrival(worker):
    done, release = [], block(worker)
    worker.offer(lambda: done.append(1))
    future = worker.submit(lambda: done.append(2) or "answer")
    worker.offer(lambda: done.append(3))
    assert worker.state.depth == 3 and worker.state.busy
    release.set()
    assert future.result(10) == "answer"
    worker.submit(lambda: None).result(10)
    assert done == [1, 2, 3]


def test_the_oldest_input_is_dropped_from_a_full_queue_but_no_request(worker):
    done, release = [], block(worker)
    request = worker.submit(lambda: done.append("request"))
    accepted = [worker.offer(lambda i=i: done.append(i)) for i in range(5)]
    assert accepted == [True, True, True, False, False]
    release.set()
    request.result(10)
    worker.submit(lambda: None).result(10)
    assert done == ["request", 2, 3, 4] and worker.state.dropped == 2


def test_a_failing_job_does_not_end_the_thread(worker, errors):
    def fail():
        raise ValueError("bad frame")

    worker.offer(fail)
    with pytest.raises(ValueError, match="bad frame"):
        worker.submit(fail).result(10)
    assert worker.submit(lambda: 42).result(10) == 42
    assert [str(error) for error in errors] == ["bad frame"] and worker.state.failed == 2


def test_a_failing_report_does_not_end_the_thread():
    def broken(error):
        raise RuntimeError("no log")

    worker = Worker("test", 3, broken)
    worker.offer(lambda: 1 / 0)
    assert worker.submit(lambda: 42).result(10) == 42
    worker.stop()


def test_a_waiting_request_can_be_canceled(worker):
    done, release = [], block(worker)
    future = worker.submit(lambda: done.append(1))
    assert future.cancel()
    release.set()
    worker.submit(lambda: None).result(10)
    assert not done


def test_too_many_requests_are_refused(worker):
    release = block(worker)
    futures = [worker.submit(lambda: None) for _ in range(MAX_REQUESTS)]
    with pytest.raises(BusyError):
        worker.submit(lambda: None)
    release.set()
    for future in futures:
        future.result(10)


def test_stop_cancels_what_waits_and_refuses_more(errors):
    worker = Worker("test", 3, errors.append)
    release = block(worker)
    future = worker.submit(lambda: None)
    worker.offer(lambda: None)
    threading.Timer(0.05, release.set).start()
    worker.stop()
    with pytest.raises(CancelledError):
        future.result(10)
    with pytest.raises(BusyError):
        worker.submit(lambda: None)
    assert not worker.offer(lambda: None) and worker.state.depth == 0


def test_discarded_inputs_count_as_dropped(worker):
    done, release = [], block(worker)
    worker.offer(lambda: done.append(1))
    kept = worker.submit(lambda: done.append(2))
    assert worker.discard_inputs() == 1
    release.set()
    kept.result(10)
    assert done == [2] and worker.state.dropped == 1


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_the_worker_and_the_threads_that_it_starts_give_way_to_the_others(worker):
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def of_a_thread():
        found = []
        thread = threading.Thread(target=lambda: found.append(niceness()))
        thread.start()
        thread.join()
        return found[0]

    lower = min(niceness() + NICENESS, 19)
    assert worker.submit(niceness).result() == worker.submit(of_a_thread).result() == lower
