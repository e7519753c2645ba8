"""The versions under which a run began, compared with those at `--resume`."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lookahead_ray.shipped_files import REFUSAL_DICTIONARY, REFUSAL_WEIGHTS
from lookahead_ray.trial.measurement import versions

JUDGE = "judge "
REFUSAL = "refusal"
LONGEST_HASH = 12


def versions_now(judges: Iterable[str]) -> dict[str, str]:
    """Return package -> version; and a hash of the rules of the judge `refusal`, if it is one of `judges`."""
    return {**versions(), **({f"{JUDGE}{REFUSAL}": _refusal_hash()} if REFUSAL in judges else {})}


def differences(began_with: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for the user on each difference; trials may be compared across it with care."""
    if not began_with:
        yield "versions: not recorded when this run began, so changes can't be told"
        return
    changed = [name for name in now if name in began_with and began_with[name] != now[name]]
    packages = [f"{name} {began_with[name]} → {now[name]}" for name in changed if not name.startswith(JUDGE)]
    if packages:
        yield f"versions: not those of the run's beginning, so results may differ: {', '.join(packages)}"
    for name in changed:
        if name.startswith(JUDGE):
            yield (
                f"{name}: other rules than when this run began, so verdicts may differ; "
                "`lookahead-ray rejudge` gives all trials verdicts of the new ones"
            )


def _refusal_hash() -> str:
    import lookahead_ray.evaluate.judges as judges

    folder = Path(judges.__file__).parent
    sources = [
        folder / "refusal.py",
        *(folder / "refusal_rules").rglob("*.py"),
        *(folder / "refusal_model").rglob("*.py"),
    ]
    digest = hashlib.sha256()
    for path in sorted([*sources, REFUSAL_DICTIONARY, REFUSAL_WEIGHTS]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:LONGEST_HASH]
