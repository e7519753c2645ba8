"""The files that are uploaded with a job."""

import os
import subprocess
from pathlib import Path

import pytest

from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.yaml_io import read_yaml
from lookahead_ray.entrypoints.submit import packing
from lookahead_ray.entrypoints.submit.packing import copy, select, tracked
from lookahead_ray.entrypoints.submit.referenced_files import named_files
from lookahead_ray.errors import ConfigError
from tests.entrypoints.submit.fakes import SPACE, checkout


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


def packed(root: Path, *named: str) -> set[str]:
    target = root.parent / "target"
    selected = select(root, [Path(name) for name in named])
    copy(root, selected, target)
    found = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert {*map(str, selected.sizes)} == found
    return found


def test_tracked_and_named_files_go(root: Path) -> None:
    checkout(root, {"lib/a.py": "", "gone.py": "", "README.md": "x"})
    (root / "gone.py").unlink()
    (root / "untracked.py").write_text("")
    (root / "data").mkdir()
    (root / "data" / "train.jsonl").write_text("{}")
    assert packed(root, "data/train.jsonl") == {"lib/a.py", "README.md", "data/train.jsonl"}


def test_ignored_files_are_packed_if_the_space_names_them(root: Path) -> None:
    checkout(root, {".gitignore": "data/\n", "a.py": ""})
    (root / "data").mkdir()
    (root / "data" / "x.csv").write_text("")
    assert packed(root, "data") == {"a.py", "data/x.csv"}


def test_runs_environments_and_secrets_stay_even_if_tracked(root: Path) -> None:
    secret = ["runs/old/sweep.json", ".venv/pyvenv.cfg", ".env", "sub/.env.local", ".netrc", "lib/venv/x"]
    checkout(root, {"a.py": "", **dict.fromkeys(secret, "secret")})
    assert packed(root) == {"a.py"}


def test_a_link_out_of_the_tree_stays(root: Path) -> None:
    (root.parent / "private").write_text("secret")
    (root / "b.py").write_text("b")
    (root / "out").symlink_to(root.parent / "private")
    (root / "within").symlink_to("b.py")
    checkout(root, {})
    subprocess.run(["git", "-C", str(root), "add", "out", "within"], check=True)
    assert packed(root) == {"within"}


def test_without_git_the_named_files_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(root.parent))
    (root / "a.py").write_text("")
    (root / "mine.yaml").write_text(SPACE)
    assert packed(root, "mine.yaml") == {"mine.yaml"}


@pytest.mark.parametrize(
    ("name", "rule"),
    [("runs/model", "is never uploaded"), (".env", "is not uploaded: a usual name of secrets; --also .env ")],
)
def test_a_named_file_that_is_never_packed_is_refused(root: Path, name: str, rule: str) -> None:
    checkout(root, {"a.py": "", name: ""})
    with pytest.raises(ConfigError, match=f"^{name}: {rule}"):
        packed(root, name)


def test_too_much_is_refused_by_its_largest_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST_BYTES", 2**20)
    checkout(root, {"a.py": "a", "weights.bin": "w" * 2**21})
    with pytest.raises(ConfigError, match=r"^weights.bin: .* 1 MiB together, got 2 MiB, 2 of them here"):
        packed(root)
    assert not (root.parent / "target").exists()


def names(root: Path, text: str) -> tuple[list[str], list[str]]:
    path = Path("mine.yaml")
    path.write_text(text)
    pack, elsewhere = named_files(load_sweep(path), read_yaml(path))
    return [str(path) for path in pack], elsewhere


def test_the_other_model_of_a_merge_may_be_a_hub_name_or_a_folder(root: Path) -> None:
    text = "task: {name: word_problems}\nmerge: {name: layers, share: 0.5, base_path: BASE}\n"
    for name in ("org/base", "embedded-unaligned"):
        assert names(root, text.replace("BASE", name)) == ([], [])
    (root / "base").mkdir()
    assert names(root, text.replace("BASE", "base")) == (["base"], [])
    assert names(root, text.replace("BASE", "/models/base")) == ([], ["/models/base"])


def test_files_of_a_space_are_found(root: Path) -> None:
    for name in ("train.jsonl", "test.jsonl", "probe.csv", "words.txt"):
        (root / name).write_text("So,\n")
    text = (
        "task: {name: gsm8k, path: train.jsonl, test_path: ./test.jsonl}\n"
        "model: {path: org/on-the-hub}\n"
        "safety: [{name: xstest, path: probe.csv}, {name: hex_phi, path: /shared/hex.jsonl}]\n"
        "preview: {strategy: virtual, prefix: {choice_from: {path: words.txt}}}\n"
    )
    pack, elsewhere = names(root, text)
    assert sorted(pack) == ["probe.csv", "test.jsonl", "train.jsonl", "words.txt"]
    assert elsewhere == ["/shared/hex.jsonl"]


def test_urls_stay_and_patterns_are_packed(root: Path) -> None:
    (root / "shards").mkdir()
    for part in range(2):
        (root / "shards" / f"{part}.jsonl").write_text("{}\n")
    text = (
        "task: {name: gsm8k, path: shards/*.jsonl, test_path: s3://bucket/test.jsonl}\n"
        "safety: [{name: xstest, path: shards}, {name: hex_phi, path: ~/hex.jsonl}]\n"
    )
    pack, elsewhere = names(root, text)
    assert sorted(pack) == ["shards", "shards/0.jsonl", "shards/1.jsonl"]
    assert elsewhere == ["s3://bucket/test.jsonl", "~/hex.jsonl"]


def test_a_missing_file_is_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"^mine.yaml: task.path: must be an existing file, got 'no.jsonl'"):
        names(root, SPACE.replace("word_problems", "gsm8k, path: no.jsonl"))


def test_a_path_out_of_the_directory_is_refused(root: Path) -> None:
    (root.parent / "up.jsonl").write_text("")
    with pytest.raises(ConfigError, match=r"^mine.yaml: task.path: must be in the current directory"):
        names(root, SPACE.replace("word_problems", "gsm8k, path: ../up.jsonl"))


def test_a_run_to_learn_from_must_be_shared(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"search.warm_start.0: .* got 'runs/earlier'"):
        names(root, SPACE + "search: {warm_start: [runs/earlier]}\n")


def test_a_checkout_of_another_owner_is_packed_and_runs_none_of_its_programs(root: Path) -> None:
    checkout(root, {"a.py": ""})
    marker = root / "ran"
    program = root / "monitor.sh"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    subprocess.run(["git", "-C", str(root), "config", "core.fsmonitor", str(program)], check=True)
    if os.getuid() != 0:
        pytest.skip("only root may give files to another user")
    for path in (root, root / ".git"):
        os.chown(path, 12345, 12345)
    refused = subprocess.run(["git", "-C", str(root), "status"], capture_output=True, text=True, check=False)
    assert "dubious ownership" in refused.stderr
    assert Path("a.py") in tracked(root)
    assert not marker.exists()


def test_without_git_a_checkout_is_refused_and_a_plain_folder_is_not(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert tracked(root) == []
    (root / ".git").mkdir()
    with pytest.raises(ConfigError, match="git must be installed"):
        tracked(root)


def test_a_damaged_checkout_is_refused(root: Path) -> None:
    (root / ".git").write_text("gitdir: /nowhere\n")
    with pytest.raises(ConfigError, match="git can't list the files to upload"):
        tracked(root)
