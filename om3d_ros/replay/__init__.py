"""Plays a bag through the live nodes and asks them: the offline check of the on-line system."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from om3d.srv import QueryImage, QueryText

from om3d_core.data.scene import Scene
from om3d_core.formats.picture_files import read_image
from om3d_core.progress import Report, silent
from om3d_core.settings import Value
from om3d_ros.conversions.images import from_pixels
from om3d_ros.conversions.stamps import header
from om3d_ros.replay.answers import Reply, write_answers
from om3d_ros.replay.client import START_TIMEOUT_S, Client
from om3d_ros.replay.player import Player
from om3d_ros.replay.processes import NodeProcess, Processes, free_domain

ATTACH_TIMEOUT_S = 60.0
MAPPER_MODULE, QUERY_MODULE = "om3d_ros.mapper_node", "om3d_ros.query_node"
WHOLE = {"include_thumbnails": True, "include_markers": True}
QUERY_REMAPS = {"instances": "mapper/instances", "updates": "mapper/updates"}


@dataclass(frozen=True, eq=False)
class Replayed:
    """The map that the nodes made of a bag, and their replies.

    status: the mapper's last om3d/MapperStatus, with the counts of used and lost frames.
    """

    scene: Scene
    replies: tuple[Reply, ...]
    status: Any

    @property
    def failed(self) -> tuple[Reply, ...]:
        """The replies that are errors."""
        return tuple(reply for reply in self.replies if reply.answer is None)


def replay(
    bag: Path,
    out: Path,
    rate: float = 0.0,
    queries: Sequence[str] = (),
    image_queries: Sequence[Path] = (),
    attach: bool = False,
    params_file: Path | None = None,
    top_k: int = 0,
    report: Report = silent,
    save: str = "",
) -> Replayed:
    """Play ``bag`` through both nodes, refresh, ask, and write everything into ``out``.

    The nodes run as processes on a DDS domain of their own (that of ROS_DOMAIN_ID if it is set)
    and are ended in any case; with ``attach`` the ones that run already are used. rate: speed
    relative to the recording, 0 as fast as the mapper takes it. save: the name under which the
    mapper saves the map, not if empty. Raises SourceError for a bad bag,
    NodeDiedError if a node ends, ReplayError if the nodes do not do what they are asked.
    """
    pictures_asked = [(path.name, read_image(path)) for path in image_queries]
    out.mkdir(parents=True, exist_ok=True)
    player = Player(bag)
    with ExitStack() as stack:
        stack.callback(player.close)
        domain = stack.enter_context(_domain(attach))
        nodes = stack.enter_context(Processes())
        if not attach:
            _start(nodes, player, out, domain, params_file)
        client = stack.enter_context(Client(domain, nodes.check))
        report("start", 0, 1)
        client.wait_for_nodes(ATTACH_TIMEOUT_S if attach else START_TIMEOUT_S)
        report("start", 1, 1)
        player.play(client, rate, report)
        refreshed = client.refresh(report)
        scene = client.wait_for_map(refreshed)
        if save:
            client.save(save)
        replies = [
            *(_ask_text(client, scene, text, top_k) for text in queries),
            *(_ask_image(client, scene, name, rgb, top_k) for name, rgb in pictures_asked),
        ]
        write_answers(replies, scene, client.status, out)
        return Replayed(scene, tuple(replies), client.status)


def _start(
    nodes: Processes, player: Player, out: Path, domain: int, params_file: Path | None
) -> None:
    common: dict[str, Value] = {
        "use_sim_time": True, "autostart": True, "map_frame": player.map_frame
    }
    mapper = {**common, "pose.source": player.pose_source, "refresh.period_s": 0.0}
    nodes.add(NodeProcess(
        MAPPER_MODULE, out / "mapper.log", domain, mapper, params_file=params_file
    ))
    nodes.add(NodeProcess(
        QUERY_MODULE, out / "query.log", domain, common, QUERY_REMAPS, params_file
    ))


@contextmanager
def _domain(attach: bool) -> Iterator[int]:
    given = os.environ.get("ROS_DOMAIN_ID", "")
    if given.isdecimal() or attach:
        yield int(given or 0)
        return
    with free_domain() as domain:
        yield domain


def _ask_text(client: Client, scene: Scene, text: str, top_k: int) -> Reply:
    request = QueryText.Request(text=text, top_k=top_k, **WHOLE)
    return Reply.of(text, "text", client.ask(client.query_text, request), scene)


def _ask_image(
    client: Client, scene: Scene, name: str, rgb: Any, top_k: int
) -> Reply:
    picture = from_pixels(rgb, "rgb8", header("", 0))
    request = QueryImage.Request(image=picture, top_k=top_k, **WHOLE)
    return Reply.of(name, "image", client.ask(client.query_image, request), scene)
