"""Recognition of files with secrets, by their usual names and by what they contain.

Patterns of content are only those that hardly occur by chance: private keys, and tokens whose issuer marks
them with a prefix and a fixed length.
"""

import re
from fnmatch import fnmatchcase
from pathlib import Path

DIRECTORIES = {
    *(".ssh", ".aws", ".azure", ".gcloud", ".kube", ".docker", ".huggingface", ".gnupg", ".oci"),
    *(".password-store", ".secrets"),
}
NAMES = (
    # environments and password files
    *(".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".htpasswd", "*.kdbx"),
    # package registries, hosting and cloud tools
    *(".pypirc", ".npmrc", ".yarnrc", ".yarnrc.yml", ".git-credentials", ".dockercfg", ".vault-token"),
    *(".boto", ".s3cfg", "rclone.conf", ".terraformrc", "*.tfvars", "*.tfstate", "*.tfstate.backup"),
    *("kubeconfig", "*.kubeconfig", "rootkey.csv", "accesskeys.csv", "*_accesskeys.csv"),
    *("application_default_credentials.json", "client_secret*.json", "service[-_]account*.json"),
    *("serviceaccount*.json", "*[-_]service[-_]account.json"),
    # keys
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.ppk", "*.jks", "*.keystore", "*.pkcs12"),
    # general names
    *("credentials", "credentials.*", ".credentials*", "*.credentials", "secrets", "secret", "*.secrets"),
    *("token", ".token", "auth_token", "hf_token", "*.token", "api_key", "api_key.txt", "apikey.txt"),
    *(
        f"{name}.{kind}"
        for name in ("secret", "secrets")
        for kind in ("yaml", "yml", "json", "toml", "ini", "txt")
    ),
)
SOURCES = (".py", ".pyi", ".md", ".rst")  # `credentials.py` is a program; what it contains is still looked at

_PEM = (
    rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:[ \t]*\r?\n|(?:\\r)?\\n| ?[A-Za-z0-9+/=]{40})"
)
_AWS_ID = rb"(?<![A-Za-z0-9/+])A[KS]IA(?![A-Z2-7]*EXAMPLE)[A-Z2-7]{16}(?![A-Za-z0-9/+=])"
_AWS_SECRET = (
    rb"(?i)aws_?secret_?(?:access_?)?key['\"]?\s*[=:]\s*['\"]?"
    rb"(?![A-Z0-9/+]*EXAMPLE)[A-Z0-9/+]{40}(?![A-Z0-9/+=])"
)
_WANDB = rb"WANDB_API_KEY['\"]?\s*[=:]\s*['\"]?[0-9a-f]{40}(?![0-9a-f])"
CONTENTS = (
    ("a private key", b"PRIVATE KEY", _PEM),
    ("a private key", b"PuTTY-User-Key-File", rb"PuTTY-User-Key-File-\d"),
    ("an AWS access key", b"AKIA", _AWS_ID),
    ("an AWS access key", b"ASIA", _AWS_ID),
    ("an AWS secret key", b"ecret", _AWS_SECRET),
    ("an AWS secret key", b"SECRET", _AWS_SECRET),
    ("a Google API key", b"AIza", rb"(?<![\w-])AIza[\w-]{35}(?![\w-])"),
    ("a Google OAuth secret", b"GOCSPX-", rb"GOCSPX-[\w-]{28}(?![\w-])"),
    ("an Azure storage key", b"AccountKey=", rb"AccountKey=[A-Za-z0-9+/]{86}=="),
    ("a GitHub token", b"gh", rb"(?<!\w)gh[pousr]_[A-Za-z0-9]{36}(?!\w)"),
    ("a GitHub token", b"github_pat_", rb"(?<!\w)github_pat_\w{82}(?!\w)"),
    ("a GitLab token", b"glpat-", rb"(?<!\w)glpat-[\w-]{20}"),
    ("a Hugging Face token", b"hf_", rb"(?<!\w)hf_[A-Za-z0-9]{34}(?!\w)"),
    ("an OpenAI key", b"T3BlbkFJ", rb"sk-[\w-]*T3BlbkFJ[\w-]{20,}"),
    ("an OpenAI key", b"sk-", rb"(?<!\w)sk-(?:proj|svcacct|admin)-[\w-]{40,}"),
    ("an Anthropic key", b"sk-ant-", rb"(?<!\w)sk-ant-[a-z0-9]+-[\w-]{80,}"),
    ("a Weights & Biases key", b"WANDB_API_KEY", _WANDB),
    ("a Slack token", b"xox", rb"(?<!\w)xox[abeprs]-\d{10,}-[\w-]{20,}"),
    ("a Stripe key", b"k_live_", rb"(?<!\w)[sr]k_live_[A-Za-z0-9]{24,}"),
    ("an npm token", b"npm_", rb"(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)"),
    ("a PyPI token", b"pypi-", rb"pypi-AgE[\w-]{50,}"),
    ("a SendGrid key", b"SG.", rb"(?<!\w)SG\.[\w-]{22}\.[\w-]{43}(?![\w-])"),
)
"""What it is, a literal part of it, which is found faster, and its pattern."""
_PATTERNS = [(what, literal, re.compile(pattern)) for what, literal, pattern in CONTENTS]

CHUNK, OVERLAP, HEAD = 1 << 20, 512, 8192


def secret_in(path: Path, relative: Path) -> str | None:
    """Return in a few words why the file may be a secret; None if nothing indicates that.

    Args:
        path: where the file is.
        relative: its path in the project, whose directories count too.

    Raises `OSError` if it can't be read.
    """
    if held := next((part for part in relative.parts[:-1] if part.lower() in DIRECTORIES), None):
        return f"in {held}/"
    name = relative.name.lower()
    if not name.endswith(SOURCES) and any(fnmatchcase(name, pattern) for pattern in NAMES):
        return "a usual name of secrets"
    return _content(path)


def _content(path: Path) -> str | None:
    """Return the kind of secret that the file contains. Binary files are not searched."""
    with path.open("rb") as file:
        tail = b""
        while chunk := file.read(CHUNK):
            if not tail and b"\0" in chunk[:HEAD]:
                return None
            text = tail + chunk
            for what, literal, pattern in _PATTERNS:
                if literal in text and pattern.search(text):
                    return f"contains {what}"
            tail = text[-OVERLAP:]
    return None
