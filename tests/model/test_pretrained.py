"""Python code that comes with a model never runs: an error in one line, or the built-in class."""

import ast
import builtins
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lookahead_ray.config.judge import ClassifierJudge
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.evaluate.judges.classifier import load_classifier
from lookahead_ray.model.load import check_model, load_model, load_tokenizer, model_hash
from tests.tiny import make_model

ROOT = Path(__file__).parents[2]
CODE = """
from pathlib import Path
Path({marker!r}).touch()
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
class OwnConfig(LlamaConfig):
    model_type = "own"
class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
class OwnTokenizer(PreTrainedTokenizerFast):
    pass
def generate(model, *args, **kwargs):
    return None
"""
MAPS: dict[str, Any] = {
    "all": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"},
    "model alone": {"AutoModelForCausalLM": "own.OwnModel"},
    "elsewhere": {"AutoConfig": "org/repo--own.OwnConfig", "AutoModelForCausalLM": "org/repo--own.OwnModel"},
    "another class": {"AutoModel": "own.OwnModel"},
    "a number": 5,
    "a text": "own.OwnModel",
    "a list": ["own.OwnConfig"],
}
TOKENIZER_MAPS: dict[str, Any] = {
    "pair": {"AutoTokenizer": ["own.OwnTokenizer", None]},
    "fast": {"AutoTokenizer": [None, "own.OwnTokenizer"]},
    "name": {"AutoTokenizer": "own.OwnTokenizer"},
    "legacy list": ["own.OwnTokenizer", None],
    "elsewhere": {"AutoTokenizer": ["org/repo--own.OwnTokenizer", None]},
    "nothing": {"AutoTokenizer": [None, None]},
    "a number": 5,
}
RULE = r"needs Python code of its own \(.*\), which is never run: use .* or update Transformers"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Save a model with Python files that its configuration does not mention yet."""
    folder = make_model(tmp_path / "model")
    for path in (folder / "own.py", folder / "custom_generate" / "generate.py"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(CODE.format(marker=str(tmp_path / "marker")))
    (folder / "custom_generate").rename(tmp_path / "custom_generate")
    return folder


@pytest.fixture(autouse=True)
def nothing_is_run_or_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    asked = []

    def answer(prompt: str = "") -> str:
        asked.append(prompt)
        return "y"

    monkeypatch.setattr(builtins, "input", answer)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield
    assert asked == []
    assert not (tmp_path / "marker").exists()


def change(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


@pytest.mark.parametrize("kind", MAPS)
def test_a_model_of_an_unknown_architecture(folder: Path, kind: str) -> None:
    change(folder / "config.json", auto_map=MAPS[kind], model_type="own")
    config = ModelConfig(path=str(folder))
    rule = rf"^model\.path: .*{folder.name} {RULE}"
    for load in (check_model, lambda config: load_model(config, torch.float32)):
        with pytest.raises(ModelError, match=rule) as refused:
            load(config)
        assert "\n" not in str(refused.value)
        assert "trust_remote_code" not in str(refused.value)
    if kind != "a number":  # its tokenizer is Transformers' own
        assert load_tokenizer(config).chat_template


def test_a_configuration_without_a_type(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"auto_map": MAPS["all"]}))
    for load in (check_model, lambda config: load_model(config, torch.float32)):
        with pytest.raises(ModelError, match=RULE):
            load(ModelConfig(path=str(folder)))


@pytest.mark.parametrize("kind", sorted(set(MAPS) - {"a number", "a text", "a list"}))
def test_a_known_architecture_loads_as_transformers_has_it(folder: Path, kind: str) -> None:
    plain = load_model(ModelConfig(path=str(folder)), torch.float32)
    before = model_hash(ModelConfig(path=str(folder)))
    change(folder / "config.json", auto_map=MAPS[kind])
    config = ModelConfig(path=str(folder))
    check_model(config)
    model = load_model(config, torch.float32)
    assert type(model) is type(plain)
    assert all(map(torch.equal, model.parameters(), plain.parameters()))
    assert model_hash(config) == before


def test_weights_that_the_built_in_class_does_not_know(folder: Path) -> None:
    """Transformers only warns, and would start with random weights."""
    file = folder / "model.safetensors"
    weights = {name.replace("q_proj", "query"): weight for name, weight in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    change(folder / "config.json", auto_map=MAPS["all"])
    with pytest.raises(ModelError, match=RULE):
        load_model(ModelConfig(path=str(folder)), torch.float32)


def test_weights_of_another_shape(folder: Path) -> None:
    file = folder / "model.safetensors"
    weights = {name: weight.repeat(2, *[1] * (weight.dim() - 1)) for name, weight in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    change(folder / "config.json", auto_map=MAPS["all"])
    with pytest.raises(ModelError, match=RULE):
        load_model(ModelConfig(path=str(folder)), torch.float32)


def test_a_known_architecture_without_generation(folder: Path) -> None:
    change(folder / "config.json", auto_map=MAPS["model alone"], model_type="vit")
    with pytest.raises(ModelError, match=RULE):
        load_model(ModelConfig(path=str(folder)), torch.float32)


@pytest.mark.parametrize("kind", TOKENIZER_MAPS)
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("alone", [True, False], ids=["tokenizer alone", "whole model"])
def test_a_tokenizer(folder: Path, kind: str, known: bool, alone: bool) -> None:
    """Check that the model loads as the built-in class, or fails in one line."""
    if alone:
        for name in ("config.json", "model.safetensors", "generation_config.json"):
            (folder / name).unlink()
    fields = {} if known else {"tokenizer_class": "OwnTokenizer"}
    change(folder / "tokenizer_config.json", auto_map=TOKENIZER_MAPS[kind], **fields)
    config = ModelConfig(path=str(folder))
    if known and kind not in ("nothing", "a number"):
        assert type(load_tokenizer(config)).__module__.startswith("transformers.")
        return
    with pytest.raises(ModelError, match=rf"^model\.path: the tokenizer of {folder} {RULE}") as refused:
        load_tokenizer(config)
    assert "trust_remote_code" not in str(refused.value)


def test_custom_generation_code(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "custom_generate").rename(folder / "custom_generate")
    model = load_model(ModelConfig(path=str(folder)), torch.float32)
    assert model.generate(torch.tensor([[5, 6]]), max_new_tokens=1, do_sample=False).shape == (1, 3)


def test_a_classifier(folder: Path) -> None:
    change(folder / "config.json", auto_map=MAPS["all"], model_type="own")
    with pytest.raises(ModelError, match=rf"^path: the classifier .*{folder.name} {RULE}"):
        load_classifier(ClassifierJudge(path=str(folder), labels={"bad": "unsafe", "fine": "safe"}))


def test_other_errors_do_not_blame_it(folder: Path) -> None:
    change(folder / "config.json", auto_map=MAPS["all"])
    (folder / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"can't be loaded: ") as refused:
        load_model(ModelConfig(path=str(folder)), torch.float32)
    assert "its own" not in str(refused.value)


def calls_of_from_pretrained(path: Path) -> list[str]:
    """Return `file:line` of each use of `from_pretrained` that may load code, except adapters'."""
    found = []
    allowed = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            given = {word.arg: word.value for word in node.keywords}.get("trust_remote_code")
            if isinstance(given, ast.Constant) and given.value is False:
                allowed.add(node.func)
        if isinstance(node, ast.Attribute) and node.attr == "from_pretrained":
            of_peft = isinstance(node.value, ast.Name) and node.value.id == "PeftModel"
            if node not in allowed and not of_peft:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_every_use_of_from_pretrained_refuses_remote_code() -> None:
    files = [
        path for part in ("lookahead_ray", "analysis", "benchmarks") for path in (ROOT / part).rglob("*.py")
    ]
    assert [call for path in files for call in calls_of_from_pretrained(path)] == []


def test_the_package_loads_in_one_place() -> None:
    files = {
        str(path.relative_to(ROOT / "lookahead_ray"))
        for path in (ROOT / "lookahead_ray").rglob("*.py")
        if ".from_pretrained(" in path.read_text(encoding="utf-8").replace("PeftModel.from_pretrained(", "")
    }
    assert files == {"model/pretrained.py"}
