"""What `validate` accepts, a sweep runs: random spaces over models of many layouts, two steps per training.

`LOOKAHEAD_RAY_DRAWS=1000` sets how many spaces the slow tests draw.
"""

import os
import runpy
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.evaluate.judges.judge_server import Server, serve
from tests.sweep.drawn.files import Files, make_files
from tests.sweep.drawn.in_process import refusal, sweep_trials, trials_in_process, write_space
from tests.sweep.drawn.layouts import LAYOUTS, REFUSED, make_layout
from tests.sweep.drawn.spaces import draw_space

DRAWS = int(os.environ.get("LOOKAHEAD_RAY_DRAWS", "200"))
FAST = (3, 6, 8)
ONCE_BROKEN = (
    172,
    214,
)  # all weights of a model with an adapter; an adapter of rank 1 on the embedding, in bf16
FEWEST_ACCEPTED = 0.3  # share of the spaces; a test that draws only what is refused shows nothing
MAKER = Path(__file__).resolve().parents[3] / "shared" / "cases" / "tools" / "make_tiny_model.py"
FAMILIES = (
    "chatml", "thinking", "open-think", "phi3", "gemma3", "gemma2", "llama3-first", "llama31", "dated",
    "llama2", "pad-outside", "sampling-flags", "short-context", "quantized",
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("group", "without_ray")


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("COLUMNS", "140")
    trials_in_process(monkeypatch)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("drawn") / "files")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [make_layout(name, folder / name) for name in (*LAYOUTS, *REFUSED)]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Server]:
    with serve() as server:
        yield server


def broken_promises(
    seeds: Sequence[int], models: Sequence[Path], files: Files, endpoint: Server, folder: Path
) -> tuple[list[str], int]:
    """Return what failed although `validate` accepted it, and how many spaces it accepted."""
    broken, accepted = [], 0
    for seed in seeds:
        space = write_space(folder / f"space-{seed}.yaml", draw_space(seed, models, files, endpoint.base_url))
        why = refusal(space)
        if why is not None:
            assert why.isprintable(), f"{space}: {why}"
            continue
        accepted += 1
        try:
            trials = sweep_trials(space, folder / f"run-{seed}")
        except (Exception, SystemExit) as error:
            broken.append(f"{space}: {type(error).__name__}: {error}")
            continue
        broken += [
            f"{space}: {row['trial_id']}: {row['error']}" for row in trials if row["status"] != "completed"
        ]
        assert {"seed", "vanilla"} <= {row["trial_id"] for row in trials}
    return broken, accepted


def test_a_few_spaces(models: list[Path], files: Files, endpoint: Server, tmp_path: Path) -> None:
    broken, accepted = broken_promises(FAST, models, files, endpoint, tmp_path)
    assert broken == []
    assert accepted > 0


@pytest.mark.slow
@pytest.mark.long
def test_many_spaces(models: list[Path], files: Files, endpoint: Server, tmp_path: Path) -> None:
    broken, accepted = broken_promises(
        [*ONCE_BROKEN, *range(300, 300 + DRAWS)], models, files, endpoint, tmp_path
    )
    assert broken == []
    assert accepted >= FEWEST_ACCEPTED * DRAWS


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.shared
def test_models_laid_out_as_known_families(files: Files, endpoint: Server, tmp_path: Path) -> None:
    if not MAKER.is_file():
        pytest.skip(f"needs {MAKER}")
    make = runpy.run_path(str(MAKER))["main"]
    models = [tmp_path / name for name in FAMILIES]
    for path in models:
        make(path.name, path)
    draws = DRAWS // 4
    broken, accepted = broken_promises(range(1000, 1000 + draws), models, files, endpoint, tmp_path)
    assert broken == []
    assert accepted >= FEWEST_ACCEPTED * draws
