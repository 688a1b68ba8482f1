"""Clients of the query node as a program: each asks its questions one after another.

``python -m helpers.asker OUT --clients 10 --questions 4 --texts red,green`` connects with the
service, waits for the file OUT.go, asks, and writes for each question its text, the seconds to
the answer (none if it did not come), the revision and the id of the best match to OUT.
``--depth`` is the history of a client; DDS brings it the answers to all others, too.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import rclpy
from om3d.srv import QueryText
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, qos_profile_services_default

ANSWER_S, RESEND_S = 20.0, 3.0


class Asker:
    """One client with a node of its own."""

    def __init__(self, name, texts, depth):
        self.node = rclpy.create_node(name, start_parameter_services=False, enable_rosout=False)
        self._client = self.node.create_client(
            QueryText, "query/query_text", qos_profile=QoSProfile(depth=depth)
        )
        self._texts = texts
        self.answers = []
        self._sent = 0.0
        self._waits = False
        self._connecting = []

    def connect(self):
        """Ask blank questions until one is answered; returns whether it is.

        Fast DDS gives up an answer after 0.1 s if it does not know yet who asked.
        """
        now = time.monotonic()
        late = not self._connecting or now - self._connecting[-1][0] > RESEND_S
        if late and self._client.service_is_ready():
            self._connecting.append((now, self._client.call_async(QueryText.Request())))
        return any(future.done() for _, future in self._connecting)

    @property
    def done(self):
        return len(self.answers) == len(self._texts)

    def ask(self):
        """Ask the next question unless an answer is waited for; give up what never comes."""
        now = time.monotonic()
        if self._waits and now - self._sent > ANSWER_S:
            self._take(None)
        if self._waits or self.done:
            return
        self._waits, self._sent = True, now
        request = QueryText.Request(text=self._texts[len(self.answers)])
        future = self._client.call_async(request)
        future.add_done_callback(lambda f: self._take(f.result()))

    def _take(self, response):
        answer = {"text": self._texts[len(self.answers)], "latency_s": None}
        if response is not None:
            answer |= {
                "latency_s": time.monotonic() - self._sent, "error": response.error_msg,
                "revision": response.revision, "id": [m.id for m in response.matches][:1],
                "inside_s": response.latency_s,
            }
        self.answers.append(answer)
        self._waits = False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--questions", type=int, default=4)
    parser.add_argument("--depth", type=int, default=qos_profile_services_default.depth)
    parser.add_argument("--texts", default="red")
    args = parser.parse_args()
    words = args.texts.split(",")
    rclpy.init()
    executor = SingleThreadedExecutor()
    askers = []
    for i in range(args.clients):
        texts = [words[(i + k) % len(words)] for k in range(args.questions)]
        askers.append(Asker(f"asker_{args.out.stem}_{i}", texts, args.depth))
        executor.add_node(askers[-1].node)
    while [asker for asker in askers if not asker.connect()]:
        executor.spin_once(timeout_sec=0.1)
    args.out.with_suffix(".ready").touch()
    while not args.out.with_suffix(".go").exists():
        time.sleep(0.005)
    while not all(asker.done for asker in askers):
        for asker in askers:
            asker.ask()
        executor.spin_once(timeout_sec=0.05)
    args.out.write_text(json.dumps([answer for asker in askers for answer in asker.answers]))
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
