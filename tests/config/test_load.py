"""Space files: all shipped ones load, and violations of rules are refused in one line."""

from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.align import AlignConfig
from lookahead_ray.config.dimension import Choice, Dimension, Value, corners
from lookahead_ray.config.load import Sweep, content_hash, load_sweep, trial_json, validate_tree
from lookahead_ray.config.preview import NoPreview, TruePreview, VirtualPreview
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError

SPACES = sorted((Path(__file__).parents[2] / "tuning_spaces").glob("*.yaml"))
SPACE = """
task: {name: word_problems, train_examples: 8}
preview:
  choice:
    - {strategy: true, length_tokens: {int: [1, 12]}}
    - {strategy: virtual, prefix: {choice: ["So, ", "Well, "]}}
training:
  learning_rate: {loguniform: [1e-5, 1e-3]}
workers: 2
"""


def low(dimension: Dimension) -> Value:
    """Return the low end or the first option."""
    return dimension.labels[0] if isinstance(dimension, Choice) else dimension.low


def load(tmp_path: Path, text: str, *overrides: str) -> Sweep:
    path = tmp_path / "space.yaml"
    path.write_text(text, encoding="utf-8")
    return load_sweep(path, overrides)


def refusal(tmp_path: Path, text: str, *overrides: str) -> str:
    """Return the one-line message without the folder."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, *overrides)
    message = str(caught.value)
    assert message.isprintable(), message
    return message.removeprefix(f"{tmp_path}/")


class TestShippedSpaces:
    @pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
    def test_loads_by_its_name(self, path: Path) -> None:
        sweep = load_sweep(path)
        assert sweep.name == path.stem
        assert sweep.dimensions
        for tree in corners(sweep.template):
            assert isinstance(TrialConfig.model_validate(tree), TrialConfig)
        assert isinstance(sweep.reference().preview, NoPreview)

    def test_quickstart_begins_with_the_papers_settings_and_constrained_sft(self) -> None:
        assert "quickstart" in [path.stem for path in SPACES]
        sweep = load_sweep(next(path for path in SPACES if path.stem == "quickstart"))
        first, second, third = (
            sweep.trial(lambda d, point=point: point[d.name]) for point in sweep.search.enqueue
        )
        assert first.preview == TruePreview(strategy="true", length_tokens=6)
        assert second.preview == VirtualPreview(strategy="virtual", prefix="Let's solve this problem. ")
        assert third.preview == NoPreview()
        assert [each.method.name for each in (first, second, third)] == [
            "vanilla",
            "vanilla",
            "constrained_sft",
        ]
        assert (sweep.search.trials, sweep.reference().merge.shares) == (4, (1.0,))
        assert sweep.template["merge"] == {"share": [1.0, 0.8]}


class TestReading:
    def test_defaults_are_filled_in(self, tmp_path: Path) -> None:
        sweep = load(tmp_path, SPACE)
        config = sweep.trial(low)
        assert (sweep.name, sweep.source) == ("space", str(tmp_path / "space.yaml"))
        assert (config.workers, config.training.epochs, config.model.path) == (2, 3, "embedded")
        assert config.preview == TruePreview(strategy="true", length_tokens=1)
        assert config.training.betas == (0.5, 0.999)
        assert TrialConfig.model_validate(trial_json(config)) == config

    @pytest.mark.parametrize(
        "name", ["../../x", "..", ".", "/etc/x", "a/../../b", "a//b", "a\\x1b[31m", "a\\nb", ""]
    )
    def test_a_name_that_leads_out_of_runs_is_refused(self, name: str, tmp_path: Path) -> None:
        assert refusal(tmp_path, f'name: "{name}"\n' + SPACE).startswith("space.yaml: name: must be ")
        load(tmp_path, "name: team/mine 2.0..\n" + SPACE)

    @pytest.mark.parametrize("number", ["1e-5", "1E-5", "+1e-5", "1.e-5", "1.0e-5", ".1e-4", "0.00001"])
    def test_numbers_with_an_exponent_are_numbers(self, tmp_path: Path, number: str) -> None:
        sweep = load(tmp_path, SPACE.replace("{loguniform: [1e-5, 1e-3]}", number))
        assert sweep.trial(low).training.learning_rate == pytest.approx(1e-5, rel=1e-12)

    def test_a_text_that_looks_like_a_number_stays_one(self, tmp_path: Path) -> None:
        sweep = load(tmp_path, SPACE + 'model: {path: "1e5"}\n')
        assert sweep.trial(low).model.path == "1e5"

    def test_bare_true_is_a_strategy_only_in_a_strategy_field(self, tmp_path: Path) -> None:
        text = SPACE + "search: {enqueue: [{preview: true}], reference: {preview: true}}\n"
        sweep = load(tmp_path, text, "training.gradient_checkpointing=true")
        assert sweep.search.enqueue == ({"preview": "true"},)
        assert sweep.trial(low).training.gradient_checkpointing is True

    def test_the_reference_has_no_preview_and_middle_values(self, tmp_path: Path) -> None:
        reference = load(tmp_path, SPACE).reference()
        assert reference.preview == NoPreview()
        assert reference.training.learning_rate == pytest.approx(1e-4)
        text = SPACE + "search: {reference: {training.learning_rate: 5e-4}}\n"
        assert load(tmp_path, text).reference().training.learning_rate == 5e-4


class TestOverrides:
    def test_paths_reach_fields_that_the_file_has_and_has_not(self, tmp_path: Path) -> None:
        sweep = load(
            tmp_path,
            SPACE,
            "training.learning_rate=3e-5",
            "evaluation.kl_tokens=4",
            "preview={strategy: true, length_tokens: {int: [2, 3]}}",
            "search.trials=5",
            "name=mine",
        )
        config = sweep.trial(low)
        assert (config.training.learning_rate, config.evaluation.kl_tokens) == (3e-5, 4)
        assert config.preview == TruePreview(strategy="true", length_tokens=2)
        assert (sweep.search.trials, sweep.name) == (5, "mine")
        assert [dimension.name for dimension in sweep.dimensions] == ["preview.length_tokens"]

    def test_a_value_may_hold_an_equals_sign_and_a_strategy_may_be_bare(self, tmp_path: Path) -> None:
        text = "task: {name: word_problems}\n"
        sweep = load(tmp_path, text, "preview.strategy=virtual", 'preview.prefix="x = 1"')
        assert sweep.trial(low).preview == VirtualPreview(strategy="virtual", prefix="x = 1")
        assert load(tmp_path, text, "preview.strategy=true").trial(low).preview == TruePreview(
            strategy="true"
        )

    def test_the_last_one_wins(self, tmp_path: Path) -> None:
        assert load(tmp_path, SPACE, "seed=1", "seed=2").trial(low).seed == 2

    @pytest.mark.parametrize(
        ("assignment", "rule"),
        [
            ("seed", "must have the form path=value, such as training.epochs=2"),
            ("=3", "must have the form path=value, such as training.epochs=2"),
            ("training..epochs=3", "must have the form path=value, such as training.epochs=2"),
            ("workers.count=3", "workers holds no fields, it is 2"),
            ("preview.prefix=x", "preview is a search dimension; set preview as a whole"),
            ("seed=[1", "line 1: not valid YAML: expected ',' or ']', but got '<stream end>'"),
            ("training.epochs=0", "training.epochs: input should be greater than or equal to 1, got 0"),
            ("training={epochs: 0}", "training.epochs: input should be greater than or equal to 1, got 0"),
            ("training.speed=3", "training.speed: unknown field, got 3"),
            ("sped=3", "sped: unknown field; known are name, search,"),
            ("search.trials=none", "search.trials: input should be a valid integer, got 'none'"),
            ("objective.safety_weight=2", "objective.safety_weight: input should be less than or equal to 1"),
            ("search.reference={x: 1}", "search.reference: no dimension is called 'x'; known are preview,"),
            ("preview={strategy: true, length_tokens: {int: [3, 1]}}", "preview.length_tokens: empty search"),
        ],
    )
    def test_errors_of_an_override_name_the_override(
        self, tmp_path: Path, assignment: str, rule: str
    ) -> None:
        message = refusal(tmp_path, SPACE, assignment)
        assert message.startswith(f"--set {assignment}: {rule}")

    def test_another_variant_leaves_the_fields_of_the_one_before(self, tmp_path: Path) -> None:
        space = "task: {name: word_problems, max_steps: 1, test_examples: 7}\n"
        task = load(tmp_path, space, "task.name=gsm8k", "task.path=x.jsonl").reference().task
        assert task.model_dump(include={"name", "train_path", "test_examples"}) == {
            "name": "gsm8k",
            "train_path": "x.jsonl",
            "test_examples": 7,
        }
        message = refusal(tmp_path, space, "task.name=gsm8k", "task.max_steps=2")
        assert message.startswith("--set task.max_steps=2: task.max_steps: unknown field")
        message = refusal(tmp_path, space.replace("word_problems", "gsm8k"))
        assert message.startswith("space.yaml: task.max_steps: unknown field")
        message = refusal(tmp_path, space, "task.name=poems")
        assert "'name' must be one of" in message

    def test_errors_of_the_file_name_the_file(self, tmp_path: Path) -> None:
        message = refusal(tmp_path, SPACE + "seed: -1\n", "training.epochs=2")
        assert message == "space.yaml: seed: input should be greater than or equal to 0, got -1"


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (
            "workers: 2",
            "wrokers: 2",
            "wrokers: unknown field; known are name, search, objective, model, task",
        ),
        ("workers: 2", "workers: two", "workers: input should be a valid integer, got 'two'"),
        ("workers: 2", "workers: 2.0", "workers: input should be a valid integer, got 2.0"),
        ("workers: 2", "workers: yes", "workers: input should be a valid integer, got True"),
        ("workers: 2", "workers: 0", "workers: input should be greater than or equal to 1, got 0"),
        (
            "workers: 2",
            "workers: {int: [0, 2]}",
            "workers: input should be greater than or equal to 1, got 0",
        ),
        ("workers: 2", "workers: 65", "training.batch_size must be at least workers (65), got 64"),
        ("workers: 2", "1: 2", "line 9: not valid YAML: a key must be a text, got 1"),
        ("workers: 2", "[a]: 2", "line 9: not valid YAML: a key must be a text, got ['a']"),
        (
            "workers: 2",
            "workers: 2\nseed: 1\nworkers: 3",
            "line 11: not valid YAML: key 'workers' given twice",
        ),
        ("workers: 2", "name: 3", "name: must be a text, got 3"),
        ("workers: 2", "name: ''", "name: must be a text, got ''"),
        (
            "workers: 2",
            "preview: {strategy: none, x: 1}",
            "line 9: not valid YAML: key 'preview' given twice",
        ),
        ("workers: 2", "search: 3", "search: must be a mapping of fields to values, got 3"),
        ("workers: 2", "objective: [1]", "objective: must be a mapping of fields to values, got [1]"),
        ("workers: 2", "evaluation: 3", "evaluation: must be a mapping of fields to values, got 3"),
        (
            "{name: word_problems, train_examples: 8}",
            "3",
            "task: must be a mapping of fields to values, got 3",
        ),
        ("workers: 2", "search: {trials: 0}", "search.trials: input should be greater than or equal to 1"),
        (
            "workers: 2",
            "search: {sampler: {name: cma}}",
            "search.sampler: 'name' must be one of 'tpe', 'gp', 'nsga2', 'random', 'grid'",
        ),
        ("workers: 2", "seed: .inf", "seed: input should be a valid integer"),
        ("[1, 12]", "[0, 12]", "preview.length_tokens: input should be greater than or equal to 1, got 0"),
        ("[1, 12]", "[12, 1]", "preview.true.length_tokens: empty search range, low must be below high"),
        ("[1, 12]", "[1.5, 12]", "preview.true.length_tokens: int needs two whole numbers [low, high], got"),
        ("{int: [1, 12]}", "0", "preview.length_tokens: input should be greater than or equal to 1, got 0"),
        ("length_tokens", "length", "preview.length: unknown field for the variant 'true', got 1"),
        ("strategy: true, ", "", "preview: needs the field 'strategy', which selects the variant, got {"),
        (
            "strategy: true",
            "strategy: turbo",
            "preview: 'strategy' must be one of 'none', 'true', 'virtual', got",
        ),
        ('["So, ", "Well, "]', "[]", "preview.virtual.prefix: empty search range, choice needs a list"),
        (
            '["So, ", "Well, "]',
            '["So, ", ""]',
            "preview.prefix: string should have at least 1 character, got ''",
        ),
        ("[1e-5, 1e-3]", "[0, 1e-3]", "training.learning_rate: loguniform needs numbers above 0, got [0,"),
        (
            "[1e-5, 1e-3]",
            "[1e-5, 3]",
            "training.learning_rate: input should be less than or equal to 1, got 3",
        ),
        ("{loguniform: [1e-5, 1e-3]}", "fast", "training.learning_rate: input should be a valid number, got"),
        (
            "{loguniform: [1e-5, 1e-3]}",
            ".nan",
            "training.learning_rate: input should be a finite number, got",
        ),
        (
            "word_problems",
            "sums",
            "task: 'name' must be one of 'word_problems', 'gsm8k', 'samsum', 'file', got 'sums'",
        ),
        ("name: word_problems, ", "", "task: needs the field 'name', which selects the variant, got {"),
        ("8}", "8, path: x}", "task.path: unknown field for the variant 'word_problems', got 'x'"),
        ("8}", "8", "line 3: not valid YAML: "),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(tmp_path: Path, old: str, new: str, rule: str) -> None:
    assert old in SPACE
    message = refusal(tmp_path, SPACE.replace(old, new))
    assert message.startswith(f"space.yaml: {rule}")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be a mapping of fields to values, got NoneType"),
        ("- 1\n", "must be a mapping of fields to values, got list"),
        ("seed: 1\n", "task: required field is missing"),
        ("a: !!python/object:os.system {}\n", "line 1: not valid YAML: could not determine a constructor"),
        ("a: \x01\n", "not valid YAML: "),
        ("a: &x {b: *x}\n", "line 1: not valid YAML: an alias must not contain itself"),
    ],
)
def test_a_file_that_is_no_space_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    assert refusal(tmp_path, text).startswith(f"space.yaml: {rule}")


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file$"):
        load_sweep(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"can't be read: .*directory"):
        load_sweep(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml: can't be read: "):
        load_sweep(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("search", "rule"),
    [
        ("enqueue: [{speed: 1}]", "search.enqueue[0]: no dimension is called 'speed'; known are preview, "),
        (
            "enqueue: [{preview: false}]",
            "search.enqueue[0].preview: must be one of ['true', 'virtual'], got F",
        ),
        (
            "enqueue: [{preview: true}, {preview.virtual.prefix: Oh}]",
            "search.enqueue[1].preview.virtual.prefix: must be one of ['So, ', 'Well, '], got 'Oh'",
        ),
        (
            "enqueue: [{preview.true.length_tokens: 13}]",
            "search.enqueue[0]: preview.true.length_tokens must be in its range "
            "(preview.true.length_tokens: int from 1 to 12), got 13",
        ),
        (
            "enqueue: [{preview.true.length_tokens: 2.5}]",
            "search.enqueue[0]: preview.true.length_tokens must",
        ),
        (
            "enqueue: [{preview.true.length_tokens: yes}]",
            "search.enqueue[0]: preview.true.length_tokens must",
        ),
        (
            "reference: {training.learning_rate: 1}",
            "search.reference: training.learning_rate must be in its",
        ),
        ("reference: {lr: 1}", "search.reference: no dimension is called 'lr'; known are preview, "),
        ("enqueue: {preview: true}", "search.enqueue: input should be a valid tuple"),
    ],
)
def test_points_outside_of_the_space_are_refused(tmp_path: Path, search: str, rule: str) -> None:
    assert refusal(tmp_path, f"{SPACE}search: {{{search}}}\n").startswith(f"space.yaml: {rule}")


class TestHash:
    def test_the_hash_depends_on_the_content_only(self, tmp_path: Path) -> None:
        sweep = load(tmp_path, SPACE)
        other_form = "\n".join(["# a note", "name: other", *reversed(SPACE.strip().splitlines()[-1:])])
        other_form += "\n" + SPACE.replace("workers: 2\n", "") + "search: {max_concurrent: 3}\n"
        assert load(tmp_path, other_form).hash == sweep.hash
        assert len(sweep.hash) == 64

    @pytest.mark.parametrize(
        "override",
        ["seed=1", "search.seed=1", "objective.safety_weight=0.6", "training.learning_rate=1e-4"],
    )
    def test_changes_with_whatever_decides_the_results(self, tmp_path: Path, override: str) -> None:
        assert load(tmp_path, SPACE, override).hash != load(tmp_path, SPACE).hash

    def test_is_the_same_on_every_machine(self) -> None:
        value: Any = {"b": [1, 2.5, None], "a": "é"}
        assert content_hash(value) == content_hash(dict(reversed(value.items())))
        assert content_hash(value) == "84afbf1d4853005f9dd0c81cb1819b53ce86978340764c062160f6e8356665de"
        with pytest.raises(ValueError, match="JSON"):
            content_hash(float("nan"))


class TestDefaultsAndOverridesAlone:
    def test_a_model_without_a_file(self) -> None:
        assert validate_tree(AlignConfig, []) == AlignConfig()
        config = validate_tree(AlignConfig, ["seed=3", "training.lora.rank=4"])
        assert config.seed == 3

    def test_errors_of_an_override(self) -> None:
        with pytest.raises(ConfigError) as caught:
            validate_tree(AlignConfig, ["training.epochs=no"])
        message = str(caught.value)
        assert (
            message == "--set training.epochs=no: training.epochs: input should be a valid integer, got False"
        )
