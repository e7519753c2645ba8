"""Sweeps whose judge is down, hangs, is busy or has spent its calls: no trial is judged by that or lost.

The trials are simulated, so Ray is not needed; the judge, the search and the store are real.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lookahead_ray import store
from lookahead_ray.config.load import Sweep, load_sweep
from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.entrypoints.sweep import open_sink
from lookahead_ray.errors import StoreError
from lookahead_ray.evaluate.judges.base import JudgeUnavailableError
from lookahead_ray.evaluate.judges.call_quota import RunQuota, calls_of
from lookahead_ray.evaluate.judging import build_judge
from lookahead_ray.evaluate.results import Generation
from lookahead_ray.sweep import late_judging as module
from lookahead_ray.sweep.job_queue import MOST_UNJUDGED, JobQueue
from lookahead_ray.sweep.late_judging import LateJudging
from lookahead_ray.sweep.search.jobs import reference_jobs
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.sweep.search.study import TRIAL_ID
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import TrialRecord, completed_records, utc_now
from tests.evaluate.judges.judge_server import Reply, scored, serve
from tests.factory import make_record
from tests.sweep.test_job_queue import NO_STOPPING, FixedLimits, Silent

TRIALS = 5
SPACE = """
workers: 1
gpus_per_worker: 0
cpus_per_worker: 1
task: {{name: word_problems}}
preview: {{strategy: true, length_tokens: 3}}
{more}
training: {{learning_rate: {{loguniform: [1.0e-5, 1.0e-3]}}, precision: fp32}}
evaluation:
  judges: [{{name: llm, model: m, base_url: "{url}", cache_dir: "{cache}", timeout_s: {timeout_s},
             patience_s: 0.3, backoff_s: 0.02, retries: 30, max_calls: {calls}}}]
search: {{trials: 5, sampler: {{name: random}}}}
"""
Hook = Callable[[str], None]
"""Called with a trial's id before its answers are judged."""


class Judged:
    """A run whose answers a real judge scores at an endpoint that a test can break."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.run = str(folder / "run")
        self.more = ""  # further lines of the space
        self._folder = folder
        self._stack = stack
        self.server = self._stack.enter_context(serve())
        self._port = int(self.server.base_url.split(":")[-1].split("/")[0])
        self.mend()
        self.trained: list[str] = []  # over all sessions
        self.told: list[str] = []  # of the last session

    def mend(self) -> None:
        """Let the endpoint answer again."""
        self.timeout_s = 9.0
        self.server.answer = lambda user, call: scored(f"#thescore: {5 if 'odd' in user else 1}")

    def shut(self) -> None:
        """End the endpoint's process."""
        self._stack.close()

    def reopen(self) -> None:
        """Start the endpoint again at the same address."""
        self.server = self._stack.enter_context(serve(self._port))
        self.mend()

    def session(self, hook: Hook = lambda trial_id: None, calls: int = 2000) -> list[TrialRecord]:
        """Run a driver until it ends and return all records; `--resume` is implied."""
        path = self._folder / "space.yaml"
        path.write_text(self._space(calls))
        sweep = load_sweep(path)
        with store.lock(self.run) as hold:
            sink = open_sink(sweep, hold, {})
            trial_log = TrialLog(sweep.objective, sink.committed, sink.commit, cast(Any, Silent()))
            late = LateJudging(sweep.reference().evaluation.judges, sink, trial_log)
            late.judge()
            late.require_references()
            search = Search(sweep, trial_log.records, Path(self.run, "study.journal"), sweep_id=sink.sweep_id)
            queue = JobQueue(
                reference_jobs(sweep, trial_log.records),
                search,
                trial_log,
                NO_STOPPING,
                cast(Any, FixedLimits(TRIALS, [])),
                judge_again=late.judge,
            )
            while isinstance(job := queue.next_job(), Job):
                hook(job.trial_id)
                self.trained.append(job.trial_id)
                queue.finish(*self._simulated(job, sink.sweep_id))
            ended = [trial for trial in search.study.get_trials() if trial.state.is_finished()]
            self.told = sorted(trial.user_attrs[TRIAL_ID] for trial in ended if TRIAL_ID in trial.user_attrs)
            late.require_references()
        return self.records()

    def records(self) -> list[TrialRecord]:
        """Return the committed trials."""
        return store.open(self.run).records()

    def _space(self, calls: int) -> str:
        url, cache = self.server.base_url, self._folder / "cache"
        return SPACE.format(url=url, cache=cache, calls=calls, timeout_s=self.timeout_s, more=self.more)

    def _simulated(self, job: Job, sweep_id: str) -> list[TrialRecord]:
        made = make_record(sum(map(ord, job.trial_id)), prompts=6)
        assert made.measurement
        rows = [self._answered(row, job.trial_id) for row in made.generations]
        (config,) = TrialConfig.model_validate(job.config).evaluation.judges
        judge = build_judge(config.model_copy(update={"timeout_s": self.timeout_s}), RunQuota(self.run))
        judged = judge.judged(rows) + [row for row in rows if row.metric == "utility"]
        outage = "; ".join(judge.outages) or None
        measured = replace(made.measurement, generations=tuple(judged), outage=outage)
        first, *shares = TrialConfig.model_validate(job.config).merge.shares
        further = tuple(replace(measured, merge_share=share) for share in shares)
        if shares:
            measured = replace(measured, merge_share=first, further=further)
        return completed_records(job, sweep_id, utc_now(), 1.0, measured)

    @staticmethod
    def _answered(row: Generation, trial_id: str) -> Generation:
        odd = "odd" if (len(trial_id) + int(row.prompt_id.split("-")[1])) % 3 == 0 else "even"
        return replace(row, answer=f"{odd} answer of {trial_id} to {row.prompt_id}")


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judged]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        yield Judged(tmp_path, stack)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with ExitStack() as stack:
        return essence(Judged(tmp_path_factory.mktemp("undisturbed"), stack).session())


def essence(records: Sequence[TrialRecord]) -> dict[str, Any]:
    """Return the results by trial id, after asserting that each is there once and judged."""
    assert Counter(record.trial_id for record in records).most_common(1)[0][1] == 1
    assert {record.status for record in records} == {"completed"}
    verdicts = {row.verdict for record in records for row in record.generations}
    assert "unjudged" not in verdicts
    return {
        record.trial_id: (record.rsr, record.jsr, record.utility, record.objective, record.config["training"])
        for record in records
    }


Break = Callable[[Judged], None]


def hangs(judged: Judged) -> None:
    judged.server.answer = lambda user, call: Reply(delay_s=0.5)
    judged.timeout_s = 0.2


def fails(judged: Judged) -> None:
    judged.server.answer = lambda user, call: Reply(503)


def is_busy(judged: Judged) -> None:
    judged.server.answer = lambda user, call: Reply(429, headers={"Retry-After": "0"})


def is_down(judged: Judged) -> None:
    judged.shut()


BREAKS = [fails, *(pytest.param(breaks, marks=pytest.mark.slow) for breaks in (hangs, is_busy, is_down))]


@pytest.mark.parametrize("breaks", BREAKS)
@pytest.mark.parametrize("at", ["seed", pytest.param("vanilla", marks=pytest.mark.slow)])
def test_in_a_reference_the_sweep_stops_before_the_search_and_resumes(
    judged: Judged, undisturbed: dict[str, Any], breaks: Break, at: str
) -> None:
    name = "the seed model" if at == "seed" else "vanilla"
    with pytest.raises(JudgeUnavailableError, match=f"^{name} could not be judged.*--resume$"):
        judged.session(lambda trial_id: breaks(judged) if trial_id == at else None)
    assert judged.trained == (["seed"] if at == "seed" else ["seed", "vanilla"])
    waiting = judged.records()[-1]
    assert (waiting.status, waiting.rsr, waiting.jsr, waiting.safety) == ("unjudged", None, None, None)
    assert waiting.error is not None
    assert waiting.error.startswith("judge llm: base_url: must be an endpoint")
    with pytest.raises(JudgeUnavailableError):
        judged.session()
    if breaks is is_down:
        judged.reopen()
    judged.mend()
    assert essence(judged.session()) == undisturbed
    assert Counter(judged.trained).most_common(1)[0][1] == 1


def test_all_points_of_vanillas_training_are_judged_late(judged: Judged) -> None:
    judged.more = "merge: {share: [1.0, 0.5]}"
    with pytest.raises(JudgeUnavailableError, match=r"^vanilla could not be judged"):
        judged.session(lambda trial_id: fails(judged) if trial_id == "vanilla" else None)
    assert [record.status for record in judged.records()] == ["completed", "unjudged", "unjudged"]
    judged.mend()
    records = {record.trial_id: record for record in judged.session()}
    assert {record.status for record in records.values()} == {"completed"}
    assert records["vanilla.2"].role == "search"
    assert all(record.objective is not None for record in records.values())
    assert Counter(judged.trained).most_common(1)[0][1] == 1


@pytest.mark.parametrize("unjudged", ["seed", "vanilla"])
def test_points_of_vanilla_are_scored_once_both_references_are_judged(
    judged: Judged, monkeypatch: pytest.MonkeyPatch, unjudged: str
) -> None:
    """A reference is unjudged; the points of vanilla that were answered at other times are judged."""
    judged.more = "merge: {share: [1.0, 0.5]}"
    committed = []
    for record in judged.session()[:3]:
        unscored = replace(record, objective=None, objectives=(), safety=None)
        waits = record.trial_id == unjudged
        committed.append(replace(unscored, status="unjudged", rsr=None, jsr=None) if waits else unscored)
    trial_log = TrialLog(WeightedObjective(), committed, lambda *points: None, cast(Any, Silent()))
    by_id, written = {record.trial_id: record for record in committed}, list[str]()
    sink = SimpleNamespace(load=by_id.get, complete=lambda r: written.append(r.trial_id), run=judged.run)
    monkeypatch.setattr(module, "judge_again", lambda rows, *_: (rows, None))
    completed = LateJudging([], cast(Any, sink), trial_log).judge()
    expected = ["vanilla", "vanilla.2"] if unjudged == "vanilla" else ["seed", "vanilla", "vanilla.2"]
    assert written == expected == [record.trial_id for record in completed]
    assert all(record.objective is not None for record in trial_log.records if record.role != "seed")


@pytest.mark.parametrize("breaks", BREAKS)
def test_in_the_search_the_sampler_is_told_nothing_until_the_judge_is_back(
    judged: Judged, undisturbed: dict[str, Any], breaks: Break
) -> None:
    records = judged.session(lambda trial_id: breaks(judged) if trial_id == "search-002" else None)
    assert [record.status for record in records] == ["completed"] * 3 + ["unjudged"] * MOST_UNJUDGED
    assert judged.told == ["search-001"]
    assert all(record.objective is None for record in records[-MOST_UNJUDGED:])
    if breaks is is_down:
        judged.reopen()
    judged.mend()
    assert essence(judged.session()) == undisturbed
    assert judged.told == [f"search-{number:03d}" for number in range(1, TRIALS + 1)]
    assert Counter(judged.trained).most_common(1)[0][1] == 1


@pytest.mark.slow
def test_a_judge_that_is_back_judges_what_it_missed_in_the_same_session(
    judged: Judged, undisturbed: dict[str, Any]
) -> None:
    def hook(trial_id: str) -> None:
        if trial_id == "search-002":
            fails(judged)
        if trial_id == "search-004":
            judged.mend()

    records = judged.session(hook)
    assert essence(records) == undisturbed
    assert [record.trial_id for record in records[2:]] == [
        "search-001", "search-004", "search-002", "search-003", "search-005"
    ]  # fmt: skip
    assert len(judged.told) == TRIALS


def test_a_spending_limit_holds_for_the_run_and_is_raised_at_resume(
    judged: Judged, undisturbed: dict[str, Any]
) -> None:
    each = 2 * 6  # answers that the judge scores in a trial
    records = judged.session(calls=3 * each + 5)
    states = [record.status for record in records]
    assert states == ["completed"] * 3 + ["unjudged"] * MOST_UNJUDGED
    assert records[-1].error is not None
    assert "max_calls: must be above the 41 calls that the run has spent" in records[-1].error
    assert len(judged.server.requests) == 41
    for _ in range(2):  # restarts spend nothing more
        judged.session(calls=3 * each + 5)
        assert len(judged.server.requests) == 41
    assert essence(judged.session(calls=2000)) == undisturbed
    assert len(judged.server.requests) == each * (TRIALS + 2)
    assert sum(calls_of(judged.run).values()) == each * (TRIALS + 2)


def test_limits_may_change_at_resume_but_not_the_judge(judged: Judged) -> None:
    judged.session()
    sweep = load_sweep(judged._folder / "space.yaml")
    with store.lock(judged.run) as hold:
        open_sink(_with_judge(sweep, max_calls=7, timeout_s=9.0, patience_s=9.0), hold, {})
        with pytest.raises(StoreError, match=r"evaluation\.judges\.0\.model \(\"other\", was \"m\"\)"):
            open_sink(_with_judge(sweep, model="other"), hold, {})


def _with_judge(sweep: Sweep, **changes: Any) -> Sweep:
    judge = {**sweep.template["evaluation"]["judges"][0], **changes}
    return replace(sweep, template={**sweep.template, "evaluation": {"judges": [judge]}})
