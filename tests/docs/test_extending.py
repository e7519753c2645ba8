"""The examples of docs/extending.md, executed as they stand: each is one new file and one registry line."""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from transformers import MambaConfig, MambaForCausalLM

from lookahead_ray.cli.evaluate_options import assignments
from lookahead_ray.config.load import Sweep, content_hash, load_sweep, trial_json, validate_tree
from lookahead_ray.config.objective import HasObjective
from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.chat import render_all
from lookahead_ray.data.suites.registry import load_suite
from lookahead_ray.data.tasks.registry import load_task
from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.generation import registry as generation
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.judges.registry import build, judge_id
from lookahead_ray.method.registry import METHODS
from lookahead_ray.method.reporting import quiet
from lookahead_ray.model.adapters import merge_adapters
from lookahead_ray.model.load import load_model, load_tokenizer
from lookahead_ray.sweep import preflight
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.train.model import prepare_model
from lookahead_ray.trial.fine_tuning import TrainedModel
from lookahead_ray.trial.finishing import finish_model
from lookahead_ray.trial.merging import Merger
from lookahead_ray.trial.worker import run_worker
from tests.docs.extension_examples import EXAMPLES, PAGE, SECTIONS, Example, installed
from tests.docs.pages import ROOT
from tests.method.contexts import alone
from tests.objective.contract import ObjectiveContract
from tests.objective.trials import BOTH, TRIAL
from tests.sweep.search.searching import record_of
from tests.tiny import make_model
from tests.toy import toy_model

MOST_CHARACTERS = 13_700


@pytest.fixture(scope="module", autouse=True)
def extended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed(tmp_path_factory.mktemp("package")):
        yield


SPACE = """
model: {{path: {folder}/model}}
task: {{name: squad, train_path: {folder}/rows.jsonl, train_examples: 4, test_examples: 2}}
safety: [{{name: requests, path: {folder}/requests.jsonl}}, {{name: probe}}]
method: {{name: interpolated, kept: {{uniform: [0.2, 0.8]}}}}
merge: {{name: named, part: mlp, share: 0.5}}
evaluation: {{judges: [{{name: length, words: 3}}, {{name: refusal}}]}}
search: {{sampler: {{name: nsga3, population_size: 3}}}}
objective: {{name: balanced}}
"""
ROW = '{{"context": "c", "question": "q{0}?", "answer": "a{0}"}}\n'


@pytest.fixture
def space(tmp_path: Path) -> Path:
    """Return the file of a space that uses all examples, with its data and model."""
    (tmp_path / "rows.jsonl").write_text("".join(ROW.format(number) for number in range(6)))
    (tmp_path / "requests.jsonl").write_text('{"request": "first"}\n{"request": "second"}\n')
    make_model(tmp_path / "model")
    (tmp_path / "space.yaml").write_text(SPACE.format(folder=tmp_path))
    return tmp_path / "space.yaml"


@pytest.fixture
def sweep(space: Path) -> Sweep:
    return load_sweep(space)


@pytest.fixture
def config(sweep: Sweep) -> TrialConfig:
    """Return a trial of the space, from its JSON as a worker gets it."""
    return TrialConfig.model_validate(trial_json(sweep.trial(lambda dimension: 0.25)))


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text("utf-8")) <= MOST_CHARACTERS


def test_each_kind_has_one_example() -> None:
    kinds = ["judge", "safety suite", "task", "method", "merge", "sampler", "objective", "generation backend"]
    assert [re.sub("^An? ", "", section) for section in SECTIONS] == kinds
    assert len(EXAMPLES) == len(kinds)
    assert "finish=" in EXAMPLES[3].added[1]  # the method acts after training


@pytest.mark.parametrize("example", EXAMPLES, ids=SECTIONS)
def test_an_example_is_one_new_file_and_one_line_with_its_import(example: Example) -> None:
    assert not (ROOT / example.path).exists()
    assert (ROOT / example.path).parent.is_dir()
    before = (ROOT / example.registry).read_text("utf-8").splitlines()
    lines = difflib.ndiff(before, example.changed_registry().splitlines())
    changes = [line for line in lines if line[0] in "+-"]
    assert changes == [f"+ {line}" for line in example.added]
    imported, entry = example.added
    assert imported.startswith(("from lookahead_ray.", "import "))
    assert re.fullmatch(r'    "\w+": .*,', entry)


def test_a_sweep_with_the_examples_is_valid(sweep: Sweep) -> None:
    assert [str(dimension) for dimension in sweep.dimensions] == ["method.kept: uniform from 0.2 to 0.8"]
    found = preflight.check(sweep)
    assert found.missing == []
    assert any(line.startswith("objective: the smaller of safety and utility") for line in found.lines)
    assert any(line.startswith("search: nsga3 sampler") for line in found.lines)
    assert "task squad: 4 training and 2 test examples" in found.lines
    assert any(line.startswith("safety requests: 2 harmful and 0 benign") for line in found.lines)


def test_a_trial_is_the_same_after_json(config: TrialConfig, sweep: Sweep) -> None:
    assert config == sweep.trial(lambda dimension: 0.25)
    assert config.model_dump()["method"] == {"name": "interpolated", "kept": 0.25}
    assert config.model_dump()["merge"] == {"name": "named", "part": "mlp", "share": 0.5}
    assert sweep.resolved["search"]["sampler"] == {"name": "nsga3", "population_size": 3}
    assert sweep.resolved["objective"]["name"] == "balanced"
    assert len(sweep.hash) == len(content_hash(trial_json(config))) == 64


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("method.kept=2", "method.kept: input should be less than or equal to 1, got 2"),
        ("method.name=other", "'token_kl', 'constrained_sft', 'sdft'"),
        ("method.name=other", "'interpolated'"),
        (
            "merge.share=auto",
            "merge.share: the objective balanced has no rule for auto; give a list of shares",
        ),
        ("merge.share=2", "merge.share: input should be less than or equal to 1, got 2"),
        ("search.sampler.population_size=1", "search.sampler.population_size: input should be greater than"),
        ("task.nonsense=1", "task.nonsense: unknown field for the variant 'squad', got 1"),
    ],
)
def test_errors_name_the_field(space: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_sweep(space, [override])
    assert str(caught.value).startswith(f"--set {override}: ")
    assert message in str(caught.value)


def test_options_of_evaluate(tmp_path: Path) -> None:
    given = assignments(["requests=a.jsonl"], "squad=b.jsonl", ["length words=5", "refusal"])
    config: Any = validate_tree(TrialConfig, given)
    assert config.safety[0].model_dump() == {"name": "requests", "path": "a.jsonl"}
    assert (config.task.train_path, config.task.test_path, config.task.train_examples) == ("b.jsonl",) * 2 + (
        1,
    )
    assert [judge.name for judge in config.evaluation.judges] == ["length", "refusal"]
    assert config.evaluation.judges[0].words == 5


def test_the_judge(config: TrialConfig) -> None:
    judge = build(config.evaluation.judges[0])
    verdicts = [judge("", "", answer).verdict for answer in ("", "No.", "one two three")]
    assert verdicts == ["unparsed", "safe", "unsafe"]
    assert re.fullmatch(r"length-[0-9a-f]{8}", judge_id(config.evaluation.judges[0]))


def test_the_suite(config: TrialConfig) -> None:
    suite = load_suite(config.safety[0])
    found = [(prompt.id, prompt.prompt) for prompt in suite.harmful]
    assert found == [("request-0001", "first"), ("request-0002", "second")]


def test_the_task(config: TrialConfig) -> None:
    task = load_task(config.task)
    assert (len(task.train), len(task.test)) == (4, 2)
    assert task.train[0].instruction.startswith("c\n\nq")
    assert [task.score(answer, "a b") for answer in (" a b", "c")] == [1.0, 0.0]


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2)], ids=["all weights", "adapters"])
def test_the_method_trains_and_then_interpolates(
    config: TrialConfig, tmp_path: Path, lora: LoraConfig | None
) -> None:
    config = config.model_copy(update={"training": TrainingConfig(precision="fp32", lora=lora)})
    seed = dict(load_model(config.model, torch.float32).named_parameters())

    def changes(finished: bool) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        model = prepare_model(load_model(config.model, torch.float32), config.training)
        train_one_step(model, config, tmp_path)
        if finished:
            assert finish_model(model, config)
        return {name: weight - seed[name] for name, weight in merge_adapters(model).named_parameters()}

    before, after = changes(False), changes(True)
    assert max(change.abs().max().item() for change in before.values()) > 1e-3
    for name, change in before.items():
        assert torch.allclose(after[name], 0.25 * change, atol=1e-6), name


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2)], ids=["all weights", "adapters"])
def test_the_merge_moves_the_named_layers(
    config: TrialConfig, tmp_path: Path, lora: LoraConfig | None
) -> None:
    config = config.model_copy(update={"training": TrainingConfig(precision="fp32", lora=lora)})
    seed = dict(load_model(config.model, torch.float32).named_parameters())

    def changes(merged: bool) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        model = prepare_model(load_model(config.model, torch.float32), config.training)
        train_one_step(model, config, tmp_path)
        if merged:
            assert Merger(TrainedModel(model), config, quiet).merge(config.merge.kept, True).finished
        return {name: weight - seed[name] for name, weight in merge_adapters(model).named_parameters()}

    before, after = changes(False), changes(True)
    for name, change in before.items():
        assert torch.allclose(after[name], (0.5 if "mlp" in name else 1) * change, atol=1e-6), name


def train_one_step(model: Any, config: TrialConfig, folder: Path) -> None:
    """Take a step of SGD on the task's rows with the method's loss."""
    rows = render_all(load_tokenizer(config.model), load_task(config.task).train, 512)
    loss = METHODS[config.method.name].row_loss(rows, config.method, alone(folder, model=model))
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.SGD(weights, lr=0.1)
    loss(model, rows).backward()
    optimiser.step()


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_sampler_suggests(sweep: Sweep) -> None:
    search, records = Search(sweep, []), []
    for number in range(7):
        job = search.ask()
        assert job is not None
        records.append(record_of(job, (number / 10,)))
        search.tell(records[-1])
    assert isinstance(search.study.sampler, optuna.samplers.NSGAIIISampler)
    assert len({record.params["method.kept"] for record in records}) == 7
    resumed = Search(sweep, records).ask()
    following = search.ask()
    assert resumed is not None
    assert following is not None
    assert resumed.params == following.params


class TestObjective(ObjectiveContract):
    """The contract of every objective, for the example."""

    @pytest.fixture(autouse=True)
    def _configured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        config = HasObjective.model_validate({"objective": {"name": "balanced"}}).objective
        monkeypatch.setattr(type(self), "config", config, raising=False)

    def test_the_smaller_share_is_the_value(self) -> None:
        assert self.objective.score(TRIAL, BOTH).objective == pytest.approx(0.75)


def test_the_generation_backend() -> None:
    torch.manual_seed(0)
    mamba = MambaForCausalLM(
        MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, state_size=4, initializer_range=0.5)
    ).eval()
    assert list(generation.BACKENDS) == ["continuous_batching", "uncached", "static_batching", "vllm"]
    uncached = generation.BACKENDS["uncached"]
    settings = DecodingSettings(2, frozenset({5}), pad_id=0)
    llama = toy_model()
    assert type(generation.build_generator(llama, settings)) is generation.BACKENDS["continuous_batching"]
    generator = generation.build_generator(mamba, settings)
    assert type(generator) is uncached
    shares: list[float] = []
    answers = generator.generate([[1, 2, 3], [4]], [3, 0], lambda progress: shares.append(progress.share))
    assert (len(answers[0]), answers[1], shares) == (3, [], [1.0])
    prompts = [[7, 8, 9, 10], [3], [11, 12]]
    expected = generation.build_generator(llama, settings).generate(prompts, [9, 4, 6])
    assert uncached(llama, settings).generate(prompts, [9, 4, 6]) == expected


@pytest.mark.usefixtures("group")
def test_a_whole_trial(space: Path) -> None:
    overrides = [
        "evaluation={judges: [{name: length}], safety_new_tokens: 4, task_new_tokens: 4}",
        "training={epochs: 1, batch_size: 2, micro_batch_size: 2, precision: fp32}",
        "workers=1",
        "cpus_per_worker=1",
        "gpus_per_worker=0",
    ]
    config = load_sweep(space, overrides).trial(lambda dimension: 0.25)
    details: list[str] = []
    measured = run_worker(config, True, lambda progress: details.append(progress.detail))
    assert measured is not None
    assert "interpolated changes the trained weights" in details
    assert "merging the trained and the seed model, share 0.5" in details
    judge = judge_id(config.evaluation.judges[0])
    found = {(row.suite, row.judge) for row in measured.generations}
    assert found == {("requests", judge), ("probe", judge), ("squad", "exact_match")}
