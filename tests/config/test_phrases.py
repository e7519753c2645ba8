"""Phrases from files and from the seed model become plain choices; refusals."""

from pathlib import Path

import pytest

from lookahead_ray.config.dimension import Choice
from lookahead_ray.config.load import Sweep, load_sweep
from lookahead_ray.config.phrases import phrase_key, placeholders, read_phrases
from lookahead_ray.errors import ConfigError

SPACE = """
task: {name: word_problems}
preview:
  choice:
    - {strategy: none}
    - {strategy: virtual, prefix: {choice_from: %s}}
"""
FIELD = "preview.choice.1.prefix.choice_from"


def load(folder: Path, source: str, *overrides: str, **openings: list[str]) -> Sweep:
    path = folder / "space.yaml"
    path.write_text(SPACE % source, encoding="utf-8")
    return load_sweep(path, overrides, {FIELD: openings["openings"]} if openings else None)


def phrases(sweep: Sweep) -> tuple[object, ...]:
    (found,) = [each for each in sweep.dimensions if each.name == "preview.virtual.prefix"]
    assert isinstance(found, Choice)
    return found.labels


def refusal(folder: Path, source: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, source, *overrides)
    message = str(caught.value)
    assert message.isprintable(), message
    return message.replace(f"{folder}/", "")


class TestFile:
    def test_a_line_is_stripped_and_one_space_put_behind_it(self, tmp_path: Path) -> None:
        text = '﻿So,\r\n\n  Let us see.  \n"exactly\\nthis"\n"\\"Quoted\\" "\nÜber'
        (tmp_path / "phrases.txt").write_text(text, encoding="utf-8")
        found = ["So, ", "Let us see. ", "exactly\nthis", '"Quoted" ', "Über "]
        assert read_phrases(tmp_path / "phrases.txt") == found
        sweep = load(tmp_path, "{path: phrases.txt}")
        assert phrases(sweep) == tuple(found)
        assert not sweep.missing_openings

    def test_a_space_with_a_file_is_the_space_with_its_list(self, tmp_path: Path) -> None:
        (tmp_path / "phrases.txt").write_text("So,\nWell,\n")
        from_file = load(tmp_path, "{path: phrases.txt}")
        (tmp_path / "list.yaml").write_text(
            (SPACE % "x").replace("{choice_from: x}", '{choice: ["So, ", "Well, "]}')
        )
        assert from_file.hash == load_sweep(tmp_path / "list.yaml").hash

    def test_the_spaces_directory_comes_before_the_current_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here, space = tmp_path / "here", tmp_path / "space"
        here.mkdir()
        space.mkdir()
        monkeypatch.chdir(here)
        (here / "phrases.txt").write_text("Here\n")
        assert phrases(load(space, "{path: phrases.txt}")) == ("Here ",)
        (space / "phrases.txt").write_text("There\n")
        assert phrases(load(space, "{path: phrases.txt}")) == ("There ",)
        assert phrases(load(space, f"{{path: {here / 'phrases.txt'}}}")) == ("Here ",)

    def test_an_override_may_name_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("mine.txt").write_text("Mine.\n")
        preview = "preview={strategy: virtual, prefix: {choice_from: {path: mine.txt}}}"
        sweep = load(tmp_path, "{model_openings: 2}", preview)
        assert [str(each) for each in sweep.dimensions] == ["preview.prefix: one of 'Mine. '"]
        assert not sweep.missing_openings

    @pytest.mark.parametrize(
        ("content", "rule"),
        [
            (b"", "phrases.txt: must hold at least one phrase, got none"),
            (b" \n\n", "phrases.txt: must hold at least one phrase, got none"),
            (b"So,\n\nSo, \n", "phrases.txt: line 3: phrases must differ, got 'So, ' twice"),
            (b"So,\n\xff\n", "phrases.txt: must be UTF-8 text, got invalid start byte at byte 4"),
            (
                b'"So" he said\n',
                "phrases.txt: line 1: a line that begins with a quote must be a JSON text, got",
            ),
            (b'""\n', "phrases.txt: line 1: a phrase must not be empty, got '\"\"'"),
        ],
    )
    def test_a_bad_file_is_refused(self, tmp_path: Path, content: bytes, rule: str) -> None:
        (tmp_path / "phrases.txt").write_bytes(content)
        assert refusal(tmp_path, "{path: phrases.txt}").startswith(rule)

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        rule = "must be an existing file, next to space.yaml or in the current directory"
        assert refusal(tmp_path, "{path: no.txt}") == f"space.yaml: {FIELD}.path: {rule}, got 'no.txt'"
        preview = "preview={strategy: virtual, prefix: {choice_from: {path: no.txt}}}"
        assert refusal(tmp_path, "{model_openings: 2}", preview).startswith(
            f"--set {preview}: preview.prefix"
        )


class TestSeedModel:
    def test_placeholders_are_used_until_openings_are_generated(self, tmp_path: Path) -> None:
        sweep = load(tmp_path, "{model_openings: 3, prompts: 5, tokens: 4}")
        assert phrases(sweep) == tuple(placeholders(3))
        assert list(sweep.missing_openings) == [FIELD]
        ask = sweep.missing_openings[FIELD]
        assert (ask.model_openings, ask.prompts, ask.tokens) == (3, 5, 4)

    def test_its_openings_are_plain_choices(self, tmp_path: Path) -> None:
        sweep = load(tmp_path, "{model_openings: 3}", openings=["Sure! ", "To find "])
        assert phrases(sweep) == ("Sure! ", "To find ")
        assert not sweep.missing_openings

    def test_all_sources_in_order_without_duplicates(self, tmp_path: Path) -> None:
        (tmp_path / "phrases.txt").write_text("Well,\n")
        source = '{model_openings: 3, path: phrases.txt, options: ["So "]}'
        sweep = load(tmp_path, source, "search.enqueue=[{preview: virtual, preview.virtual.prefix: 'So '}]")
        assert phrases(sweep) == ("So ", "Well, ", *placeholders(3))
        said = load(tmp_path, source, openings=["so, ", "Well! ", "Oh. "])
        assert phrases(said) == ("So ", "Well, ", "Oh. ")

    def test_model_openings_need_one_model_and_one_task(self, tmp_path: Path) -> None:
        message = refusal(tmp_path, "{model_openings: 3}", "task.max_steps={int: [1, 3]}")
        rule = "needs one model and one task, got the search dimension task.max_steps"
        assert message == f"space.yaml: {FIELD}.model_openings: {rule}"


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("{}", f"{FIELD}: needs a path or model_openings, got neither"),
        ("phrases.txt", f"{FIELD}: must be a mapping of fields to values, got 'phrases.txt'"),
        ("{model_openings: 0}", f"{FIELD}.model_openings: input should be greater than or equal to 1, got 0"),
        ("{model_openings: 2, prompts: 1}", f"{FIELD}.prompts: input should be greater than or equal to 2"),
        ("{file: x.txt}", f"{FIELD}.file: unknown field, got 'x.txt'"),
        ("{model_openings: 1, options: ['']}", f"{FIELD}.options.0: string should have at least 1 character"),
        (
            "{model_openings: 1, options: [A, A]}",
            "preview.virtual.prefix: options of a choice must differ, got 'A' twice",
        ),
    ],
)
def test_a_bad_source_is_refused(tmp_path: Path, source: str, rule: str) -> None:
    assert refusal(tmp_path, source).startswith(f"space.yaml: {rule}")


def test_phrases_are_of_prefixes_alone(tmp_path: Path) -> None:
    message = refusal(tmp_path, "{model_openings: 1}", "training.epochs={choice_from: {model_openings: 2}}")
    rule = "training.epochs.choice_from: is only valid in a prefix"
    assert message.endswith(f": {rule}")
    assert message.startswith("--set training.epochs=")


def test_case_space_and_punctuation_tell_no_phrases_apart() -> None:
    assert phrase_key(" Let's  SEE... ") == phrase_key("lets see")
    assert phrase_key("Straße") == phrase_key("STRASSE!")
    assert phrase_key("Let us see") != phrase_key("Lets see")
