"""Files with secrets stay out of a job's package, by name and by content; what looks similar goes."""

from pathlib import Path

import pytest

from lookahead_ray.entrypoints.submit.packing import copy, select
from lookahead_ray.entrypoints.submit.submission import Submission, Where
from lookahead_ray.entrypoints.submit.submit import submit
from lookahead_ray.errors import ConfigError
from tests.entrypoints.submit.fakes import SPACE, FakeClient, checkout

BY_NAME = [
    *(".env", ".env.local", ".envrc", "prod.env", "deploy/Prod.ENV", ".netrc", ".pypirc", ".npmrc"),
    *(".git-credentials", "id_rsa", ".ssh/id_ed25519", ".ssh/config", "key.pem", "tls/server.key", "a.p12"),
    *(".aws/credentials", ".aws/config", ".kube/config", ".docker/config.json", ".azure/tokens.json"),
    *("credentials.json", "service-account.json", "service_account_prod.json", "my-service-account.json"),
    *("client_secret_1.apps.json", "secrets.yaml", "config/secrets.toml", ".huggingface/token", "auth_token"),
    *(".streamlit/secrets.toml", "infra/prod.tfvars", "terraform.tfstate", "kubeconfig", "rootkey.csv"),
    *("application_default_credentials.json", "store.jks", "hf_token", ".pgpass", ".vault-token", "x.ppk"),
]
HARMLESS = [
    *(
        "tokenizer.json",
        "tokens.py",
        "credentials.py",
        "secrets.md",
        "environment.yaml",
        "keys.csv",
        "env.py",
    ),
    *("special_tokens_map.json", "data/secret_santa.jsonl", "id_rsa.pub", "monkey.txt", "docs/token.md"),
]
LETTERS, LOWER = "aB3dE6gH9jK2mN5pQ8sT1vW4xY7zA0cD", "0123456789abcdef0123456789abcdef01234567"
PRIVATE = "PRIVATE " + "KEY-----"
BY_CONTENT = {
    "notes.txt": f"-----BEGIN RSA {PRIVATE}\nMIIEow",
    "key.py": f'KEY = """-----BEGIN {PRIVATE}\nMIIEow"""',
    "open.txt": f"-----BEGIN OPENSSH {PRIVATE}\nb3BlbnNzaC1r",
    "pgp.asc": f"-----BEGIN PGP PRIVATE {'KEY BLOCK-----'}\n\nlQOYBF",
    "gcp.json": f'{{"type": "service_account", "private_key": "-----BEGIN {PRIVATE}\\nMIIE"}}',
    "run.sh": "export AWS_ACCESS_KEY_ID=AKIA" + "Q4XYZABCDEFGH234",
    "aws.ini": "aws_secret_access_key = " + LETTERS + "aB3dE6gH",
    "aws2.sh": "AWS_SECRET_ACCESS_KEY='" + LETTERS + "aB3/E6+H'",
    "maps.js": "key: 'AIza" + LETTERS + "abc'",
    "hub.py": "login('hf_" + LETTERS + "aB')",
    "ci.yaml": "token: ghp_" + LETTERS + "aB3d",
    "pat.txt": "github_pat_" + LETTERS + LETTERS + LETTERS[:18],
    "judge.yaml": "key: sk-proj-" + LETTERS + LETTERS,
    "one_line.env.txt": f"KEY=-----BEGIN {PRIVATE} " + LETTERS * 2,
    "old.yaml": "key: sk-" + LETTERS[:20] + "T3BlbkFJ" + LETTERS[:20],
    "other.yaml": "key: sk-ant-api03-" + LETTERS * 3,
    "slack.py": "xoxb-123456789012-" + LETTERS,
    "wandb.sh": f"WANDB_API_KEY={LOWER}",
    "pay.py": "sk_live_" + LETTERS,
    "lab.txt": "glpat-" + LETTERS[:20],
    "azure.txt": "AccountKey=" + (LETTERS * 3)[:86] + "==",
    "late.jsonl": "{}\n" * 600_000 + "hf_" + LETTERS + "aB",
    "boundary.txt": "x" * (2**20 - 15) + "\nhf_" + LETTERS + "aB\n" + "y" * 100,
}
INNOCENT = {
    "docs.md": "begin with -----BEGIN " + PRIVATE + " and so on, key AKIAIOSFODNN7EXAMPLE",
    "public.txt": "-----BEGIN PUBLIC KEY-----\nMIIB",
    "words.jsonl": "sk-learn, hf_model, ghp_short, AIza, xoxo, sk-proj-name",
    "hashes.txt": LOWER + " AKIA" + "A" * 60,
    "model.bin": "\0" * 10 + "hf_" + LETTERS + "aB",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


def test_secrets_by_name_stay_even_if_tracked(root: Path) -> None:
    checkout(root, dict.fromkeys([*BY_NAME, *HARMLESS], "x"))
    selected = select(root, [])
    assert {str(path) for path in selected.sizes} == {*HARMLESS}
    assert {str(path) for path in selected.left_out} == {*BY_NAME}


def test_secrets_by_content_stay_even_if_tracked(root: Path) -> None:
    checkout(root, {**BY_CONTENT, **INNOCENT})
    selected = select(root, [])
    assert {str(path) for path in selected.left_out} == {*BY_CONTENT}
    assert {str(path) for path in selected.sizes} == {*INNOCENT}
    reasons = {str(path): reason for path, reason in selected.left_out.items()}
    assert reasons["run.sh"] == "contains an AWS access key"
    assert reasons["notes.txt"] == reasons["gcp.json"] == "contains a private key"
    assert not any(LETTERS in reason for reason in reasons.values())


def test_a_named_directory_brings_no_untracked_secrets(root: Path) -> None:
    checkout(root, {"a.py": ""})
    (root / "model" / ".ssh").mkdir(parents=True)
    for name, text in {"id_rsa": "x", ".ssh/known": "x", "notes.txt": BY_CONTENT["notes.txt"]}.items():
        (root / "model" / name).write_text(text)
    (root / "model" / "config.json").write_text("{}")
    for named in ("model", "."):
        selected = select(root, [Path(named)])
        assert {str(path) for path in selected.sizes} == {"a.py", "model/config.json"}
        assert len(selected.left_out) == 3


def test_a_link_with_a_harmless_name_is_looked_at_through(root: Path) -> None:
    (root / ".ssh").mkdir()
    (root / ".ssh" / "work").write_text("x")
    (root / "data.txt").symlink_to(".ssh/work")
    assert select(root, [Path(".")]).sizes == {}


def test_a_file_goes_that_the_user_insists_on(root: Path) -> None:
    checkout(root, {"data/pems.jsonl": BY_CONTENT["notes.txt"], ".env": "x"})
    with pytest.raises(
        ConfigError, match=r"^data/pems.jsonl: is not uploaded: contains a private key; --also"
    ):
        select(root, [Path("data/pems.jsonl")])
    selected = select(root, [Path("data/pems.jsonl")], [Path("./data/pems.jsonl")])
    assert set(selected.sizes) == {Path("data/pems.jsonl")}
    copy(root, selected, root.parent / "target")
    assert (root.parent / "target/data/pems.jsonl").is_file()
    with pytest.raises(ConfigError, match=r"^--also none: no such file$"):
        select(root, [], [Path("none")])


def test_a_dry_run_lists_what_goes_and_connects_to_nothing(root: Path) -> None:
    checkout(root, {"lib.py": "pass", ".env": "x"})
    (root / "mine.yaml").write_text(SPACE)
    told: list[str] = []
    client = FakeClient()
    what = Submission("mine.yaml", "s3://bucket/mine", dry_run=True)
    submit(Path("mine.yaml"), what, Where(), True, told.append, lambda address: client)
    assert told == [
        "upload   lib.py (4 bytes)",
        f"upload   mine.yaml ({len(SPACE)} bytes)",
        "left out .env: a usual name of secrets",
        "packed   2 files, 0.0 MiB",
    ]
    assert not client.submitted


def test_a_submission_says_what_it_left_out(root: Path) -> None:
    checkout(root, {"lib.py": "pass", ".env": "x"})
    (root / "mine.yaml").write_text(SPACE)
    told: list[str] = []
    client = FakeClient()
    here = Where(address="http://127.0.0.1:8265")
    what = Submission("mine.yaml", "s3://bucket/mine")
    submit(Path("mine.yaml"), what, here, True, told.append, lambda address: client)
    assert "left out .env: a usual name of secrets" in told
    assert ".env" not in client.files


def test_a_space_outside_the_project_with_a_secret_is_refused(root: Path) -> None:
    (root.parent / "far.yaml").write_text(SPACE + "# hf_" + LETTERS + "aB\n")
    with pytest.raises(ConfigError, match="contains a Hugging Face token"):
        submit(Path("../far.yaml"), Submission("far", "s3://b/far", dry_run=True), Where(), True, print)
