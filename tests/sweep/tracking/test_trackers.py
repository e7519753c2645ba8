"""Trackers with Ray's own callbacks: MLflow in a folder and on a server, TensorBoard's files; and faults."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.tracking import HasTracking, TrackingConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.sweep.tracking.requirements import check_trackers
from lookahead_ray.sweep.tracking.trackers import Trackers
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import TrialRecord, failed_record
from tests.factory import make_record
from tests.sweep.tracking.mlflow_server import running_server


def configs(*given: dict[str, Any]) -> tuple[TrackingConfig, ...]:
    return HasTracking.model_validate({"tracking": list(given)}).tracking


def record() -> TrialRecord:
    made = make_record(4)
    return made.with_measured(harness={"parity/acc": {"value": 0.5, "low": 0.25, "high": 0.75, "n": 16.0}})


def job_of(record: TrialRecord) -> Job:
    return Job(record.trial_id, record.role, record.config, record.params, "true, 6 tokens")


def track(tracking: tuple[TrackingConfig, ...], run: Path, record: TrialRecord, **options: Any) -> Trackers:
    trackers = Trackers(tracking, str(run), "birds", "birds-77", **options)
    with trackers.opened():
        trackers.started(job_of(record))
        trackers.signal(record.trial_id, record.signals[0])
        trackers.finished(record)
    return trackers


def events(path: Path) -> list[tuple[str, int, float]]:
    """Return tag, step and value of all scalars in an event file."""
    from tensorboardX.proto.event_pb2 import Event

    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        event = Event.FromString(content[12 : 12 + length])
        found += [
            (v.tag, event.step, v.simple_value) for v in event.summary.value if v.HasField("simple_value")
        ]
        content = content[16 + length :]
    return found


@pytest.fixture(params=["folder", pytest.param("server", marks=pytest.mark.slow)])
def mlflow_address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Addresses as users give them: a folder, and a running server with a database."""
    pytest.importorskip("mlflow")
    if request.param == "folder":
        yield str(tmp_path / "store")
        return
    with running_server(tmp_path) as server:
        yield server.address


def test_mlflow_gets_parameters_curves_and_rates_with_intervals(tmp_path: Path, mlflow_address: str) -> None:
    import mlflow

    done = record()
    tracking = configs({"name": "mlflow", "tracking_uri": mlflow_address})
    (said,) = check_trackers(tracking, "space.yaml")
    assert mlflow_address in said
    assert track(tracking, tmp_path / "run", done).lines == ()
    place = mlflow_address if "://" in mlflow_address else Path(mlflow_address).as_uri()
    client = mlflow.MlflowClient(place)
    experiment = client.get_experiment_by_name("birds")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.tags["sweep_id"] == "birds-77"
    assert run.data.params["trial_id"] == done.trial_id
    assert run.data.params["training.learning_rate"] == str(done.config["training"]["learning_rate"])
    assert done.rsr
    figures = run.data.metrics
    assert (figures["rsr"], figures["rsr_low"], figures["rsr_high"]) == (
        done.rsr.value,
        done.rsr.low,
        done.rsr.high,
    )
    assert done.utility
    assert figures["utility"] == done.utility.value
    assert figures["objective"] == done.objective
    assert figures["kl/position_1"] == done.kl[0]
    assert (figures["harness/parity/acc"], figures["harness/parity/acc_low"]) == (0.5, 0.25)
    losses = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(m.step, m.value) for m in losses] == [(step.step, step.loss) for step in done.steps]
    epochs = client.get_metric_history(run.info.run_id, "epoch/train_tokens")
    assert [m.step for m in epochs] == [signal.epoch for signal in done.signals]  # each once


@pytest.mark.slow
def test_an_mlflow_server_that_ends_costs_its_figures_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = record()
    with running_server(tmp_path) as server:
        tracking = configs({"name": "mlflow", "tracking_uri": server.address})
        trackers = Trackers(tracking, str(tmp_path / "run"), "birds", "birds-77")
        with trackers.opened():
            server.stop()
            trackers.started(job_of(done))
            trackers.finished(done)
        (line,) = trackers.lines
        assert line.startswith("tracking: mlflow lost ")
        with pytest.raises(ConfigError, match="no MLflow server answers"):
            check_trackers(tracking, "space.yaml")


def test_tensorboard_gets_the_same_figures(tmp_path: Path) -> None:
    done = record()
    track(configs({"name": "tensorboard"}), tmp_path / "run", done)
    (file,) = (tmp_path / "run" / "tensorboard" / done.trial_id).iterdir()
    found = events(file)
    losses = [(step, value) for tag, step, value in found if tag == "ray/tune/train/loss"]
    assert losses == [(step.step, pytest.approx(step.loss)) for step in done.steps]
    rates = {tag.removeprefix("ray/tune/"): value for tag, _, value in found}
    assert done.jsr
    assert rates["jsr"] == pytest.approx(done.jsr.value)
    assert rates["jsr_low"] == pytest.approx(done.jsr.low)
    assert rates["objective"] == pytest.approx(done.objective)


class Recorder:
    """A callback that notes its calls, and fails at the start of every trial if told so."""

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.calls = fails, list[Any]()

    def log_trial_start(self, trial: Any) -> None:
        if self.fails:
            raise OSError("no route")
        self.calls.append(("start", str(trial)))

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        self.calls.append(("result", result))

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        self.calls.append(("end", failed))

    def on_experiment_end(self, trials: list[Any]) -> None:
        self.calls.append(("closed", None))


def making(recorder: Recorder) -> Callable[..., Any]:
    return lambda config, name, sweep_id: cast(Any, recorder)


def test_a_failing_tracker_costs_figures_but_no_trial(tmp_path: Path) -> None:
    recorder, done = Recorder(fails=True), record()
    trackers = track(configs({"name": "tensorboard"}), tmp_path, done, make=making(recorder))
    assert trackers.lines == ("tracking: tensorboard lost 2 of 4 calls; the reasons are in the log",)


def test_failed_and_interrupted_trials_are_ended_as_failed(tmp_path: Path) -> None:
    recorder, done = Recorder(), record()
    failed = failed_record(job_of(done), "birds-77", done.started_at, 3.0, "out of memory")
    trackers = Trackers(configs({"name": "tensorboard"}), str(tmp_path), "birds", "s", make=making(recorder))
    with trackers.opened():
        trackers.finished(failed)
        trackers.started(Job("search-009", "search", {}, {}, "vanilla"))
    assert [call for call in recorder.calls if call[0] == "end"] == [("end", True), ("end", True)]
    assert recorder.calls[-1] == ("closed", None)


def test_wandb_gets_axes_as_figures(tmp_path: Path) -> None:
    recorder, done = Recorder(), record()
    track(configs({"name": "wandb", "mode": "offline"}), tmp_path, done, make=making(recorder))
    results = [result for kind, result in recorder.calls if kind == "result"]
    assert all("training_iteration" not in result for result in results)  # W&B drops earlier steps
    assert [result["train/step"] for result in results if "train/loss" in result] == [
        s.step for s in done.steps
    ]


def test_tracking_is_no_part_of_a_sweeps_identity(tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("task: {name: word_problems}\npreview: {strategy: true, length_tokens: {int: [1, 4]}}\n")
    without = load_sweep(space)
    given = load_sweep(space, ["tracking=[{name: tensorboard}]"])
    assert given.tracking
    assert (given.hash, given.resolved) == (without.hash, without.resolved)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[{name: comet}]", "tracking.0: 'name' must be one of"),
        ("[{name: mlflow, tracking_uri: 'https://me:secret@host'}]", "must hold no user name or password"),
        ("[{name: tensorboard, folder: x}]", "tracking.0.folder: unknown field"),
    ],
)
def test_bad_settings_are_refused(given: str, message: str, tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("task: {name: word_problems}\n")
    with pytest.raises(ConfigError, match=message):
        load_sweep(space, [f"tracking={given}"])


def test_missing_packages_servers_and_keys_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    find = "lookahead_ray.sweep.tracking.requirements.find_spec"
    monkeypatch.setattr(find, lambda name: True)
    with pytest.raises(
        ConfigError, match=r"tracking\.0\.tracking_uri: no MLflow server answers at 127.0.0.1:9"
    ):
        check_trackers(configs({"name": "mlflow", "tracking_uri": "http://127.0.0.1:9"}), "space.yaml")
    with pytest.raises(ConfigError, match=r"tracking\.0\.mode: must be offline without a key"):
        check_trackers(configs({"name": "wandb"}), "space.yaml")
    assert check_trackers(configs({"name": "wandb", "mode": "offline"}), "space.yaml")
    monkeypatch.setattr(find, lambda name: name != "mlflow" or None)
    with pytest.raises(ConfigError, match=r"^space.yaml: tracking\.1\.name: mlflow needs .* pip install ml"):
        check_trackers(configs({"name": "tensorboard"}, {"name": "mlflow"}), "space.yaml")
