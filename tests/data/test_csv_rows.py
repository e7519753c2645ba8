"""Text tables as programs write them: what divides cells, encodings, empty columns, long cells."""

import csv
from pathlib import Path

import pytest

from lookahead_ray.config.csv_format import CsvFormat
from lookahead_ray.data.notes import collect_notes
from lookahead_ray.data.readers import RowReader, read_rows
from lookahead_ray.errors import DataError

HEADER = ["Frage", "Antwort"]
RECORDS = [[f"Größe {n}; wie viel?", f"{n},5 m\r\n„ja“ | 'nein'"] for n in range(5)]


def table(records: list[list[str]], delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    import io

    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator="\r\n").writerows(records)  # type: ignore[arg-type]
    return out.getvalue()


def read(path: Path, content: str | bytes, **form: str) -> tuple[list[dict[str, object]], list[str]]:
    """Return the rows, and the remarks without the file's name."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with collect_notes() as notes:
        rows = [dict(row.fields) for row in read_rows(path, CsvFormat.model_validate(form))]
    return rows, [note.removeprefix(f"{path}: ") for note in notes]


def refusal(path: Path, content: str | bytes, **form: str) -> str:
    with pytest.raises(DataError) as caught:
        read(path, content, **form)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


class TestDelimiter:
    EXPECTED = [dict(zip(HEADER, record, strict=True)) for record in RECORDS]  # noqa: RUF012

    @pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    @pytest.mark.parametrize(
        ("delimiter", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "|"), (",", "")]
    )
    def test_it_is_found_and_said(self, path: Path, delimiter: str, name: str, quoting: int) -> None:
        rows, notes = read(path, table([HEADER, *RECORDS], delimiter, quoting))
        assert rows == self.EXPECTED
        said = f"cells are divided by {name}; csv.delimiter changes that"
        assert notes == ([said] if name else [])
        assert read(path, table([HEADER, *RECORDS], delimiter, quoting), delimiter=delimiter) == (rows, [])

    def test_tabs_are_usual_in_tsv(self, tmp_path: Path) -> None:
        path = tmp_path / "t.tsv"
        assert read(path, table([HEADER, *RECORDS], "\t")) == (self.EXPECTED, [])
        rows, notes = read(path, table([HEADER, *RECORDS]))
        assert (rows, notes) == (self.EXPECTED, ["cells are divided by commas; csv.delimiter changes that"])

    def test_excels_first_line_names_it(self, path: Path) -> None:
        rows, notes = read(path, "\ufeffsep=;\r\na;b\r\n1,5;2\r\n")
        assert (rows, notes) == ([{"a": "1,5", "b": "2"}], [])
        assert refusal(path, "sep=;\na;b\n1\n").startswith("line 3: must have 2 cells")

    @pytest.mark.parametrize(
        ("text", "row"),
        [
            ("text\nIt is; so\n", {"text": "It is; so"}),
            ("a,b\nx; y,z\n", {"a": "x; y", "b": "z"}),
            ("a,b;c\nx,y\n", {"a": "x", "b;c": "y"}),
            ("Name, Vorname;Alter\nMay, Karl;7\n", {"Name, Vorname": "May, Karl", "Alter": "7"}),
            ("id,tags|kind,n\n1,x|y,2\n", {"id": "1", "tags|kind": "x|y", "n": "2"}),
        ],
    )
    def test_the_header_decides_where_several_occur(self, path: Path, text: str, row: dict[str, str]) -> None:
        assert read(path, text)[0] == [row]

    def test_a_bad_record_does_not_hide_it(self, path: Path) -> None:
        text = table([HEADER, *RECORDS * 3], ";") + "nur eins\r\n"
        assert refusal(path, text).startswith("line 32: must have 2 cells as the header has, got 1: ['nur")


class TestEncoding:
    TEXT = table([["Frage", "Antwort"], ["Wie groß?", "Über 3 € – „ja“"], ["où?", "là-bas, l’été"]])
    ROWS = [  # noqa: RUF012
        {"Frage": "Wie groß?", "Antwort": "Über 3 € – „ja“"},
        {"Frage": "où?", "Antwort": "là-bas, l’été"},
    ]

    @pytest.mark.parametrize(
        ("encoding", "mark", "said"),
        [
            ("utf-8", b"", None),
            ("utf-8-sig", b"", None),
            ("utf-16", b"", "read as UTF-16"),
            ("utf-16-le", b"", "read as UTF-16-LE"),
            ("utf-16-be", b"\xfe\xff", "read as UTF-16"),
            ("utf-32", b"", "read as UTF-32"),
            ("cp1252", b"", "read as Windows-1252, since line 2 is no UTF-8; csv.encoding changes that"),
        ],
    )
    def test_it_is_found_and_said(self, path: Path, encoding: str, mark: bytes, said: str | None) -> None:
        content = mark + self.TEXT.encode(encoding)
        assert read(path, content) == (self.ROWS, [said] if said else [])
        assert read(path, content, encoding=encoding)[0] == self.ROWS

    @pytest.mark.parametrize(
        ("text", "encoding"),
        [
            ("Zażółć gęślą jaźń i pójdź", "cp1250"),
            ("Как твои дела?", "cp1251"),
            ("Как твои дела?", "koi8-r"),
            ("你好，今天天气怎么样？", "gbk"),
            ("こんにちは、元気ですか。", "shift_jis"),
            ("안녕하세요 반갑습니다", "euc_kr"),
        ],
    )
    def test_what_is_not_plausible_is_refused_unless_named(
        self, path: Path, text: str, encoding: str
    ) -> None:
        content = f"q,a\nx,y\n{text},z\n".encode(encoding)
        message = refusal(path, content)
        assert message.startswith("line 3: must be UTF-8, got b'")
        assert message.endswith("; name the encoding with csv: {encoding: …}")
        assert read(path, content, encoding=encoding)[0][1] == {"q": text, "a": "z"}

    def test_utf8_with_a_damaged_byte_is_refused(self, path: Path) -> None:
        assert refusal(path, "q,a\nGröße,é\n".encode() + b"caf\xe9,x\n").startswith("line 3: must be UTF-8")

    def test_a_wrong_name_is_refused(self, path: Path) -> None:
        assert refusal(path, "q,a\né,x\n".encode(), encoding="ascii").startswith(
            "path: must be ascii text, got"
        )


class TestColumns:
    def test_empty_ones_at_the_end(self, path: Path) -> None:
        assert read(path, "a,b,,\n1,2,,\n,,,\n3,4\n5,6,, \n")[0] == [
            {"a": "1", "b": "2"}, {"a": "3", "b": "4"}, {"a": "5", "b": "6"},
        ]  # fmt: skip
        message = "line 2: must have 2 cells as the header has, got 4: ['a', '1', '50 €', '']"
        assert refusal(path, "q,a,,\na,1,50 €,\n") == message

    def test_an_index_without_a_name(self, path: Path) -> None:
        assert read(path, ",a,b\n0,x,y\n1,z,\n")[0] == [{"a": "x", "b": "y"}, {"a": "z", "b": ""}]

    def test_names_with_spaces_are_found_without(self, path: Path) -> None:
        path.write_text("q , a\nx,y\n")
        row = read_rows(path)[0]
        assert (row.text("q"), row.text("a"), row.text(" a")) == ("x", "y", "y")

    def test_long_cells(self, path: Path) -> None:
        long = "<p>x</p>\n" * 40_000
        assert read(path, table([["q", "a", "raw"], ["x", "y", long], ["z", "w", ""]]))[0] == [
            {"q": "x", "a": "y", "raw": long}, {"q": "z", "a": "w", "raw": ""},
        ]  # fmt: skip


def test_line_numbers_with_breaks_in_cells(path: Path) -> None:
    path.write_text('\n"a","b"\n"1\n\n2",x\n\n3,y\n', newline="")
    assert [row.where for row in read_rows(path)] == [f"{path}: line 3", f"{path}: line 7"]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('"q", "a"\n"x, y", "z"\n', [{"q": "x, y", "a": "z"}]),
        ('q, a\n1, "2, 3"\n 4,  5\n', [{"q": "1", "a": "2, 3"}, {"q": "4", "a": "5"}]),
    ],
)
def test_quotes_behind_a_space(tmp_path: Path, text: str, rows: list[dict[str, str]]) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with collect_notes() as notes:
        assert [row.fields for row in read_rows(path)] == rows
    assert notes == [f"{path}: spaces before cells are left out, as quotes follow them"]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ('q,a\n"He said, ""Hi"".", b\n', " b"),
        ('q,a\nx," ""b"""\n', ' "b"'),
        ('q,a\nx, "b" it is\n', ' "b" it is'),
    ],
)
def test_quotes_that_are_text(tmp_path: Path, text: str, cell: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with collect_notes() as notes:
        assert [row.fields["a"] for row in read_rows(path)] == [cell]
    assert notes == []


TEXT_QUOTES = 'q\ta\n"No," he said.\tb\nSay "x\t"y" or z\n"open\tc\n'


def test_quotes_are_text_where_tabs_alone_divide_cells(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text(TEXT_QUOTES)
    with collect_notes() as notes:
        assert [row.fields for row in read_rows(path)] == [
            {"q": '"No," he said.', "a": "b"},
            {"q": 'Say "x', "a": '"y" or z'},
            {"q": '"open', "a": "c"},
        ]
    assert notes == [f"{path}: quotes are read as text; csv.quotes (--quotes) changes that"]


def test_quotes_around_cells_of_a_file_with_tabs(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text('q\ta\n"No,\nhe ""said""."\tb\n')
    with collect_notes() as notes:
        assert [row.fields for row in read_rows(path)] == [{"q": 'No,\nhe "said".', "a": "b"}]
    assert notes == []


def test_a_configuration_says_what_quotes_are(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('q,a\n"x",y\n')
    assert next(iter(RowReader(path, CsvFormat(quotes=False)))).fields["q"] == '"x"'
    path.write_text("q\ta\n" + "x\ty\n" * 2000 + '"No," he said.\tb\n')
    with pytest.raises(
        DataError, match=r"line 2002: must be valid CSV, .*; csv\.quotes: false \(--no-quotes\)"
    ):
        list(RowReader(path, CsvFormat(delimiter="\t")))
    rows = list(RowReader(path, CsvFormat(delimiter="\t", quotes=False)))
    assert rows[-1].fields["q"] == '"No," he said.'


@pytest.mark.parametrize(
    "text",
    [
        'text\tlabel\n"I went home.\ta\nThen I slept."\tb\nHi\tc\n',
        "text\tlabel\n" + '"No," he said\tx\n' * 3 + "plain\ty\n" * 1500,
        "text\tlabel\n" + "plain\ty\n" * 700 + '"No," he said\tx\n',
    ],
    ids=["open in one record and close in a later one", "long", "late"],
)
def test_text_quotes_hide_no_records(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text(text)
    assert len(read_rows(path)) == text.count("\n") - 1


def test_one_bad_record_does_not_make_all_quotes_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text('"text"\t"label"\n"a"\t"b"\n"No," he said\t"c"\n')
    with pytest.raises(DataError, match="line 3: must be valid CSV"):
        read_rows(path)
