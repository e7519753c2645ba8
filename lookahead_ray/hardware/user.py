"""The environment variables that libraries need: a home, a user's name, folders that can be written.

Containers often run under a user id without an entry in /etc/passwd, without HOME, or with a home that is
read-only. Libraries then fail at their first cache, in the middle of a trial.
"""

import getpass
import os
import secrets
import stat
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

from lookahead_ray.disk_cache import CACHE_VARIABLE

Environment = MutableMapping[str, str]

CACHES = (
    (CACHE_VARIABLE, "lookahead-ray"),
    ("TORCH_EXTENSIONS_DIR", "torch_extensions"),
    ("MPLCONFIGDIR", "matplotlib"),
)
"""Variable -> folder in the user's cache that the library uses without it."""
RAY_TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105  # the name of a variable
HUB_FOLDERS = (("HF_DATASETS_CACHE", "datasets"), ("HF_MODULES_CACHE", "modules"), ("HF_XET_CACHE", "xet"))
"""Folders of the hub's cache that are written even if all models are there."""


def prepare_user(environ: Environment = os.environ) -> list[str]:
    """Set the variables that are missing, and return what the user should know, one line each.

    A home that exists is kept, because it may hold keys and downloaded models; only caches that can't be
    written are moved.

    Raises:
        OSError: there is no folder for temporary files.
    """
    _name_user(environ)
    home = _home(environ)
    if home is None:
        environ["HOME"] = str(private_folder("home"))
        return [
            f"HOME is not set and user {os.getuid()} is unknown here, so caches are in {environ['HOME']}; "
            "set HOME to a folder that can be written to keep them"
        ]
    moved = [variable for variable, folder in _caches(environ, home) if not can_write(folder)]
    hub = Path(environ.get("HF_HOME") or _cache_home(environ, home) / "huggingface").expanduser()
    if not can_write(hub):
        names = HUB_FOLDERS if hub.is_dir() else (("HF_HOME", "huggingface"),)
        moved += [variable for variable, _ in names if variable not in environ]
    for variable in moved:
        environ[variable] = str(private_folder(variable.lower()))
    if not moved:
        return []
    place = Path(environ[moved[0]]).parent
    return [f"{home} can't be written, so caches are in {place}; to keep them, set {', '.join(moved)}"]


def give_ray_a_token(environ: Environment = os.environ) -> None:
    """Set the key by which Ray's processes recognise each other, where Ray can't write it to the home.

    For a cluster that this process starts: its processes inherit the variable.
    """
    if environ.get(RAY_TOKEN) or environ.get("RAY_AUTH_TOKEN_PATH"):
        return
    kept = Path.home() / ".ray" / "auth_token"
    if not kept.is_file() and not can_write(kept.parent):
        environ[RAY_TOKEN] = secrets.token_hex(32)


def private_folder(name: str) -> Path:
    """Return a folder for temporary files that only this user can read, made if it does not exist.

    Raises:
        OSError: it can't be made.
    """
    base = Path(tempfile.gettempdir(), f"lookahead-ray-{os.getuid()}")
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        found = base.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or not can_write(base):
            raise PermissionError(f"{base}: is not this user's")
    except OSError:
        base = Path(tempfile.mkdtemp(prefix="lookahead-ray-"))
    (base / name).mkdir(mode=0o700, exist_ok=True)
    return base / name


def can_write(folder: Path) -> bool:
    """Return whether files can be made in the folder, or the folder itself where it does not exist."""
    try:
        while not folder.exists():
            if folder == folder.parent:
                return False
            folder = folder.parent
    except OSError:  # a folder above can't be searched
        return False
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _name_user(environ: Environment) -> None:
    """Set USER where the user has no name: PyTorch asks for one."""
    if any(environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
        return
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        environ["USER"] = environ["LOGNAME"] = f"uid{os.getuid()}"


def _home(environ: Environment) -> Path | None:
    if environ.get("HOME"):
        return Path(environ["HOME"])
    environ.pop("HOME", None)  # an empty one would make every ~ relative
    try:
        return Path.home()
    except RuntimeError:
        return None


def _caches(environ: Environment, home: Path) -> list[tuple[str, Path]]:
    base = _cache_home(environ, home)
    triton = ("TRITON_CACHE_DIR", home / ".triton" / "cache")
    found = [*((variable, base / folder) for variable, folder in CACHES), triton]
    return [(variable, folder) for variable, folder in found if variable not in environ]


def _cache_home(environ: Environment, home: Path) -> Path:
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache").expanduser()
