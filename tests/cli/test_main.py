import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lookahead_ray.cli.main import app
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.entrypoints.align import AlignOptions
from lookahead_ray.errors import ModelError
from lookahead_ray.store import SweepIdentity, create
from lookahead_ray.store import open as open_run
from lookahead_ray.sweep.interfaces import Observer, Sink
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from lookahead_ray.trial.record import TrialRecord
from tests.hardware.machines import SLOW_CPU, node
from tests.presentation.records import recommendation as make_recommendation
from tests.presentation.records import record as make_record
from tests.presentation.records import sweep as make_sweep

HEAVY = ("torch", "ray", "transformers", "pyarrow", "matplotlib", "pydantic", "rich", "numpy")


@dataclass
class SweepResult:
    """The result of a driver."""

    run: str
    records: list[TrialRecord] = field(default_factory=make_sweep)
    recommendation: Recommendation = field(default_factory=make_recommendation)
    interrupted: bool = False
    lines: tuple[str, ...] = ()


@dataclass
class Preflight:
    lines: list[str]
    missing: list[str] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


RUNS_ON = (
    "runs on 2 ranks × 1 CPU core of this machine, fp32: "
    "a bf16 product runs at 0.014 times the speed of fp32 on this CPU"
)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a module with the given functions where a command will import it."""

    def put(module: str, **functions: Any) -> None:
        made = ModuleType(module)
        made.__dict__.update(functions)
        monkeypatch.setitem(sys.modules, module, made)

    return put


@pytest.fixture(autouse=True)
def two_slow_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without bf16 instructions, whose CPU is not measured for it."""
    machine = node(cpu=SLOW_CPU)
    monkeypatch.setattr("lookahead_ray.sweep.hardware.describe_local_node", lambda: machine)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of the hub are not there at once, without the attempts that take a minute."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(
        "task: {name: word_problems}\npreview: {strategy: 'true', length_tokens: {int: [1, 4]}}\n"
    )
    return path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="lookahead-ray")


def test_help_lists_the_commands() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    for command in (
        "sweep",
        "validate",
        "screen",
        "train",
        "align",
        "evaluate",
        "tables",
        "rejudge",
        "judge-agreement",
        "preview",
        "submit",
        "status",
        "logs",
        "stop",
        "--version",
    ):
        assert command in result.stdout


@pytest.mark.parametrize(
    "command",
    [
        *("sweep", "validate", "screen", "train", "align", "evaluate", "tables", "rejudge"),
        *("judge-agreement", "preview", "submit", "status", "logs", "stop"),
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    assert invoke(command, "--help").exit_code == 0


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import json, sys\n"
        "sys.argv = ['lookahead-ray', '--help']\n"
        "from lookahead_ray.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_version() -> None:
    from lookahead_ray import __version__

    assert invoke("--version").stdout == f"lookahead-ray {__version__}\n"


def test_validate_prints_its_findings(fake: Callable[..., None], space: Path) -> None:
    fake(
        "lookahead_ray.sweep.preflight",
        check=lambda sweep, strict: Preflight([f"space  {sweep.name}", "rows   256"], ["a: gated"]),
    )
    result = invoke("validate", str(space))
    assert result.exit_code == 0
    assert result.stdout.endswith(f"models …\nspace  tiny\nrows   256\n{RUNS_ON}\nmissing a: gated\nok\n")


def test_bare_names_are_looked_up(fake: Callable[..., None], space: Path) -> None:
    (space.parent / "tuning_spaces").mkdir()
    space.rename(space.parent / "tuning_spaces" / space.name)
    fake("lookahead_ray.sweep.preflight", check=lambda sweep, strict: Preflight([sweep.name]))
    assert invoke("validate", "tiny").stdout.endswith(f"\ntiny\n{RUNS_ON}\nok\n")
    assert invoke("validate", "tiny.yaml").exit_code == 0


@pytest.mark.parametrize("given", ["no_such_space", "no/such.yaml", "."])
def test_an_unknown_space_is_refused_in_one_line(space: Path, given: str) -> None:
    result = invoke("validate", given)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {given}: SPACE must be")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_refusals_are_one_line_and_exit_2(fake: Callable[..., None], space: Path) -> None:
    def check(sweep: object, **options: bool) -> None:
        raise ModelError("model.path: no weights\nin \x1b[31mhere, got 'x'")

    fake("lookahead_ray.sweep.preflight", check=check)
    for command in ("validate", "sweep"):
        result = invoke(command, str(space))
        assert result.exit_code == 2
        assert result.stderr == "error: model.path: no weights in here, got 'x'\n"


def test_an_override_that_breaks_a_rule_is_refused(space: Path) -> None:
    result = invoke("validate", str(space), "--set", "training.epochs=0")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "training.epochs" in result.stderr
    assert result.stderr.count("\n") == 1


def test_unknown_exceptions_leave_a_log(fake: Callable[..., None], space: Path) -> None:
    def check(sweep: object, **options: bool) -> None:
        raise ZeroDivisionError("first\nsecond")

    fake("lookahead_ray.sweep.preflight", check=check)
    result = invoke("validate", str(space))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ZeroDivisionError: first (traceback in ")
    log = Path(result.stderr.rpartition("traceback in ")[2].rstrip(")\n"))
    assert "second" in log.read_text()
    log.unlink()


def test_ctrl_c_before_the_search(fake: Callable[..., None], space: Path) -> None:
    def check(sweep: object, **options: bool) -> None:
        raise KeyboardInterrupt

    fake("lookahead_ray.sweep.preflight", check=check)
    assert invoke("validate", str(space)).exit_code == 130
    result = invoke("sweep", str(space))
    assert result.exit_code == 130
    assert result.stderr.startswith(
        "interrupted before the search began; continue with: lookahead-ray sweep "
    )


def drive(interrupt: str) -> Callable[..., SweepResult]:
    """A driver that commits two trials and is then interrupted, by a `raise` or as a `result`."""

    def run_sweep(sweep: Any, sink: Sink, observer: Observer, warm: Any) -> SweepResult:
        observer.sweep_started(sink.sweep_id, sink.run, 8, sink.committed, f"{sink.run}/driver.log")
        for record in make_sweep()[:2]:
            observer.trial_started(record.trial_id, record.role, record.role)
            observer.trial_finished(record)
        if interrupt == "raise":
            raise KeyboardInterrupt
        observer.sweep_finished(interrupt == "result")
        return SweepResult(sink.run, interrupted=interrupt == "result")

    return run_sweep


@pytest.mark.parametrize("interrupt", ["raise", "result"])
def test_ctrl_c_prints_the_committed_trials(fake: Callable[..., None], space: Path, interrupt: str) -> None:
    fake("lookahead_ray.sweep.preflight", check=lambda sweep: Preflight([]))
    fake("lookahead_ray.sweep.driver", run_sweep=drive(interrupt))
    result = invoke("sweep", "tiny.yaml", "--set", "training.epochs=2")
    assert result.exit_code == 130
    assert result.stderr == (
        "interrupted: 2 trials are committed in runs/tiny; continue with: "
        "lookahead-ray sweep tiny.yaml --run runs/tiny --resume --set training.epochs=2\n"
    )


def test_sweep_ends_with_report_and_picture(fake: Callable[..., None], space: Path) -> None:
    fake("lookahead_ray.sweep.preflight", check=lambda sweep: Preflight([]))
    fake("lookahead_ray.sweep.driver", run_sweep=drive("never"))
    result = invoke("sweep", str(space), "--run", "here")
    assert result.exit_code == 0, result.stderr
    assert "[2/8] finished: vanilla" in result.stdout
    assert "Recommended: " in result.stdout
    assert "strategy: virtual" in result.stdout
    assert (space.parent / "here" / "tradeoff.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_of_failures_does_not_look_like_success(fake: Callable[..., None], space: Path) -> None:
    def run_sweep(sweep: Any, sink: Sink, observer: Observer, warm: Any) -> SweepResult:
        nothing = Recommendation(None, "No trial was completed.", (), ())
        return SweepResult(sink.run, [make_record("t", rates=None, status="failed", error="boom")], nothing)

    fake("lookahead_ray.sweep.preflight", check=lambda sweep: Preflight([]))
    fake("lookahead_ray.sweep.driver", run_sweep=run_sweep)
    result = invoke("sweep", str(space))
    assert result.exit_code == 1
    assert result.stderr == "error: every trial of the search failed\n"
    assert "boom" in result.stdout


def test_align_reads_the_options_of_train_and_evaluate(fake: Callable[..., None], space: Path) -> None:
    seen: list[Any] = []

    def align_and_report(options: Any, report: Callable[[str], None]) -> None:
        seen.append(options)
        report("aligned")

    fake("lookahead_ray.entrypoints.align", AlignOptions=AlignOptions, align_and_report=align_and_report)
    words = ["--model", "some/model", "--output", "there", "--merged", "--no-recoveries", "--run", "tables"]
    words += ["--suite", "probe", "--task", "word_problems", "--judge", "keyword", "--set", "seed=1"]
    result = invoke("align", *words)
    assert (result.stdout, result.stderr) == ("aligned\n", "")
    (options,) = seen
    assert options.settings == [
        'safety={"name": "probe"}',
        'task={"name": "word_problems"}',
        options.chosen[2],
        "seed=1",
        "recoveries=false",
        'model.path="some/model"',
    ]
    assert sorted(options.command.split()) == sorted(["lookahead-ray", "align", *words])


def test_evaluate_prints_the_figures(fake: Callable[..., None], space: Path) -> None:
    def evaluate_model(
        config: TrialConfig, sweep_id: str, trial_id: str, log: Path, report: Callable[[str], None]
    ) -> TrialRecord:
        report(f"loading {config.model.path}")
        return replace(make_record(trial_id, "evaluate", rates=(0.63, 0.3, 0.1, 0.4)), sweep_id=sweep_id)

    fake("lookahead_ray.sweep.preflight", check=lambda sweep, searches, trains: Preflight([]))
    fake("lookahead_ray.sweep.evaluate_model", evaluate_model=evaluate_model)
    result = invoke("evaluate", "some/model", "--space", str(space))
    assert result.exit_code == 0, result.stderr
    assert "loading some/model" in result.stdout
    assert "63 % [5" in result.stdout
    assert "tables: runs/evaluate-tiny" in result.stdout
    (stored,) = open_run("runs/evaluate-tiny").records()
    assert (stored.role, stored.status) == ("evaluate", "completed")


@pytest.mark.parametrize("model", ["123", "a #1", "[a, b]", "x: y", "a=b"])
def test_evaluate_takes_the_model_literally(fake: Callable[..., None], space: Path, model: str) -> None:
    seen: list[str] = []

    def check(sweep: Any, searches: bool, trains: bool) -> None:
        seen.append(sweep.reference().model.path)
        raise ModelError("stop")

    fake("lookahead_ray.sweep.preflight", check=check)
    assert invoke("evaluate", model, "--space", str(space)).stderr == "error: stop\n"
    assert seen == [model]


def test_evaluate_needs_no_file(fake: Callable[..., None], space: Path) -> None:
    seen: list[TrialConfig] = []

    def evaluate_model(
        config: TrialConfig, sweep_id: str, trial_id: str, log: Path, report: Callable[[str], None]
    ) -> TrialRecord:
        seen.append(config)
        return replace(make_record(trial_id, "evaluate"), sweep_id=sweep_id)

    fake("lookahead_ray.sweep.preflight", check=lambda sweep, searches, trains: Preflight([]))
    fake("lookahead_ray.sweep.evaluate_model", evaluate_model=evaluate_model)
    asked = space.parent / "asked.csv"
    asked.write_text("prompt\nHow?\n")
    options = ["--suite", f"file={asked}", "--judge", "keyword protocol=paper", "--task", "word_problems"]
    for model in ("one", "two"):
        result = invoke("evaluate", model, *options)
        assert result.exit_code == 0, result.stderr
    assert [config.model.path for config in seen] == ["one", "two"]
    evaluation = seen[0].evaluation
    assert (evaluation.attacks, evaluation.kl_tokens, evaluation.judges[0].name) == ((), 0, "keyword")
    (run,) = Path("runs").iterdir()
    assert run.name.startswith("evaluate-model-")
    assert len(open_run(str(run)).records()) == 2
    assert invoke("evaluate", "one", "--judge", "keyword", "--space", str(space)).exit_code == 0
    assert (seen[2].evaluation.kl_tokens, seen[2].evaluation.judges[0].name) == (8, "keyword")
    assert invoke("evaluate", "one", "--suite", "probe").exit_code == 0
    assert seen[3].evaluation.attacks


def test_evaluate_refuses_a_bad_space_before_loading_a_model(space: Path) -> None:
    space.write_text("task: {name: nonsense}\n")
    assert invoke("evaluate", "some/model", "--space", str(space)).exit_code == 2


@pytest.fixture
def run(tmp_path: Path) -> str:
    """Write a run with a whole sweep's trials but without their answers."""
    config = {"objective": {"name": "weighted", "safety_weight": 0.5}}
    store = create(str(tmp_path / "run"), SweepIdentity("quickstart-1a2b", "quickstart", "h", config, "now"))
    for record in make_sweep():
        store.commit(record)
    return str(tmp_path / "run")


def test_tables_prints_the_report_again(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lookahead_ray.entrypoints.tables.recommend", lambda records, objective: make_recommendation()
    )
    result = invoke("tables", run)
    assert result.exit_code == 0, result.stderr
    assert "71 % [64, 78]" in result.stdout
    assert "Recommended: virtual" in result.stdout
    assert "rows     trials 8, steps 0, signals 0, generations 0, token_kl 0" in result.stdout


def test_tables_of_an_empty_run(tmp_path: Path) -> None:
    create(str(tmp_path), SweepIdentity("id", "quickstart", "h", {}, "now"))
    result = invoke("tables", str(tmp_path))
    assert (result.exit_code, result.stderr) == (2, f"error: {tmp_path}: no trial is committed yet\n")


def test_tables_exports(run: str, tmp_path: Path) -> None:
    names = ["trials", "steps", "signals", "generations", "token_kl"]
    assert invoke("tables", run, "--format", "csv").stdout.split() == [f"{run}/export/{n}.csv" for n in names]
    out = str(tmp_path / "out")
    assert invoke("tables", run, "--format", "arrow", "--out", out).stdout.split() == [
        f"{out}/{n}.arrow" for n in names
    ]
    assert (tmp_path / "out" / "trials.arrow").stat().st_size > 0


def test_tables_refuses(tmp_path: Path, run: str) -> None:
    assert invoke("tables", run, "--format", "xls").exit_code == 2
    result = invoke("tables", str(tmp_path / "elsewhere"))
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
