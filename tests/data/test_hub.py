"""Local copies of hub data sets: what they hold is listed where the configuration names something else."""

import json
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict, Features, Image, Value

from lookahead_ray.data.hub import HubSplit, read_hub
from lookahead_ray.errors import DataError, HubDataError

ROWS = [{"q": f"{n}?", "a": str(n)} for n in range(3)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a data set with the configurations easy (splits train, exam) and hard (train)."""
    made = tmp_path / "set"
    configs = {"easy": ("train", "exam"), "hard": ("train",)}
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split in splits:
            file = made / config / f"{split}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
            lines += [f"  - split: {split}", f"    path: {config}/{split}.jsonl"]
    (made / "README.md").write_text("\n".join([*lines, "---", ""]))
    return made


def refusal(source: HubSplit) -> str:
    with pytest.raises(DataError) as caught:
        read_hub(source)
    assert not isinstance(caught.value, HubDataError)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_rows_are_read(folder: Path) -> None:
    rows = read_hub(HubSplit(str(folder), "exam", "easy"))
    assert [row.fields for row in rows] == ROWS
    assert len(read_hub(HubSplit(str(folder), "train[:2]", "hard"))) == 2


@pytest.mark.parametrize(
    ("split", "config", "rule"),
    [
        ("train", None, "hub_config: must be one of easy, hard, got null"),
        ("train", "main", "hub_config: must be one of easy, hard, got 'main'"),
        ("test", "easy", "train_split and test_split: must be one of train, exam, got 'test'"),
    ],
)
def test_what_is_there_is_listed(folder: Path, split: str, config: str | None, rule: str) -> None:
    assert refusal(HubSplit(str(folder), split, config)).endswith(rule)


def test_code_is_never_run(tmp_path: Path) -> None:
    made = tmp_path / "coded"
    made.mkdir()
    (made / "coded.py").write_text("raise SystemExit('was run')\n")
    assert "needs Python code of its own (coded.py), which is never run" in refusal(
        HubSplit(str(made), "train")
    )


def test_what_save_to_disk_wrote_is_read(tmp_path: Path) -> None:
    DatasetDict({"train": Dataset.from_list(ROWS)}).save_to_disk(tmp_path / "splits")
    Dataset.from_list(ROWS).save_to_disk(tmp_path / "one")
    for name in ("splits", "one"):
        assert [row.fields for row in read_hub(HubSplit(str(tmp_path / name), "train"))] == ROWS
    assert "must be one of train, got 'test'" in refusal(HubSplit(str(tmp_path / "splits"), "test"))


def test_images_are_not_decoded(tmp_path: Path) -> None:
    media = {"bytes": b"no image", "path": "x.png"}
    features = Features({"q": Value("string"), "seen": Image()})
    saved = Dataset.from_list([{"q": "Which bird?", "seen": media}], features=features)
    saved.save_to_disk(tmp_path / "birds")
    (row,) = read_hub(HubSplit(str(tmp_path / "birds"), "train"))
    assert row.fields == {"q": "Which bird?", "seen": media}
