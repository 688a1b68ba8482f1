"""A map that grows proposes on the tiles that changed, and finds what a batch run finds."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.doubles import BoxProposer

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import CanceledError
from om3d_core.mapping.tile_memory import TileMemory
from om3d_core.progress import Job
from om3d_core.proposals.geometric import GeometricProposer

UP = np.array([0.0, 0.0, 1.0])
TILE_M = 6.0


class Cubes:
    """Proposes the points of each cube of a meter, and counts the points that it was given."""

    local = True

    def __init__(self):
        self.given = []

    def propose(self, cloud, job, up):
        job.step("masks", 0, 1)
        self.given.append(len(cloud))
        cubes = np.unique(np.floor(cloud.points), axis=0, return_inverse=True)[1].reshape(-1)
        members = [np.flatnonzero(cubes == i) for i in range(cubes.max(initial=-1) + 1)]
        return InstanceMasks.from_lists(members, len(cloud))


def room(number, seed=0):
    """A room of 5.4 m in a row of rooms along x."""
    points = np.random.default_rng(seed).random((4000, 3)) * (5.4, 4.0, 1.0)
    points[:, 0] += 5.4 * number - 2.7
    return points.astype(np.float32)


def rooms(n):
    points = np.concatenate([room(i) for i in range(n)])
    return Cloud(points, np.zeros((len(points), 3), np.uint8), np.zeros_like(points))


def propose(memory, proposer, cloud, job=None, up=UP):
    return memory.propose(proposer, cloud, lambda facing: up, TILE_M, job or Job())[1]


def as_sets(masks):
    return sorted(tuple(masks[i].tolist()) for i in range(len(masks)))


def test_a_map_that_grows_costs_what_is_new_and_equals_a_batch_run():
    memory, proposer = TileMemory(), Cubes()
    costs = []
    for n in range(2, 9):
        before = memory.proposals
        found = propose(memory, proposer, rooms(n))
        assert as_sets(found) == as_sets(propose(TileMemory(), Cubes(), rooms(n)))
        costs.append(memory.proposals - before)
    assert max(costs[1:]) <= 3 and proposer.given == proposer.given[: sum(costs)]
    propose(memory, proposer, rooms(8))
    assert memory.proposals == sum(costs)


def test_a_cancel_keeps_the_tiles_that_were_done():
    memory, proposer, cloud = TileMemory(), Cubes(), rooms(6)
    steps = []

    def canceled():
        return len(steps) > 2

    with pytest.raises(CanceledError):
        propose(memory, proposer, cloud, Job(lambda *step: steps.append(step), canceled))
    done = memory.proposals
    assert 0 < done < 6
    propose(memory, proposer, cloud)
    assert memory.proposals == len(proposer.given) == 6
    assert [step[1:] for step in steps] == [(0, 6), (1, 6), (2, 6)]


def test_another_up_proposes_anew():
    memory, proposer, cloud = TileMemory(), Cubes(), rooms(3)
    propose(memory, proposer, cloud)
    propose(memory, proposer, cloud, up=np.array([0.0, 1.0, 0.0]))
    assert memory.proposals == 6


def test_a_proposer_that_needs_the_whole_is_given_the_whole():
    memory, proposer, cloud = TileMemory(), BoxProposer(), rooms(6)
    memory.propose(proposer, cloud, lambda facing: UP, TILE_M, Job())
    assert memory.proposals == proposer.n_calls == 1


def test_up_is_told_by_all_tiles():
    told = []

    def up_from(facing):
        told.append(facing())
        return UP

    memory = TileMemory()
    floor = np.stack(np.meshgrid(np.arange(800), np.arange(150), [0]), -1).reshape(-1, 3) * 0.02
    cloud = Cloud(floor.astype(np.float32), np.zeros((len(floor), 3), np.uint8),
                  np.tile(np.float32([0, 0, 1]), (len(floor), 1)))
    for _ in range(2):
        up, _ = memory.propose(GeometricProposer(), cloud, up_from, TILE_M, Job())
        assert up is UP
    areas = told[0] @ UP
    assert np.array_equal(told[0], told[1])
    assert areas / areas.sum() == pytest.approx(np.array([3, 6, 6, 1]) / 16, abs=0.01)
