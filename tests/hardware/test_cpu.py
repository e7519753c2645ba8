"""The number of cores that a process may use."""

import os
from pathlib import Path

import pytest

from lookahead_ray.hardware.cpu import usable_cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("nonsense", 8)],
)
def test_a_containers_quota_counts(tmp_path: Path, limit: str, expected: int) -> None:
    write(tmp_path / "cpu.max", limit)
    assert usable_cores(tmp_path, tmp_path / "none") == expected


@pytest.mark.parametrize("strict", ["slice", "slice/job"])
def test_the_strictest_group_of_this_process_counts(tmp_path: Path, strict: str) -> None:
    for group in ("slice", "slice/job"):
        write(tmp_path / group / "cpu.max", "300000 100000" if group == strict else "max 100000")
    write(tmp_path / "other" / "cpu.max", "100000 100000")
    write(tmp_path / "own", "0::/slice/job")
    assert usable_cores(tmp_path, tmp_path / "own") == 3


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("250000", 3)])
def test_version_1_has_other_files(tmp_path: Path, quota: str, expected: int) -> None:
    group = tmp_path / "cpu,cpuacct" / "docker" / "12ab"
    write(group / "cpu.cfs_quota_us", quota)
    write(group / "cpu.cfs_period_us", "100000")
    write(tmp_path / "own", "5:memory:/docker/12ab\n4:cpu,cpuacct:/docker/12ab\n1:name=systemd:/x")
    assert usable_cores(tmp_path, tmp_path / "own") == expected


def test_the_affinity_mask_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert usable_cores(tmp_path / "none", tmp_path / "none") == 1
