"""Uploads of models, against a stub of the hub on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lookahead_ray.entrypoints.hub_upload import HubTarget, check_target, upload
from lookahead_ray.errors import ConfigError, StoreError
from tests.entrypoints.hub_stub import TOKEN, Hub, serve

MINE = HubTarget("birds/owl")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "README.md").write_text("---\nlibrary_name: transformers\n---\n# Owl\n")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_a_model_goes_to_a_new_private_repository(hub: Hub, model: Path) -> None:
    check_target(MINE)
    assert not hub.created  # the check changes nothing
    address = upload(MINE, model, "true, 6 tokens")
    assert address.startswith(f"{hub.address}/birds/owl")
    assert hub.private is True
    ((path, summary, files),) = hub.commits
    assert (path.rpartition("/")[2], summary) == ("main", "Upload the model: true, 6 tokens")
    assert files == {file.name: file.read_bytes() for file in model.iterdir()}


def test_branch_message_and_visibility_are_chosen(hub: Hub, model: Path) -> None:
    target = HubTarget("birds/owl", public=True, revision="night", message="Owls at night")
    check_target(target)
    upload(target, model, "")
    assert (hub.private, hub.branches) == (False, ["night"])
    assert [(path.rpartition("/")[2], summary) for path, summary, _ in hub.commits] == [
        ("night", "Owls at night")
    ]


@pytest.mark.parametrize("repo", ["owl", "birds/owl/night", "birds/o wl", ""])
def test_names_are_checked_first(repo: str) -> None:
    with pytest.raises(ConfigError, match="--push: must be OWNER/NAME"):
        check_target(HubTarget(repo))


def test_tokens_and_owners_are_checked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="must be one that the token belongs to: ann, birds; got 'fish'"):
        check_target(HubTarget("fish/owl"))
    hub.role = "read"
    with pytest.raises(ConfigError, match="the token may only read"):
        check_target(MINE)
    hub.role = "fineGrained"
    with pytest.raises(ConfigError, match="has no write access to birds/owl"):
        check_target(MINE)
    hub.role, hub.orgs = "write", [{"name": "birds", "roleInOrg": "read"}]
    with pytest.raises(ConfigError, match="birds: this user may only read"):
        check_target(MINE)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(ConfigError, match="the hub does not accept the token"):
        check_target(MINE)


def test_without_a_token_or_a_hub_nothing_is_trained(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"--push: the hub does not accept the token: .*refused"):
        check_target(MINE)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="needs a token with write access in HF_TOKEN"):
        check_target(MINE)


def test_a_public_repository_is_not_used_by_accident(hub: Hub) -> None:
    hub.private = False
    with pytest.raises(ConfigError, match="birds/owl is a public repository"):
        check_target(MINE)
    check_target(HubTarget("birds/owl", public=True))
    hub.private = True
    check_target(MINE)
    with pytest.raises(ConfigError, match="is a private repository"):
        check_target(HubTarget("birds/owl", public=True))


def test_a_failed_upload_says_how_to_repeat_it(hub: Hub, model: Path) -> None:
    hub.fails = True
    with pytest.raises(StoreError, match=f"not uploaded: .*hf upload birds/owl {model} --private"):
        upload(MINE, model, "")
