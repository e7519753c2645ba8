"""The rights of head and workers on AWS."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest

from lookahead_ray.sweep.checkpoints import CheckpointFolder
from tests.cluster.files import ROOT, load

POLICIES = ("head_policy", "head_storage_policy", "worker_storage_policy")
SEEING = {"ec2:DescribeInstances"}  # AWS allows no narrower resource for it


def statements(name: str) -> list[dict[str, Any]]:
    return json.loads((ROOT / f"clusters/aws/{name}.json").read_text(encoding="utf-8"))["Statement"]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("name", POLICIES)
def test_no_right_is_general(name: str) -> None:
    for statement in statements(name):
        assert not any("*" in action for action in listed(statement["Action"]))
        if set(listed(statement["Action"])) != SEEING:
            assert "*" not in listed(statement["Resource"])


def test_the_head_has_exactly_the_rights_of_the_autoscaler() -> None:
    actions = {action for statement in statements("head_policy") for action in listed(statement["Action"])}
    assert actions == {
        "ec2:DescribeInstances",
        "ec2:RunInstances",
        "ec2:CreateTags",
        "ec2:TerminateInstances",
        "iam:PassRole",
    }


def test_instances_are_bound_to_this_cluster_and_its_machine() -> None:
    cluster = load(ROOT / "cluster.yaml")
    found = {statement["Sid"]: statement for statement in statements("head_policy")}
    bound = found["StartWorkersOfThisCluster"]["Condition"]["StringEquals"]
    worker = cluster["available_node_types"]["a100"]["node_config"]
    assert bound["aws:RequestTag/ray-cluster-name"] == cluster["cluster_name"]
    assert bound["ec2:InstanceType"] == worker["InstanceType"]
    ended = found["TagAndEndInstancesOfThisCluster"]["Condition"]["StringEquals"]
    assert ended == {"aws:ResourceTag/ray-cluster-name": cluster["cluster_name"]}
    role = found["GiveWorkersTheirRole"]["Resource"].split("/")[-1]
    assert role == worker["IamInstanceProfile"]["Name"]
    group = found["FromTheseParts"]["Resource"]
    assert f"arn:aws:ec2:*:*:placement-group/{worker['Placement']['GroupName']}" in group


def allowed(name: str, action: str, key: str) -> bool:
    """Return whether the policy allows the action on an object of the bucket."""
    return any(
        action in listed(statement["Action"]) and fnmatchcase(f"arn:aws:s3:::BUCKET-CHANGEME/{key}", resource)
        for statement in statements(name)
        for resource in listed(statement["Resource"])
    )


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:DeleteObject"])
def test_workers_write_checkpoints_alone(action: str) -> None:
    place = CheckpointFolder("s3://BUCKET-CHANGEME/runs/mine", 1).of("search-001")
    assert place
    checkpoint = f"{place.place}/epoch-1/state.pt".removeprefix("s3://BUCKET-CHANGEME/")
    results = ["sweep.json", "commits/seed.json", "tables/trials/seed.parquet", "study.journal", "lock.json"]
    for role, writes in (("head", True), ("worker", False)):
        policy = f"{role}_storage_policy"
        assert allowed(policy, action, checkpoint)
        assert allowed(policy, "s3:GetObject", checkpoint)
        assert all(allowed(policy, action, f"runs/mine/{name}") == writes for name in results)


def test_the_documented_steps_give_each_role_its_policy_and_keep_versions() -> None:
    text = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    assert "file://${ROLE}_storage_policy.json" in text
    assert "put-bucket-versioning --bucket $BUCKET --versioning-configuration Status=Enabled" in text
