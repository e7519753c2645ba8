"""clusters/kuberay.yaml. KubeRay's schema is not in Ray's wheel: the fields we rely on are listed here."""

from typing import Any

import yaml

from tests.cluster.files import KUBERAY, ROOT, load

SPEC = {"rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs"}
AUTOSCALER = {"version", "idleTimeoutSeconds", "env", "volumeMounts", "securityContext"}
HEAD = {"serviceType", "rayStartParams", "template"}
WORKERS = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
POD = {"restartPolicy", "automountServiceAccountToken", "securityContext", "containers", "volumes"}
CONTAINER = {"name", "image", "env", "resources", "volumeMounts", "securityContext"}


def groups() -> list[dict[str, Any]]:
    spec = load(KUBERAY)["spec"]
    return [spec["headGroupSpec"], *spec["workerGroupSpecs"]]


def test_fields() -> None:
    document = load(KUBERAY)
    assert (document["apiVersion"], document["kind"]) == ("ray.io/v1", "RayCluster")
    spec = document["spec"]
    assert spec.keys() == SPEC
    assert spec["autoscalerOptions"].keys() == AUTOSCALER
    assert spec["headGroupSpec"].keys() == HEAD
    for group in spec["workerGroupSpecs"]:
        assert group.keys() == WORKERS
        assert (group["replicas"], group["minReplicas"]) == (0, 0)
    for group in groups():
        assert group["template"]["spec"].keys() == POD
        (container,) = group["template"]["spec"]["containers"]
        assert container.keys() == CONTAINER
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_the_ray_version_is_the_pinned_one() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"ray=={load(KUBERAY)['spec']['rayVersion']}" in pins


def test_every_container_has_the_token_from_a_secret_and_asks_for_it() -> None:
    containers = [group["template"]["spec"]["containers"][0] for group in groups()]
    for container in (*containers, load(KUBERAY)["spec"]["autoscalerOptions"]):
        env = {entry["name"]: entry["value"] for entry in container["env"]}
        assert env["RAY_AUTH_MODE"] == "token"
        (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "token"]
        assert mount["readOnly"]
        assert env["RAY_AUTH_TOKEN_PATH"] == f"{mount['mountPath']}/auth_token"
    for group in groups():
        (volume,) = [volume for volume in group["template"]["spec"]["volumes"] if volume["name"] == "token"]
        assert volume["secret"] == {"secretName": "lookahead-ray-token", "defaultMode": 0o400}


def test_only_the_clusters_own_pods_are_admitted() -> None:
    assert load(KUBERAY)["spec"]["headGroupSpec"]["serviceType"] == "ClusterIP"
    _, policy = yaml.safe_load_all(KUBERAY.read_text(encoding="utf-8"))
    ours = {"podSelector": {"matchLabels": {"ray.io/cluster": load(KUBERAY)["metadata"]["name"]}}}
    assert policy["kind"] == "NetworkPolicy"
    assert policy["spec"] == {**ours, "policyTypes": ["Ingress"], "ingress": [{"from": [ours]}]}


def test_no_container_runs_as_root_or_can_become_it() -> None:
    pods = [group["template"]["spec"] for group in groups()]
    autoscaler = load(KUBERAY)["spec"]["autoscalerOptions"]
    for pod in pods:
        user = pod["securityContext"]
        assert user["runAsNonRoot"]
        assert user["runAsUser"] == user["fsGroup"] == 1000
        assert user["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*(pod["containers"][0] for pod in pods), autoscaler):
        context = container["securityContext"]
        assert context == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    lines = (ROOT / "clusters/Dockerfile").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "USER 1000"


def test_images_are_named_by_digest() -> None:
    (base,) = [
        line
        for line in (ROOT / "clusters/Dockerfile").read_text(encoding="utf-8").splitlines()
        if "FROM" in line
    ]
    images = [group["template"]["spec"]["containers"][0]["image"] for group in groups()]
    assert all("@sha256:" in image for image in (base, *images))
