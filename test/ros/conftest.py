"""What several tests of nodes compare with."""

from __future__ import annotations

import pytest
from helpers.robot import Robot
from helpers.worlds import tabletop

VIEWS = 8


@pytest.fixture(scope="session")
def views():
    """Views of the tabletop."""
    return tabletop(VIEWS, 320, 240)


@pytest.fixture(scope="session")
def clean(tmp_path_factory, ros_domain_id, views):
    """The centers of what is mapped of the views: raw images of a pinhole, poses of the camera."""
    with Robot(tmp_path_factory.mktemp("clean"), ros_domain_id) as robot:
        robot.wait_until_ready().stream(views)
        return robot.centers()
