"""Files as rows: every format gives the same rows, and errors name the line."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from lookahead_ray.data.hub import HubSplit, read_hub
from lookahead_ray.data.readers import READERS, read_jsonl, read_rows, read_values
from lookahead_ray.data.rows import Row
from lookahead_ray.errors import DataError
from tests.data.sources import fake_datasets, write_csv, write_jsonl

ROWS = [{"a": "1\u20282", "b": 'He said "x", then\nleft'}, {"a": "é", "b": " y "}]


def refusal(path: Path | str) -> str:
    with pytest.raises(DataError) as caught:
        read_rows(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 200
    return message.removeprefix(f"{path}: ")


def write(folder: Path, suffix: str) -> str:
    path = folder / f"rows{suffix}"
    if suffix == ".csv":
        return write_csv(path, ROWS)
    if suffix == ".tsv":
        write_csv(path, ROWS)
        path.write_text(
            path.read_text("utf-8").replace(',"', '\t"').replace("a,b", "a\tb").replace(", y", "\t y")
        )
        return str(path)
    if suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
        return str(path)
    if suffix == ".json":
        path.write_text(json.dumps(ROWS, indent=1, ensure_ascii=False), "utf-8")
        return str(path)
    return write_jsonl(path, ROWS)


class TestEveryFormat:
    @pytest.mark.parametrize("suffix", list(READERS))
    def test_rows_are_verbatim_and_in_order(self, tmp_path: Path, suffix: str) -> None:
        path = write(tmp_path, suffix)
        rows = read_rows(path)
        assert [dict(row.fields) for row in rows] == ROWS
        assert all(row.where.startswith(f"{path}: ") for row in rows)
        assert [row.fields for row in read_rows(Path(path))] == ROWS

    @pytest.mark.parametrize("suffix", list(READERS))
    def test_files_without_rows(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"none{suffix}"
        assert refusal(path) == "path: must be an existing file, got nothing there"
        path.write_text("\n \n")
        assert refusal(path) == "path: must hold at least one row, got 3 bytes"
        path.unlink()
        path.mkdir()
        assert refusal(path).startswith("path: a folder must hold files that end in .json, .jsonl, .ndjson, ")

    @pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv"])
    def test_a_byte_order_mark_is_no_text(self, tmp_path: Path, suffix: str) -> None:
        path = Path(write(tmp_path, suffix))
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert [row.fields for row in read_rows(path)] == ROWS

    def test_the_ending_decides_in_any_case(self, tmp_path: Path) -> None:
        Path(write(tmp_path, ".csv")).rename(tmp_path / "ROWS.CSV")
        assert len(read_rows(tmp_path / "ROWS.CSV")) == 2
        (tmp_path / "rows.txt").write_text("{}")
        rule = "path: must end in .json, .jsonl, .ndjson, .csv, .tsv, .parquet, got '.txt'"
        assert refusal(tmp_path / "rows.txt") == rule
        assert len(read_jsonl(tmp_path / "rows.txt")) == 1


class TestJson:
    def test_rows_are_numbered(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.json"
        path.write_text('[\n {"a":\n  1},\n\n {"a": 2}, {"a": 3}\n]\n')
        places = [row.where.removeprefix(f"{path}: ") for row in read_rows(path)]
        assert places == ["element 1", "element 2", "element 3"]

    def test_lines_of_objects_under_this_ending(self, tmp_path: Path) -> None:
        path = write_jsonl(tmp_path / "rows.json", ROWS)
        assert [row.where for row in read_rows(path)] == [f"{path}: line 1", f"{path}: line 2"]

    @pytest.mark.parametrize(
        ("text", "rule"),
        [
            ("[]", "path: must hold at least one row, got 2 bytes"),
            ("[1]", "element 1: must be a JSON object, got '1]'"),
            ('[{"a": 1},\n {"a": }]', "element 2: must be valid JSON (Expecting value), got "),
            ('[{"a": 1}\n {"a": 2}]', "element 1: a comma or the array's end must follow, got '{\"a\": 2}]'"),
            ('[{"a": 1},\n', "element 2: must be a JSON object, got the end of the file"),
            ('[{"a": 1}]\n[2]', "nothing may follow the array, got '[2]'"),
            ("[" * 100_000, "element 1: must be readable JSON (maximum recursion"),
            ('{\n"a": 1}', "path: must hold a list of rows, or one object per line, got one object over"),
            ('{"a": 1\n}', "line 1: must be a JSON object, got '{\"a\": 1'"),
        ],
    )
    def test_malformed(self, tmp_path: Path, text: str, rule: str) -> None:
        path = tmp_path / "rows.json"
        path.write_text(text)
        assert refusal(path).startswith(rule)

    def test_many_rows_take_linear_time(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.json"
        path.write_text(json.dumps([{"a": "x" * 200}] * 50_000, indent=0))
        assert read_rows(path)[-1].where.endswith("element 50000")


class TestJsonl:
    @pytest.mark.parametrize(
        ("line", "got"),
        [("{oops", "'{oops'"), ("[" * 100_000, "'[[[["), ("1" * 5_000, "'1111"), ("[1]", "[1]"),
         ("null", "None")],
    )  # fmt: skip
    def test_a_bad_line_is_named(self, tmp_path: Path, line: str, got: str) -> None:
        path = write_jsonl(tmp_path / "rows.jsonl", [{}, line, {}])
        assert refusal(path).startswith(f"line 2: must be a JSON object, got {got}")

    def test_last_newline_and_carriage_returns_do_not_matter(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        for content in (b'{"a": 1}', b'{"a": 1}\n', b'{"a": 1}\r\n'):
            path.write_bytes(content)
            assert len(read_rows(path)) == 1

    def test_bytes_that_are_no_utf8(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b'{"a": "caf\xe9"}\n')
        assert refusal(path) == "line 1: must be UTF-8, got the byte 0xe9"

    def test_blank_lines_are_skipped_but_counted(self, tmp_path: Path) -> None:
        path = write_jsonl(tmp_path / "rows.jsonl", [{}, "", " \r", {}])
        assert [row.where for row in read_rows(path)] == [f"{path}: line 1", f"{path}: line 4"]

    def test_values_need_not_be_objects(self, tmp_path: Path) -> None:
        path = write_jsonl(tmp_path / "rows.jsonl", [[1, 2], "null"])
        assert read_values(path) == [(f"{path}: line 1", [1, 2]), (f"{path}: line 2", None)]


class TestCsv:
    def test_lines_are_those_where_a_record_begins(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.csv"
        path.write_text('a,b\n1,"x\ny"\n\n2,z\n')
        assert [row.where.removeprefix(f"{path}: ") for row in read_rows(path)] == ["line 2", "line 5"]

    @pytest.mark.parametrize(
        ("content", "rule"),
        [
            (b"a,b\n1,2\n3\n", "line 3: must have 2 cells as the header has, got 1: ['3']"),
            (b"a,b\n1,2,3\n", "line 2: must have 2 cells as the header has, got 3: ['1', '2', '3']"),
            (b"a,a\n1,2\n", "line 1: header names must differ, got 'a' twice"),
            (b'a,b\n1,"x\n', "line 2: must be valid CSV, got unexpected end of data"),
            (b'a,b\n1,"x"y\n', "line 2: must be valid CSV, got ',' expected after '\"'"),
            (b"a,b\n", "path: must hold at least one row, got 4 bytes"),
        ],
    )
    def test_malformed(self, tmp_path: Path, content: bytes, rule: str) -> None:
        path = tmp_path / "rows.csv"
        path.write_bytes(content)
        assert refusal(path) == rule


@pytest.mark.parametrize("value", [None, "", " ", float("nan")])
def test_a_field_that_may_be_blank(value: object) -> None:
    row = Row("f", {"x": value})
    assert row.text_or_none("x") is None
    assert row.text_if_given("y") is None
    if value != " ":
        assert row.text_if_given("x") is None


def test_parquet_values_that_python_lacks(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    columns = {
        "text": pyarrow.array(["a", "b"]),
        "expires": pyarrow.array([0, 506606572800], pyarrow.timestamp("s")),  # in the year 18023
        "until": pyarrow.array([None, 10**7], pyarrow.date32()),
        "lasts": pyarrow.array([1, 2**62], pyarrow.duration("s")),
        "at": pyarrow.array([0, 1], pyarrow.timestamp("s", "Mars/Phobos")),
        "nested": pyarrow.array([{"at": 0}, {"at": 2**50}], pyarrow.struct({"at": pyarrow.timestamp("s")})),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    rows = read_rows(tmp_path / "rows.parquet")
    assert [row.text("text") for row in rows] == ["a", "b"]
    assert [row.text_or_number("expires")[:4] for row in rows] == ["1970", "1802"]
    assert [row.text_or_number("until")[:5] for row in rows] == ["", "29349"]
    assert rows[0].text_or_number("lasts") == "0:00:01"
    for row, field in ((rows[1], "lasts"), (rows[0], "at"), (rows[1], "nested")):
        with pytest.raises(DataError, match=rf"rows.parquet: row \d: field {field} must be text, .*, got <"):
            row.text_or_number(field)


def test_files_that_are_not_parquet_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 is how it begins")
    assert refusal(path).startswith("path: must be a Parquet file, got ")


class TestRow:
    ROW = Row("f: line 3", {"text": " x ", "blank": " ", "null": None, "number": 7, "real": 7.0, "yes": True})

    def test_values(self) -> None:
        assert (
            self.ROW.text("text") == self.ROW.text_or_number("text") == self.ROW.text_or_none("text") == " x "
        )
        assert self.ROW.text_or_none("null") is self.ROW.text_or_none("blank") is None
        assert (self.ROW.text_or_number("number"), self.ROW.text_or_number("blank")) == ("7", " ")
        assert [self.ROW.text_or_number(field) for field in ("null", "real", "yes")] == ["", "7.0", "true"]

    @pytest.mark.parametrize("field", ["blank", "null", "number", "real", "yes"])
    def test_text_is_text(self, field: str) -> None:
        with pytest.raises(
            DataError, match=f"^f: line 3: field {field} must be a string that is not blank, got"
        ):
            self.ROW.text(field)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (float("nan"), ""), (1e-7, "1e-07"), (-0.5, "-0.5"), (False, "false"), (10**20, "1" + 20 * "0"),
            (Decimal("2.50"), "2.50"),
            (Decimal("0E-18"), "0." + 18 * "0"), (Decimal("1E+3"), "1000"),
            (date(2024, 2, 3), "2024-02-03"),
            (datetime(2024, 2, 3, 4, 5), "2024-02-03T04:05:00"), (timedelta(hours=1), "1:00:00"),
        ],
    )  # fmt: skip
    def test_values_that_become_text(self, value: object, text: str) -> None:
        assert Row("f", {"x": value}).text_or_number("x") == text

    @pytest.mark.parametrize("value", [[1], {"a": 1}, b"x"])
    def test_values_that_are_no_text(self, value: object) -> None:
        with pytest.raises(DataError, match=r"^f: field x must be text, a number, true or false, got"):
            Row("f", {"x": value}).text_or_number("x")

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("a.b.0.c", 1), ("a.b[1].c", 2), ("a[b][-1]['c']", 2), ("a.d.e", 3), ("d.e", 4), ("x y", 5),
            (" pad", 6), ("pad", 6),
        ],
    )  # fmt: skip
    def test_paths_lead_into_values(self, path: str, value: int) -> None:
        nested = {"b": [{"c": 1}, {"c": 2}], "d.e": 3}
        row = Row("f", {"a": nested, "d.e": 4, "x y": 5, "pad ": 6})
        assert (row.has(path), row.value(path)) == (True, value)

    @pytest.mark.parametrize("path", ["a.c", "a.b.2", "a.b.x", "b", "a.b.0.c.d", "", "a.."])
    def test_paths_that_lead_nowhere(self, path: str) -> None:
        row = Row("f", {"a": {"b": [{"c": 1}, 2]}})
        assert (row.has(path), row.value(path)) == (False, None)

    @pytest.mark.parametrize("method", ["text", "text_or_number", "text_or_none"])
    def test_a_missing_field_is_named(self, method: str) -> None:
        with pytest.raises(DataError, match=r"^f: line 3: field gone must be present, got fields \['blank',"):
            getattr(self.ROW, method)("gone")


class TestHub:
    def test_rows_are_numbered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = fake_datasets(monkeypatch, [{"a": "1"}])
        assert read_hub(HubSplit("org/set", "test")) == [Row("org/set/test: row 1", {"a": "1"})]
        assert calls == [("org/set", None, "test", None)]

    def test_a_split_without_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake_datasets(monkeypatch, [])
        with pytest.raises(DataError, match=r"^org/set/c/test: path: must hold at least one row, got none$"):
            read_hub(HubSplit("org/set", "test", "c"))

    def test_the_real_library_reads_a_local_data_set(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
        (tmp_path / "set").mkdir()
        write_jsonl(tmp_path / "set" / "train.jsonl", ROWS)
        rows = read_hub(HubSplit(str(tmp_path / "set"), "train"))
        assert [dict(row.fields) for row in rows] == ROWS
        with pytest.raises(DataError, match=r"must be one of train, got 'validation'$"):
            read_hub(HubSplit(str(tmp_path / "set"), "validation"))
