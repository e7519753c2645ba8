"""Lookup of the file for a search space's name."""

from pathlib import Path

SUFFIXES = (".yaml", ".yml")


def directories() -> tuple[Path, ...]:
    """Return the directories in which bare names are looked up: ./tuning_spaces, then the checkout's."""
    return Path("tuning_spaces"), Path(__file__).resolve().parents[2] / "tuning_spaces"


def find(space: str) -> Path:
    """Return the file for `space`: a path, or a bare name such as `quickstart`. Raises `ConfigError`."""
    from lookahead_ray.errors import ConfigError

    path = Path(space)
    if path.is_file():
        return path
    bare = path.name == space and space not in ("", ".", "..")
    if bare:
        names = [space] if path.suffix in SUFFIXES else [space + suffix for suffix in SUFFIXES]
        for directory in directories():
            for name in names:
                if (directory / name).is_file():
                    return directory / name
    known = sorted({f.stem for d in directories() if d.is_dir() for f in d.iterdir() if f.suffix in SUFFIXES})
    rule = f"a YAML file, or one of {', '.join(known)}" if known else "a YAML file"
    raise ConfigError(
        f"{space}: SPACE must be {rule}, got {'a directory' if path.is_dir() else 'no such file'}"
    )
