"""Clouds that came with frames: in other units, of other places, sparse, partial, none."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.worlds import fused

from om3d_core.data.cloud import Cloud
from om3d_core.doctor.agreement import Look
from om3d_core.doctor.cloud import examine_cloud
from om3d_core.errors import SourceError


@pytest.fixture(scope="session")
def looks(frames):
    return [Look.of(frame) for frame in frames]


@pytest.fixture(scope="session")
def cloud(frames):
    return fused(frames, 0.02)


def moved(cloud, function, rows=slice(None)):
    points = function(cloud.points[rows].astype(np.float64)).astype(np.float32)
    return Cloud(points, cloud.colors[rows], cloud.normals[rows])


def examined(looks, cloud, units_per_m=1.0, told_m=1.0):
    """With ``cloud`` in its file's units, which are ``told_m`` of a meter's."""
    return examine_cloud(
        looks, lambda times: moved(cloud, lambda p: p / (told_m * times)), units_per_m
    )


def test_a_cloud_of_the_frames_is_sound(looks, cloud):
    found = examined(looks, cloud)
    assert not found.findings
    (told,) = found.told
    share, held = float(told.split()[2]), told.split("apart; ")[1].partition("%")[0]
    assert share > 0.9 and int(held) > 75


@pytest.mark.parametrize(("units", "named"), [(1000, "millimeters"), (100, "centimeters")])
def test_units_are_named_with_the_flag(looks, cloud, units, named):
    (finding,) = examined(looks, moved(cloud, lambda p: p * units)).findings
    assert finding.kind == "cloud units" and named in finding.said
    assert finding.flag == f"--folder.cloud_units_per_m {units}"
    assert "the poses span" in finding.evidence
    (finding,) = examined(looks, moved(cloud, lambda p: p * units), 10.0).findings
    assert finding.flag == f"--folder.cloud_units_per_m {units * 10}"


def test_a_cloud_that_can_only_be_read_in_other_units(looks, cloud):
    def read(times):
        if times == 1.0:
            raise SourceError("4000 m wide")
        return cloud

    (finding,) = examine_cloud(looks, read, 1.0).findings
    assert finding.kind == "cloud units" and "4000 m wide" in finding.evidence


def test_a_cloud_of_another_place(looks, cloud):
    away = moved(cloud, lambda p: p + [0.0, 0.0, 40.0])
    (finding,) = examined(looks, away).findings
    assert finding.kind == "cloud" and finding.flag == "--folder.cloud_file none"
    (finding,) = examined(looks, away, units_per_m=0.0).findings
    assert not finding.flag


def test_a_cloud_too_sparse_for_surfaces(looks, cloud):
    rows = np.random.default_rng(0).permutation(len(cloud))[:300]
    (finding,) = examined(looks, moved(cloud, lambda p: p, rows)).findings
    assert finding.kind == "sparse cloud" and finding.flag == "--folder.cloud_file none"


def test_a_part_of_the_place_is_told(looks, cloud):
    rows = np.linalg.norm(cloud.points[:, :2], axis=1) < 0.4
    found = examined(looks, moved(cloud, lambda p: p, rows))
    assert not found.findings and found.told[0].endswith("in it, no more")


def test_a_cloud_that_cannot_be_read(looks):
    def read(times):
        raise SourceError("set cloud_file to one of a.ply, b.ply")

    (finding,) = examine_cloud(looks, read, 1.0).findings
    assert finding.kind == "cloud" and "a.ply, b.ply" in finding.evidence
    assert "--folder.cloud_file" in finding.cure and not finding.flag


def test_nothing_is_said_where_nothing_can_be(looks, cloud):
    assert not examine_cloud(looks, lambda times: None).told
    assert not examined(looks[:2], cloud).findings
