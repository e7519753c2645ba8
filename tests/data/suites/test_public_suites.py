"""HEx-PHI, AdvBench, JailbreakBench, XSTest and users' own files: shapes, gates and errors."""

from collections import Counter
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from pydantic import TypeAdapter

from lookahead_ray.config.safety import SafetyConfig
from lookahead_ray.data.suites.hex_phi import HUB_FILES
from lookahead_ray.data.suites.registry import load_suite
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite
from lookahead_ray.errors import DataError
from tests.data.sources import FakeDatasetsError, fake_datasets, shared, write_csv, write_jsonl

READ = TypeAdapter(SafetyConfig)
JBB_ROW = {"Index": "17", "Goal": "Do it", "Target": "Sure", "Behavior": "b", "Category": "Fraud"}
CATEGORIES = [f"Area {n}" for n in range(1, 12)]
GATE = "request access on its hub page and run `hf auth login`, or set safety.path to "


def load(**fields: Any) -> SafetySuite:
    return load_suite(READ.validate_python(fields))


def refusal(**fields: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(**fields)
    message = str(caught.value)
    assert message.isprintable()
    return message


class TestHexPhi:
    """Write synthetic files in the formats that users have: 11 categories of 30 in blocks."""

    def rows(self, dropped: str = "") -> list[dict[str, str]]:
        return [
            {"instruction": f"{name}, bad thing {n}\nnow", "category": name}
            for name in CATEGORIES
            for n in range(30)
            if name != dropped
        ]

    def answers(self, rows: list[dict[str, str]]) -> list[object]:
        return [
            [
                {"role": "user", "content": row["instruction"]},
                {"role": "assistant", "content": f"Sure: {row['instruction']} " + "step " * 1000},
            ]
            for row in rows
        ]

    @pytest.mark.parametrize(("dropped", "count"), [("", 330), ("Area 2", 300)])
    def test_330_and_300_rows_load(self, tmp_path: Path, dropped: str, count: int) -> None:
        path = write_jsonl(tmp_path / "prompts.jsonl", self.rows(dropped))
        answers = write_jsonl(tmp_path / "answers.jsonl", self.answers(self.rows()))
        suite = load(name="hex_phi", path=path, prefill_path=answers)
        assert len(suite.harmful) == count
        assert set(Counter(prompt.category for prompt in suite.harmful).values()) == {30}
        assert suite.benign == ()
        assert suite.has_openings
        assert all(prompt.opening.startswith(f"Sure: {prompt.prompt} step ") for prompt in suite.harmful)
        first = suite.harmful[0]
        assert (first.id, first.category, first.prompt) == ("area-1-01", "Area 1", "Area 1, bad thing 0\nnow")
        assert suite.harmful[-1].id == "area-11-30"

    def test_ids_do_not_depend_on_the_other_categories(self, tmp_path: Path) -> None:
        whole, part = (
            load(name="hex_phi", path=write_jsonl(tmp_path / f"without {dropped}.jsonl", self.rows(dropped)))
            for dropped in ("", "Area 2")
        )
        assert set(part.harmful) < set(whole.harmful)

    def test_without_answers_there_are_no_openings(self, tmp_path: Path) -> None:
        suite = load(name="hex_phi", path=write_jsonl(tmp_path / "prompts.jsonl", self.rows()))
        assert not suite.has_openings
        with pytest.raises(DataError, match="safety suite hex_phi: prefill_3 needs an opening"):
            suite.require_openings("prefill_3")

    def test_a_request_without_an_answer_is_named(self, tmp_path: Path) -> None:
        path = write_jsonl(tmp_path / "prompts.jsonl", self.rows())
        answers = write_jsonl(tmp_path / "answers.jsonl", self.answers(self.rows()[:-1]))
        message = refusal(name="hex_phi", path=path, prefill_path=answers)
        assert message.startswith(
            f"{answers}: safety.prefill_path: must hold the request of {path}: line 330"
        )

    @pytest.mark.parametrize(
        ("line", "rule"),
        [
            ({"role": "user"}, "must be a list of a user and an assistant message, got {'role': 'user'}"),
            ([{"role": "user", "content": "x"}], "must be a list of a user and an assistant message, got ["),
            (["user", "assistant"], "must be a list of a user and an assistant message, got ['user'"),
            (
                [{"role": "user", "content": "x"}, {"role": "assistant", "content": ""}],
                "field content must be a string that is not blank, got ''",
            ),
        ],
    )
    def test_a_bad_answer_is_named(self, tmp_path: Path, line: object, rule: str) -> None:
        path = write_jsonl(tmp_path / "prompts.jsonl", self.rows())
        answers = write_jsonl(tmp_path / "answers.jsonl", [self.answers(self.rows())[0], line])
        message = refusal(name="hex_phi", path=path, prefill_path=answers)
        assert message.startswith(f"{answers}: line 2: {rule}")

    def test_a_bad_prompt_is_named(self, tmp_path: Path) -> None:
        path = write_jsonl(tmp_path / "prompts.jsonl", [{"instruction": "x", "category": 3}])
        message = refusal(name="hex_phi", path=path)
        assert message == f"{path}: line 1: field category must be a string that is not blank, got 3"

    def test_the_hubs_files_have_no_header(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        asked = []

        def download(name: str, file: str, *, repo_type: str, revision: str | None) -> str:
            asked.append((name, file, repo_type, revision))
            text = f'"{file}, ""quoted"",\nnew line"\n\nWithout quotes, but a comma\n'
            (tmp_path / file).write_text("\ufeff" + text * 15, "utf-8")
            return str(tmp_path / file)

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        suite = load(name="hex_phi", revision="v1")
        assert asked == [("LLM-Tuning-Safety/HEx-PHI", file, "dataset", "v1") for file in HUB_FILES]
        assert len(suite.harmful) == 300
        assert suite.harmful[0].prompt == 'category_1.csv, "quoted",\nnew line'
        assert suite.harmful[1].prompt == "Without quotes, but a comma"
        assert (suite.harmful[0].id, suite.harmful[-1].id) == (
            "illegal-activity-01",
            "tailored-financial-advice-30",
        )

    def test_without_access_the_message_explains_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def download(*_: object, **__: object) -> str:
            raise OSError("403 Client Error.\nAccess to this data set is restricted")

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        message = refusal(name="hex_phi")
        assert message.startswith(
            "LLM-Tuning-Safety/HEx-PHI/category_1.csv: path: must be readable "
            f"({GATE}a local file), got '403 "
        )


class TestAdvBench:
    ROWS = ({"goal": "Write a bad thing", "target": "Sure, here is a bad thing"},) * 3

    def test_the_target_is_the_opening(self, tmp_path: Path) -> None:
        suite = load(name="advbench", path=write_csv(tmp_path / "a.csv", self.ROWS))
        assert suite.harmful[2] == SafetyPrompt(
            "advbench-003", "", "Write a bad thing", "Sure, here is a bad thing"
        )
        assert suite.benign == ()

    def test_a_bad_row_is_named(self, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "a.csv", [*self.ROWS, {"goal": "x", "target": " "}])
        message = refusal(name="advbench", path=path)
        assert message == f"{path}: line 5: field target must be a string that is not blank, got ' '"
        path = write_csv(tmp_path / "a.csv", [{"prompt": "x", "target": "y"}])
        assert refusal(name="advbench", path=path).startswith(f"{path}: line 2: field goal must be present")

    def test_hub(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = fake_datasets(monkeypatch, [{"prompt": "Do it", "target": "Sure"}])
        assert load(name="advbench", revision="v1").harmful == (
            SafetyPrompt("advbench-001", "", "Do it", "Sure"),
        )
        assert calls == [("walledai/AdvBench", None, "train", "v1")]
        fake_datasets(monkeypatch, FakeDatasetsError("it is gated"))
        assert GATE in refusal(name="advbench")

    @pytest.mark.shared
    def test_real_data(self) -> None:
        suite = load(name="advbench", path=shared("safety/advbench/harmful_behaviors.csv"))
        assert len(suite.harmful) == 512
        assert suite.has_openings


class TestJailbreakBench:
    def test_capital_letters_do_not_matter_and_benign_ones_have_no_opening(self, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "a.csv", [JBB_ROW])
        suite = load(name="jailbreakbench", harmful_path=path, benign_path=path)
        assert suite.harmful == (SafetyPrompt("harmful-17", "Fraud", "Do it", "Sure"),)
        assert suite.benign == (SafetyPrompt("benign-17", "Fraud", "Do it"),)

    def test_one_file_alone(self, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "a.csv", [JBB_ROW])
        assert load(name="jailbreakbench", harmful_path=path).benign == ()
        assert load(name="jailbreakbench", benign_path=path).harmful == ()

    def test_rows_without_an_index_are_numbered(self, tmp_path: Path) -> None:
        rows = [{name: value for name, value in JBB_ROW.items() if name.lower() != "index"}] * 2
        suite = load(name="jailbreakbench", harmful_path=write_csv(tmp_path / "a.csv", rows))
        assert [prompt.id for prompt in suite.harmful] == ["harmful-0", "harmful-1"]

    def test_an_index_given_twice_is_refused(self, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "a.csv", [JBB_ROW, JBB_ROW])
        message = refusal(name="jailbreakbench", harmful_path=path)
        assert message == "safety suite jailbreakbench: ids must differ, got 'harmful-17' twice"

    def test_hub(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = fake_datasets(monkeypatch, [{**JBB_ROW, "Index": 17}])
        suite = load(name="jailbreakbench")
        assert (suite.harmful[0].id, suite.benign[0].id) == ("harmful-17", "benign-17")
        name = "JailbreakBench/JBB-Behaviors"
        assert calls == [(name, "behaviors", split, None) for split in ("harmful", "benign")]

    @pytest.mark.shared
    def test_real_data(self) -> None:
        suite = load(
            name="jailbreakbench",
            harmful_path=shared("safety/jbb/harmful_goals_from_artifacts.csv"),
            benign_path=shared("safety/jbb/benign-behaviors.transcribed.csv"),
        )
        assert (len(suite.harmful), len(suite.benign)) == (96, 98)
        assert not suite.has_openings  # this copy of the harmful file has no column `target`
        categories = {prompt.category for prompt in suite.harmful}
        assert categories == {prompt.category for prompt in suite.benign}
        assert len(categories) == 10


class TestXsTest:
    ROWS = (
        {"id": "1", "prompt": "Kill a process?", "type": "homonyms", "label": "safe"},
        {"id": "2", "prompt": "Kill a person?", "type": "contrast_homonyms", "label": "unsafe"},
    )

    def test_contrasts_are_harmful_and_the_rest_benign(self, tmp_path: Path) -> None:
        suite = load(name="xstest", path=write_csv(tmp_path / "a.csv", self.ROWS))
        assert suite.benign == (SafetyPrompt("1", "homonyms", "Kill a process?"),)
        assert suite.harmful == (SafetyPrompt("2", "contrast_homonyms", "Kill a person?"),)
        assert not suite.has_openings

    def test_a_label_that_contradicts_its_type_is_refused(self, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "a.csv", [self.ROWS[0], {**self.ROWS[1], "label": "safe"}])
        message = refusal(name="xstest", path=path)
        assert message == (
            f"{path}: line 3: field label must be 'unsafe' for type 'contrast_homonyms', got 'safe'"
        )

    def test_hub(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = fake_datasets(monkeypatch, self.ROWS)
        assert len(load(name="xstest").benign) == 1
        assert calls == [("Paul/XSTest", None, "train", None)]

    @pytest.mark.shared
    @pytest.mark.parametrize(
        ("file", "first"), [("xstest_prompts.csv", "1"), ("xstest_v2_prompts.csv", "v2-1")]
    )
    def test_real_data(self, file: str, first: str) -> None:
        suite = load(name="xstest", path=shared(f"safety/xstest/{file}"))
        assert (len(suite.harmful), len(suite.benign)) == (199, 248)
        assert suite.benign[0].id == first
        assert len({prompt.category for prompt in (*suite.harmful, *suite.benign)}) == 18


class TestFile:
    def test_the_mapping(self, tmp_path: Path) -> None:
        rows = [{"q": "Do it", "area": 7, "start": "Sure"}, {"q": "Do that", "area": 7, "start": None}]
        harmful = write_jsonl(tmp_path / "harmful.jsonl", rows)
        fields = {"prompt": "q", "category": "area", "opening": "start"}
        suite = load(name="file", label="mine", harmful_path=harmful, fields=fields)
        assert (suite.name, suite.benign) == ("mine", ())
        assert suite.harmful == (
            SafetyPrompt("harmful-0001", "7", "Do it", "Sure"),
            SafetyPrompt("harmful-0002", "7", "Do that"),
        )
        assert not suite.has_openings

    def test_benign_rows_need_no_opening(self, tmp_path: Path) -> None:
        benign = write_jsonl(tmp_path / "benign.jsonl", [{"prompt": "Hi?"}])
        suite = load(name="file", benign_path=benign, fields={"opening": "start"})
        assert suite.benign == (SafetyPrompt("benign-0001", "", "Hi?"),)

    @pytest.mark.parametrize(
        ("row", "rule"),
        [
            (
                {"prompt": "", "area": "x", "start": "s"},
                "field prompt must be a string that is not blank, got ''",
            ),
            ({"prompt": "p", "start": "s"}, "field area must be present, got fields ['prompt', 'start']"),
            ({"prompt": "p", "area": "x"}, "field start must be present, got fields ['area', 'prompt']"),
            (
                {"prompt": "p", "area": ["x"], "start": "s"},
                "field area must be text, a number, true or false, got ['x']",
            ),
            (
                {"prompt": "p", "area": "x", "start": 3},
                "field start must be a string that is not blank, got 3",
            ),
        ],
    )
    def test_a_bad_row_is_named(self, tmp_path: Path, row: dict[str, object], rule: str) -> None:
        path = write_jsonl(tmp_path / "harmful.jsonl", [row])
        fields = {"category": "area", "opening": "start"}
        assert refusal(name="file", harmful_path=path, fields=fields) == f"{path}: line 1: {rule}"
