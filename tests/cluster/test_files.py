"""Every shipped cluster file: Ray's schema, keys that Ray does not check, and access from outside."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.cluster.files import RAY_UP, ROOT, SHIPPED, head_options, load, start_command

# `validate_config` accepts any key of `provider` and `node_config`, so typos would go unnoticed.
PROVIDER_KEYS = {
    "aws": {"type", "region", "availability_zone", "cache_stopped_nodes", "use_internal_ips"},
    "gcp": {"type", "region", "availability_zone", "project_id"},
    "local": {"type", "head_ip", "worker_ips"},
}
GCP_NODE_KEYS = {"machineType", "disks", "networkInterfaces", "labels", "scheduling"}
TOKEN = "~/.ray/auth_token"


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_ray_up_file = pytest.mark.parametrize("path", RAY_UP, ids=name)
each_file = pytest.mark.parametrize("path", SHIPPED, ids=name)


def test_there_is_a_file_for_each_place() -> None:
    assert {name(path) for path in SHIPPED} == {
        "cluster.yaml",
        "clusters/gcp.yaml",
        "clusters/kuberay.yaml",
        "clusters/on_premise.yaml",
    }


@each_ray_up_file
def test_rays_schema(path: Path) -> None:
    validate_config(prepare_config(copy.deepcopy(load(path))))


@each_ray_up_file
def test_no_unknown_keys_where_ray_does_not_look(path: Path) -> None:
    config = load(path)
    provider = config["provider"]
    assert provider.keys() <= PROVIDER_KEYS[provider["type"]]
    for node_type in config.get("available_node_types", {}).values():
        check_node_config(provider["type"], node_type["node_config"])


def check_node_config(provider: str, node_config: dict[str, Any]) -> None:
    """AWS: validated as arguments of RunInstances, with nested keys and types. GCP: top-level names only."""
    if provider == "gcp":
        assert node_config.keys() <= GCP_NODE_KEYS
        return
    from botocore.session import Session
    from botocore.validate import ParamValidator

    model = Session().get_service_model("ec2").operation_model("RunInstances")
    asked = {key: value for key, value in node_config.items() if key != "SubnetIds"}  # Ray's own, picks one
    asked |= {"MinCount": 1, "MaxCount": 1}
    assert ParamValidator().validate(asked, model.input_shape).generate_report() == ""


@pytest.mark.parametrize("typo", [{"InstanceTyp": "x"}, {"MetadataOptions": {"HttpToken": "required"}}])
def test_a_typo_in_an_aws_node_is_found(typo: dict[str, Any]) -> None:
    node_config = load(ROOT / "cluster.yaml")["available_node_types"]["a100"]["node_config"]
    with pytest.raises(AssertionError, match="Unknown parameter"):
        check_node_config("aws", node_config | typo)


@each_ray_up_file
def test_every_node_asks_for_the_token(path: Path) -> None:
    config = load(path)
    for role in ("head", "worker"):
        command = start_command(config[f"{role}_start_ray_commands"])
        assert command.startswith("export RAY_AUTH_MODE=token;")
    assert "export RAY_AUTH_MODE=token" in (ROOT / "clusters/setup.sh").read_text(encoding="utf-8")


@each_ray_up_file
def test_the_token_is_mounted_and_its_absence_ends_the_set_up(path: Path) -> None:
    assert load(path)["file_mounts"][TOKEN] == TOKEN
    assert f"chmod 600 {TOKEN}" in (ROOT / "clusters/setup.sh").read_text(encoding="utf-8")


@each_file
def test_files_contain_no_secret(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"RAY_AUTH_TOKEN\b(?!_PATH)", text)
    assert not re.search(r"\b[0-9a-f]{32,}\b|AKIA[0-9A-Z]{16}|PRIVATE KEY", text)


@each_file
def test_the_dashboard_is_on_loopback_and_the_head_runs_no_trial(path: Path) -> None:
    options = head_options(path)
    assert options["dashboard-host"] == "127.0.0.1"
    assert (options["num-cpus"], options["num-gpus"]) == ("0", "0")
    config = load(path)
    if "available_node_types" in config:
        head = config["available_node_types"][config["head_node_type"]]
        assert (head["resources"], head["max_workers"]) == ({"CPU": 0}, 0)


@each_ray_up_file
def test_workers_come_with_the_demand(path: Path) -> None:
    config = load(path)
    for node_type in config.get("available_node_types", {}).keys() - {config.get("head_node_type")}:
        workers = config["available_node_types"][node_type]
        assert workers["min_workers"] == 0
        assert workers["max_workers"] == config["max_workers"] > 0
        assert config["idle_timeout_minutes"] > 0


@each_ray_up_file
def test_nodes_install_the_repositorys_own_pins(path: Path) -> None:
    config = load(path)
    mounts = config["file_mounts"]
    for remote, local in mounts.items():
        if remote != TOKEN:
            assert remote == f"~/lookahead-ray/{local}"
            assert (ROOT / local).exists()
    assert {"constraints.txt", "constraints-hashes.txt", "clusters/setup.sh", "lookahead_ray"} <= set(
        mounts.values()
    )
    (command,) = [command for command in config["setup_commands"] if "setup.sh" in command]
    for name in command.split("setup.sh ")[1].split()[1:]:
        assert name in mounts.values()
        entries = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "").splitlines()
        for entry in entries:
            assert entry.startswith("#") or ("==" in entry and "--hash=sha256:" in entry), (
                "what is added is pinned"
            )
    commands = [*config["setup_commands"], *config.get("head_setup_commands", [])]
    assert not any("pip install" in line for line in commands), "setup.sh installs, once"


@pytest.mark.parametrize("path", ["clusters/setup.sh", "clusters/Dockerfile"])
def test_installations_use_constraints(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert "--no-deps --require-hashes --requirement constraints-hashes.txt" in text
    assert text.index("--require-hashes") < text.index("torch=="), (
        "PyTorch would bring packages without hashes"
    )
    assert "--no-build-isolation" in text, "pip would fetch setuptools without a hash"


def test_aws_opens_nothing_of_its_own() -> None:
    config = load(ROOT / "cluster.yaml")
    assert "security_group" not in config["provider"], "rules there would be added to Ray's own open group"
    assert config["provider"]["cache_stopped_nodes"] is False
    for node_type in config["available_node_types"].values():
        node = node_type["node_config"]
        assert node["SecurityGroupIds"] == ["sg-CHANGEME"]
        assert node["SubnetIds"] == ["subnet-CHANGEME"]
        assert node["ImageId"] == "ami-CHANGEME"
        assert node["IamInstanceProfile"]["Name"].startswith("lookahead-ray-")
        assert node["MetadataOptions"]["HttpTokens"] == "required"
        assert all(disk["Ebs"]["Encrypted"] for disk in node["BlockDeviceMappings"])
        assert {spec["ResourceType"] for spec in node["TagSpecifications"]} == {"instance", "volume"}


def test_the_documented_rules_admit_ssh_from_one_address_and_the_group() -> None:
    text = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    rules = [line for line in text.splitlines() if "authorize-security-group-ingress" in line]
    assert len(rules) == 2
    assert "--port 22 --cidr YOUR.ADDRESS/32" in rules[0]
    assert rules[1].endswith("--protocol=-1 --source-group $GROUP")


@each_ray_up_file
def test_heads_start_alike(path: Path) -> None:
    assert head_options(path) == head_options(ROOT / "cluster.yaml"), (
        "test_head.py starts that of cluster.yaml"
    )
