"""Upload of a trained model's directory to the hub; name, token and rights are checked before training."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookahead_ray.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

OPTION = "--push"


@dataclass(frozen=True)
class HubTarget:
    """Where a model is uploaded; `repo` is OWNER/NAME."""

    repo: str
    public: bool = False
    revision: str | None = None  # a branch, made if it does not exist; None: the main branch
    message: str | None = None  # of the commit; None: names the configuration

    @property
    def owner(self) -> str:
        """Return the user or organisation."""
        return self.repo.partition("/")[0]

    def words(self) -> list[str]:
        """Return the options of `train`."""
        words = [OPTION, self.repo, *(["--push-public"] if self.public else [])]
        words += ["--push-revision", self.revision] if self.revision else []
        return words + (["--push-message", self.message] if self.message else [])


def check_target(target: HubTarget) -> None:
    """Check name, token and permissions without changing anything on the hub.

    Raises:
        ConfigError: the name is invalid, there is no valid token, the token may not write there, or the
            repository is public although a private one is wanted.
    """
    from huggingface_hub import constants, get_token

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", target.repo):
        raise ConfigError(f"{OPTION}: must be OWNER/NAME, got {target.repo!r}")
    if constants.HF_HUB_OFFLINE:
        raise ConfigError(f"{OPTION}: needs the hub, but HF_HUB_OFFLINE is set")
    if not get_token():
        raise ConfigError(f"{OPTION}: needs a token with write access in HF_TOKEN, or `hf auth login`")
    api = _api()
    with _one_line("the hub does not accept the token"):
        about = api.whoami()
    _check_permission(about, target)
    if (private := _is_private(api, target)) is False and not target.public:
        rule = "is a public repository; choose another name, or give --push-public"
        raise ConfigError(f"{OPTION}: {target.repo} {rule}")
    if private and target.public:
        raise ConfigError(f"{OPTION}: {target.repo} is a private repository; leave out --push-public")


def upload(target: HubTarget, folder: Path, title: str) -> str:
    """Upload the files of `folder` and return the address of the commit. `title` describes the model.

    Raises:
        StoreError: the upload failed; it says how to upload the folder without training again.
    """
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    api = _api()
    message = target.message or f"Upload the model: {title}"
    try:
        api.create_repo(target.repo, private=not target.public, exist_ok=True)
        if target.revision:
            api.create_branch(target.repo, branch=target.revision, exist_ok=True)
        done = api.upload_folder(
            repo_id=target.repo, folder_path=folder, commit_message=message, revision=target.revision
        )
    except Exception as error:  # of HTTP, of the hub, of the file system
        words = ["hf", "upload", target.repo, str(folder), *([] if target.public else ["--private"])]
        words += ["--revision", target.revision] if target.revision else []
        raise StoreError(
            f"{OPTION}: {target.repo}: not uploaded: {_reason(error)}; the model is in {folder}, upload it "
            f"with: {shlex.join(words)}"
        ) from error
    return str(done.commit_url)


def _api() -> "HfApi":
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="lookahead-ray")


def _check_permission(about: Mapping[str, Any], target: HubTarget) -> None:
    owners: dict[str, Any] = {str(about.get("name")): "write"}
    owners |= {str(each.get("name")): each.get("roleInOrg") for each in about.get("orgs") or ()}
    if target.owner not in owners:
        rule = f"the owner must be one that the token belongs to: {', '.join(owners)}"
        raise ConfigError(f"{OPTION}: {rule}; got {target.owner!r}")
    if owners[target.owner] == "read":
        raise ConfigError(f"{OPTION}: {target.owner}: this user may only read there, not write")
    token = (about.get("auth") or {}).get("accessToken") or {}
    if token.get("role") == "read":
        raise ConfigError(f"{OPTION}: the token may only read; make one with write access")
    if token.get("role") == "fineGrained" and not _grants(token.get("fineGrained") or {}, target):
        raise ConfigError(f"{OPTION}: the token has no write access to {target.repo}; add it to the token")


def _grants(rights: Mapping[str, Any], target: HubTarget) -> bool:
    scoped: Sequence[Mapping[str, Any]] = rights.get("scoped") or ()
    names = {target.owner, target.repo}
    return any(
        "repo.write" in (scope.get("permissions") or ()) and (scope.get("entity") or {}).get("name") in names
        for scope in scoped
    )


def _is_private(api: "HfApi", target: HubTarget) -> bool | None:
    """Return whether the repository is private; None if it does not exist."""
    from huggingface_hub.errors import RepositoryNotFoundError

    with _one_line(f"{target.repo} can't be looked up"):
        try:
            return bool(api.repo_info(target.repo).private)
        except RepositoryNotFoundError:
            return None


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of HTTP and of the hub
        raise ConfigError(f"{OPTION}: {what}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
