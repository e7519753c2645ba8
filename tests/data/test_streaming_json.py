"""Rows of JSON and JSONL files: chunk sizes do not matter, and errors name the position."""

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.data import streaming_json
from lookahead_ray.data.readers import read_rows
from lookahead_ray.data.streaming_json import JsonFormat, format_of, read_json_rows
from lookahead_ray.errors import DataError

ROWS: list[dict[str, Any]] = [
    {"a": "text", "n": [1, 2.50, -3e-7, True, False, None, {"deep": [[], {}, [{"x": "]}, {"}]]}]},
    {},
    {"quote": 'say "hi" \\ back\\\\slash', "brackets": "[{,}]", "u": "é € 👩 \u2028 \x7f"},
    {"escapes": "😀", "control": "\x00\n\t", "long": "z" * 300},
    {"nan": float("inf"), "big": 10**40},
]


def array(text: str, piece: int = 7) -> list[Any]:
    return [row for _, row in read_json_rows(io.StringIO(text), "x.json", "json", piece)]


def lines(text: str) -> list[tuple[str, Any]]:
    return list(read_json_rows(io.StringIO(text, newline="\n"), "x.jsonl", "jsonl"))


def test_pieces_of_any_size_give_the_same() -> None:
    for indent, ascii_only in [(None, True), (None, False), (4, False), ("\t", True)]:
        text = f" \r\n{json.dumps(ROWS, indent=indent, ensure_ascii=ascii_only)}\n\t "
        for piece in [*range(1, 40), 64, 1000, 1 << 20]:
            assert array(text, piece) == ROWS


def test_random_arrays() -> None:
    draw = random.Random(1)

    def value(depth: int) -> Any:
        kind = draw.randrange(7 if depth else 5)
        if kind == 5:
            return [value(depth - 1) for _ in range(draw.randrange(4))]
        if kind == 6:
            return {f"k{n}": value(depth - 1) for n in range(draw.randrange(4))}
        return ["".join(draw.choices('a"\\{}[],:é👩\n', k=draw.randrange(20))), 1.5e-9, 12345, None, True][
            kind
        ]

    for _ in range(100):
        rows = [{"v": value(3)} for _ in range(draw.randrange(5))]
        assert array(json.dumps(rows, ensure_ascii=draw.random() < 0.5), draw.randint(1, 30)) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.json: must hold one JSON array of objects, got the end of the file"),
        ('{"a": 1}', r"""x.json: must hold one JSON array of objects, got '{"a": 1}'"""),
        ('{"a": 1}\n{"a": 2}', "x.json: must hold one JSON array of objects, got"),
        ("[1]", "x.json: element 1: must be a JSON object, got '1]'"),
        ("[[1]]", r"x.json: element 1: must be a JSON object, got \[1\]"),
        ('[{"a": 1}, "b"]', "x.json: element 2: must be a JSON object"),
        ('[{"a": 1},]', "x.json: element 2: must be a JSON object, got ']'"),
        ('[{"a": 1}', "x.json: element 1: a comma or the array's end must follow, got the end of the file"),
        ('[{"a": 1} {"a": 2}]', "x.json: element 1: a comma or the array's end must follow"),
        ('[{"a": 1}] x', "x.json: nothing may follow the array, got 'x'"),
        ("[] []", "x.json: nothing may follow the array"),
        ('[{"a": 1', "x.json: element 1: must be valid JSON"),
        ('[{"a": "open', "x.json: element 1: must be valid JSON .Unterminated string"),
        ('[{"a": 1}, {"a" 1}]', "x.json: element 2: must be valid JSON .Expecting ':' delimiter"),
        ('[{"a": "\n"}]', "x.json: element 1: must be valid JSON .Invalid control character"),
        ('[{"a": tru}]', "x.json: element 1: must be valid JSON .Expecting value"),
        (f'[{{"a": {"9" * 5000}}}]', "x.json: element 1: must be readable JSON"),
        (f'[{{"a": {"[" * 100_000}', "x.json: element 1: must be readable JSON"),
    ],
)
def test_faults_of_arrays_are_named(text: str, message: str) -> None:
    for piece in (1, 5, 1 << 20):
        with pytest.raises(DataError, match=message):
            array(text, piece)


def test_a_fault_is_found_without_reading_on() -> None:
    class Endless(io.StringIO):
        read_characters = 0

        def read(self, size: int | None = -1) -> str:
            assert size is not None
            self.read_characters += size
            return super().read(size) or "x" * size

    stream = Endless('[{"a": 1}, {"a" 1}, ')
    with pytest.raises(DataError, match="element 2"):
        list(read_json_rows(stream, "x.json", "json", 100))
    assert stream.read_characters < 1000


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_a_row_that_never_ends_is_refused(form: JsonFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming_json, "MAX_ROW_CHARACTERS", 1000)
    text = ("[" if form == "json" else "") + '{"a": "' + "x" * 10_000
    with pytest.raises(DataError, match=r"(element|line) 1: must have at most 1,000 characters, got more"):
        list(read_json_rows(io.StringIO(text), "x", form, 64))


def test_memory_holds_a_piece_of_the_file() -> None:
    reader = streaming_json._Array(io.StringIO(json.dumps(ROWS * 500)), "x.json", 1000)
    assert sum(1 for _ in reader.values() if len(reader.text) < 5000) == 5 * 500


def test_lines() -> None:
    text = '{"a": 1}\n\n  \t\n{"a": "\u2028 \x85"}\n {"a": 3} '
    assert lines(text) == [
        ("x.jsonl: line 1", {"a": 1}),
        ("x.jsonl: line 4", {"a": "\u2028 \x85"}),
        ("x.jsonl: line 5", {"a": 3}),
    ]
    assert lines("") == []


@pytest.mark.parametrize("bad", ['{"a": 1', "[1]", "1", "null", '{"a": 1} {"a": 2}', "x", "[" * 100_000])
def test_faults_of_lines_are_named(bad: str) -> None:
    with pytest.raises(DataError, match=r"x.jsonl: line 3: must be a JSON object") as caught:
        lines(f'{{"a": 1}}\n\n{bad}\n')
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_bytes(tmp_path: Path, form: JsonFormat) -> None:
    before, after = (b"[", b"]") if form == "json" else (b"", b"")
    path = tmp_path / f"x.{form}"
    path.write_bytes(b"\xef\xbb\xbf" + before + '{"a": "é"}'.encode() + after + b"\r\n")
    assert [row.fields for row in read_rows(path)] == [{"a": "é"}]
    comma = b"," if form == "json" else b"\n"
    path.write_bytes(before + b'{"a": "\xc3\xa9"}' + comma + b'{"a": "\xff"}' + after)
    with pytest.raises(DataError, match=r"2: must be UTF-8, got the byte 0xff"):
        read_rows(path)


def test_suffixes_of_output_files() -> None:
    assert [format_of(Path(name)) for name in ("a.json", "b.JSONL")] == ["json", "jsonl"]
    with pytest.raises(DataError, match=r"suffix: must be .json or .jsonl, got '.csv'"):
        format_of(Path("a.csv"))
