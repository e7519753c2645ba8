"""What `ray up cluster.yaml` starts on AWS, in moto's AWS, after the steps of docs/cluster.md."""

import copy
import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.sweep.cluster import max_cluster_resources
from tests.cluster.files import ROOT, load

pytestmark = pytest.mark.slow  # half a minute: Ray's AWS provider reads all instance types

REGION = "us-west-2"
ADDRESS = "203.0.113.7/32"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Prepare a home with AWS credentials; connections to any other machine fail."""
    home = tmp_path_factory.mktemp("home")
    connect = socket.socket.connect

    def only_local(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise RuntimeError(f"a test must not reach {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(home))
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setattr(socket.socket, "connect", only_local)
        yield home


@pytest.fixture(scope="module")
def aws(home: Path) -> Iterator[None]:
    """Start moto's AWS; empty Ray's cached clients and skip its waits for IAM."""
    from moto import mock_aws
    from ray.autoscaler._private.aws import config, utils

    caches = (utils.resource_cache, utils.client_cache, config._get_subnets_or_die)
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}), pytest.MonkeyPatch.context() as patch:
        patch.setattr(config.time, "sleep", lambda seconds: None)
        for cache in caches:
            cache.cache_clear()
        yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture(scope="module")
def group(aws: None) -> str:
    """Run the steps of docs/cluster.md except the placement group, which moto lacks; return the security
    group.
    """
    import boto3

    iam, ec2 = boto3.client("iam"), boto3.client("ec2")
    for name in ("lookahead-ray-head", "lookahead-ray-worker"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document("trust"))
        storage = document(f"{name.removeprefix('lookahead-ray-')}_storage_policy")
        iam.put_role_policy(RoleName=name, PolicyName="storage", PolicyDocument=storage)
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    head = {"RoleName": "lookahead-ray-head", "PolicyName": "workers"}
    iam.put_role_policy(**head, PolicyDocument=document("head_policy"))
    group = {"GroupName": "lookahead-ray", "Description": "lookahead-ray", "VpcId": subnet()["VpcId"]}
    made: str = ec2.create_security_group(**group)["GroupId"]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": ADDRESS}]}
    inside = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": made}]}
    ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[ssh, inside])
    return made


def document(name: str) -> str:
    return (ROOT / f"clusters/aws/{name}.json").read_text(encoding="utf-8")


def subnet() -> dict[str, Any]:
    import boto3

    zone = [{"Name": "availability-zone", "Values": [f"{REGION}a"]}]
    return boto3.client("ec2").describe_subnets(Filters=zone)["Subnets"][0]


@pytest.fixture(scope="module")
def bootstrapped(group: str) -> dict[str, Any]:
    """Return cluster.yaml with the ids filled in."""
    import boto3
    from ray.autoscaler._private.commands import _bootstrap_config

    config = load(ROOT / "cluster.yaml")
    image = boto3.client("ec2").describe_images()["Images"][0]["ImageId"]
    for node_type in config["available_node_types"].values():
        ids = {"ImageId": image, "SubnetIds": [subnet()["SubnetId"]], "SecurityGroupIds": [group]}
        node_type["node_config"].update(ids)
    return _bootstrap_config(config, no_config_cache=True)


@pytest.fixture(scope="module")
def instances(bootstrapped: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return node type -> the instance that Ray's provider starts for it."""
    import boto3
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    config = copy.deepcopy(bootstrapped)
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    for name, node_type in config["available_node_types"].items():
        provider.create_node(node_type["node_config"], {"ray-user-node-type": name}, 1)
    found = boto3.client("ec2").describe_instances()["Reservations"]
    started = [instance for reservation in found for instance in reservation["Instances"]]
    return {tags(instance)["ray-user-node-type"]: instance for instance in started}


def tags(instance: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance["Tags"]}


def test_ray_knows_the_machines_resources(bootstrapped: dict[str, Any]) -> None:
    types = bootstrapped["available_node_types"]
    assert types["head"]["resources"]["CPU"] == 0
    held = types["a100"]["resources"]
    assert (held["GPU"], held["CPU"], held["accelerator_type:A100"]) == (8, 96, 1)
    assert max_cluster_resources({}, bootstrapped)["GPU"] == 32, (
        "the driver reads this from what ray up leaves on the head"
    )


def test_instances(instances: dict[str, dict[str, Any]], group: str) -> None:
    kinds = {name: instance["InstanceType"] for name, instance in instances.items()}
    assert kinds == {"head": "m5.xlarge", "a100": "p4de.24xlarge"}
    for instance in instances.values():
        assert instance["SubnetId"] == subnet()["SubnetId"]
        assert [there["GroupId"] for there in instance["SecurityGroups"]] == [group]
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert tags(instance)["project"] == "lookahead-ray"
        assert tags(instance)["ray-cluster-name"] == "lookahead-ray"
    assert instances["a100"]["InstanceLifecycle"] == "spot"
    assert "InstanceLifecycle" not in instances["head"]
    profiles = {name: there["IamInstanceProfile"]["Arn"].split("/")[-1] for name, there in instances.items()}
    assert profiles == {"head": "lookahead-ray-head", "a100": "lookahead-ray-worker"}


def test_disks_are_encrypted_and_tagged(instances: dict[str, dict[str, Any]]) -> None:
    import boto3

    volumes = boto3.client("ec2").describe_volumes()["Volumes"]
    assert len(volumes) == len(instances)
    for volume in volumes:
        assert volume["Encrypted"]
        assert tags(volume)["project"] == "lookahead-ray"


def test_workers_are_placed_together(bootstrapped: dict[str, Any]) -> None:
    node_config = bootstrapped["available_node_types"]["a100"]["node_config"]
    assert node_config["Placement"] == {"GroupName": "lookahead-ray"}  # moto forgets it


def test_ray_adds_no_rule_and_no_group(bootstrapped: dict[str, Any], group: str) -> None:
    import boto3

    groups = boto3.client("ec2").describe_security_groups()["SecurityGroups"]
    assert {there["GroupName"] for there in groups} == {"default", "lookahead-ray"}
    (ours,) = [there for there in groups if there["GroupId"] == group]
    rules = {(rule["IpProtocol"], rule.get("FromPort")): rule for rule in ours["IpPermissions"]}
    assert rules.keys() == {("tcp", 22), ("-1", None)}
    assert [there["CidrIp"] for there in rules["tcp", 22]["IpRanges"]] == [ADDRESS]
    inside = rules["-1", None]
    assert [there["GroupId"] for there in inside["UserIdGroupPairs"]] == [group]
    assert not inside["IpRanges"]
    assert not inside["Ipv6Ranges"]


def test_ray_makes_no_role(bootstrapped: dict[str, Any]) -> None:
    import boto3

    iam = boto3.client("iam")
    names = {"lookahead-ray-head", "lookahead-ray-worker"}
    assert {role["RoleName"] for role in iam.list_roles()["Roles"]} == names
    profiles = iam.list_instance_profiles()["InstanceProfiles"]
    assert {profile["InstanceProfileName"] for profile in profiles} == names
    for name in names:
        assert not iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    stored = iam.get_role_policy(RoleName="lookahead-ray-head", PolicyName="workers")["PolicyDocument"]
    assert stored == json.loads(document("head_policy"))


def test_ray_creates_one_key_readable_by_its_owner_only(bootstrapped: dict[str, Any], home: Path) -> None:
    import boto3

    (key,) = boto3.client("ec2").describe_key_pairs()["KeyPairs"]
    assert key["KeyName"] == f"ray-autoscaler_{REGION}"  # head_policy.json names it
    path = home / ".ssh" / f"{key['KeyName']}.pem"
    assert bootstrapped["auth"]["ssh_private_key"] == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for node_type in bootstrapped["available_node_types"].values():
        assert node_type["node_config"]["KeyName"] == key["KeyName"]
