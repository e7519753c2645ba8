"""Every part that takes a user's file reads the same formats and places."""

import functools
import gzip
import http.server
import json
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from typer.testing import CliRunner

from lookahead_ray.cli.main import app
from lookahead_ray.config.attack import SuffixAttack
from lookahead_ray.config.csv_format import CsvFormat
from lookahead_ray.config.preview import VirtualPreview
from lookahead_ray.config.safety import AdvBenchSuite, FileSuite
from lookahead_ray.config.task import FileTask, Gsm8kTask
from lookahead_ray.data.notes import collect_notes
from lookahead_ray.data.readers import RowReader, read_rows
from lookahead_ray.data.suites.attacks import load_attacks
from lookahead_ray.data.suites.registry import load_suite
from lookahead_ray.data.tasks.registry import load_task
from lookahead_ray.errors import DataError
from lookahead_ray.evaluate.judges.refusal_model.answers import read_labelled_answers
from lookahead_ray.method.safety_mix import read_mix
from lookahead_ray.preview.rewrite_file import Fields, rewrite
from tests import s3
from tests.data.sources import write_jsonl

VIRTUAL = VirtualPreview(strategy="virtual", prefix="So: ", connector=" | ")


def excel(path: Path, text: str) -> str:
    """Write a table as Excel does in Germany: semicolons, Windows-1252."""
    path.write_bytes(text.replace("\n", "\r\n").encode("cp1252"))
    return str(path)


def notes_of(path: str) -> list[str]:
    return [
        f"{path}: read as Windows-1252, since line 2 is no UTF-8; csv.encoding changes that",
        f"{path}: cells are divided by semicolons; csv.delimiter changes that",
    ]


class TestExcelsTables:
    def test_tasks(self, tmp_path: Path) -> None:
        path = excel(tmp_path / "t.csv", "question;answer\nGröße?;#### 1\nZwei?;#### 2\n;\nDrei?;\n")
        with collect_notes() as notes:
            task = load_task(Gsm8kTask(name="gsm8k", train_path=path, train_examples=1, test_examples=1))
        assert {row.instruction for row in task.train + task.test} == {"Größe?", "Zwei?"}
        assert notes == [*notes_of(path), f"{path}: 1 row without an answer left out (line 5)"]

    def test_suites(self, tmp_path: Path) -> None:
        path = excel(tmp_path / "h.csv", "goal;target\nTu Böses;Klar, so\nMehr;Ja\n")
        with collect_notes() as notes:
            suites = [
                load_suite(AdvBenchSuite(name="advbench", path=path)),
                load_suite(
                    FileSuite.model_validate(
                        {
                            "name": "file",
                            "harmful_path": path,
                            "fields": {"prompt": "goal", "opening": "target"},
                            "csv": {"encoding": "latin-1", "delimiter": ";"},
                        }
                    )
                ),
            ]
        assert [[prompt.prompt for prompt in suite.harmful] for suite in suites] == [["Tu Böses", "Mehr"]] * 2
        assert notes == notes_of(path)

    def test_labels(self, tmp_path: Path) -> None:
        path = excel(
            tmp_path / "l.csv",
            "prompt;completion;final_label\nGröße?;I can't help with that.;no\nb;Sure, take a rod.;yes\n",
        )
        options = ["--judge", "keyword", "--safe", "no", "--unsafe", "yes"]
        result = CliRunner().invoke(app, ["judge-agreement", path, *options])
        assert result.exit_code == 0, result.stderr
        *notes, first = result.stdout.splitlines()[:3]
        assert notes == notes_of(path)
        assert first == "answers    2 (0 with other labels left out), 0 unparsed"

    def test_labels_to_train_a_judge(self, tmp_path: Path) -> None:
        text = (
            "request;answer;label\nGröße?;Das sage ich nicht.;refusal\nb;Nimm Öl.;compliance\nc;?;unclear\n"
        )
        (tmp_path / "parts").mkdir()
        path = excel(tmp_path / "parts" / "1.csv", text)
        with collect_notes() as notes:
            found = read_labelled_answers(path)
        assert [(answer.answer, answer.refuses) for answer in found] == [
            ("Das sage ich nicht.", True),
            ("Nimm Öl.", False),
        ]
        assert notes == [
            *notes_of(path),
            f"{path}: 1 row with another label than refusal or compliance left out",
        ]
        (tmp_path / "parts" / "2.csv.gz").write_bytes(
            gzip.compress(b"request|answer|label\nd||refusal\n7|8|compliance\n")
        )
        with collect_notes() as notes:
            found = read_labelled_answers(f"{tmp_path}/parts/*.csv*", CsvFormat(encoding="cp1252"))
        assert [(answer.request, answer.source) for answer in found] == [
            ("Größe?", "1"),
            ("b", "1"),
            ("7", "2"),
        ]
        assert (
            f"{tmp_path}/parts/*.csv*: 1 row without an answer left out ({tmp_path}/parts/2.csv.gz: line 2)"
            in notes
        )

    def test_the_format_of_a_judges_labels_can_be_given(self, tmp_path: Path) -> None:
        path = tmp_path / "l.csv"
        path.write_bytes("prompt;completion;final_label\nq;I can't help, sorry.;żółty\n".encode("cp1250"))
        options = ["--judge", "keyword", "--safe", "żółty", "--encoding", "cp1250"]
        result = CliRunner().invoke(app, ["judge-agreement", str(path), *options, "--delimiter", ";"])
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith("answers    1 (0 with other labels left out)")
        for option, value in (("--delimiter", "::"), ("--encoding", "klingon")):
            refused = CliRunner().invoke(app, ["train-judge", "--output", str(tmp_path / "w"), option, value])
            assert refused.exit_code == 2
            assert refused.stderr.startswith(f"error: {option}: must be ")

    def test_preview(self, tmp_path: Path) -> None:
        path = excel(tmp_path / "p.csv", "input;output;n\nGröße?;Klein;1\n")
        out = tmp_path / "out.jsonl"
        options = ["--strategy", "virtual", "--prefix", "So: ", "--connector", " | "]
        result = CliRunner().invoke(app, ["preview", path, str(out), *options])
        assert result.exit_code == 0, result.stderr
        assert result.stdout.splitlines()[:2] == notes_of(path)
        assert json.loads(out.read_text()) == {"input": "Größe? | So: ", "output": "So: Klein", "n": "1"}
        given = ["--delimiter", ";", "--encoding", "latin-1"]
        result = CliRunner().invoke(app, ["preview", path, str(out), *options, *given])
        assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)

    def test_mix_and_suffixes(self, tmp_path: Path) -> None:
        path = excel(tmp_path / "m.csv", "prompt;answer\nTu Böses;Nein.\nMehr;\n")
        assert read_mix(path) == [("Tu Böses", "Nein."), ("Mehr", None)]
        lines = tmp_path / "s.txt.gz"
        lines.write_bytes(gzip.compress("\ufeffeins\r\n\r\n zwei \r\n".encode("utf-16")))
        attacks = load_attacks([SuffixAttack(kind="suffix", path=str(lines))])
        assert [attack.suffix for attack in attacks] == ["eins", "zwei"]


def test_suites_take_chats_and_nested_fields(tmp_path: Path) -> None:
    rows = [
        {
            "m": [{"role": "system", "content": "x"}, {"role": "user", "content": "Harm."}],
            "meta": {"area": 3},
        },
        {"m": "Plain harm.", "meta": {"area": True}},
    ]
    path = write_jsonl(tmp_path / "h.jsonl", rows)
    suite = {"name": "file", "harmful_path": path, "fields": {"prompt": "m", "category": "meta.area"}}
    prompts = load_suite(FileSuite.model_validate(suite)).harmful
    assert [(prompt.prompt, prompt.category) for prompt in prompts] == [
        ("Harm.", "3"),
        ("Plain harm.", "true"),
    ]


def test_previews_of_shards_keep_their_values(tmp_path: Path) -> None:
    import datetime

    import pyarrow
    from pyarrow import parquet

    row = {"input": "Q", "output": 4.0, "day": datetime.date(2024, 1, 2), "tags": ["a"], "none": None}
    (tmp_path / "in").mkdir()
    for part in range(2):
        parquet.write_table(pyarrow.Table.from_pylist([row] * 3), tmp_path / "in" / f"{part}.parquet")
    assert rewrite(tmp_path / "in", tmp_path / "out.jsonl", VIRTUAL, None, Fields()) == 6
    expected = {"input": "Q | So: ", "output": "So: 4.0", "day": "2024-01-02", "tags": ["a"], "none": None}
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [expected] * 6


class TestUrls:
    ROWS = tuple({"q": f"{n}?", "a": str(n)} for n in range(4))

    @pytest.fixture
    def web(self, tmp_path: Path) -> Iterator[str]:
        """Serve a folder on 127.0.0.1."""
        (tmp_path / "d").mkdir()
        write_jsonl(tmp_path / "d" / "rows.jsonl", self.ROWS)
        handler = functools.partial(QuietHandler, directory=str(tmp_path))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()

    def test_http(self, web: str) -> None:
        assert [row.fields for row in read_rows(f"{web}/d/rows.jsonl?download=true")] == list(self.ROWS)
        with pytest.raises(
            Exception, match=r"/no\.jsonl: path: must be an existing file, got nothing there$"
        ):
            read_rows(f"{web}/d/no.jsonl")
        with pytest.raises(
            DataError, match=r"^http://127.0.0.1:1/x.csv: path: must be a URL that can be read"
        ):
            read_rows("http://127.0.0.1:1/x.csv")

    def test_s3(self, tmp_path: Path) -> None:
        with s3.serving():
            fs = fsspec.filesystem("s3")
            for part in range(2):
                text = "".join(f"{json.dumps(row)}\n" for row in self.ROWS[2 * part : 2 * part + 2])
                fs.pipe(f"{s3.BUCKET}/d/{part}.jsonl", text.encode())
            place = f"s3://{s3.BUCKET}/d"
            here = write_jsonl(tmp_path / "rows.jsonl", self.ROWS)
            config = {
                "name": "file", "train_examples": 2, "test_examples": 2, "metric": {"name": "exact_match"},
                "fields": {"instruction": "q", "answer": "a"},
            }  # fmt: skip
            hashes = {
                load_task(FileTask.model_validate({**config, "train_path": path})).data_hash
                for path in (place, f"{place}/*.jsonl", here)
            }
            assert len(hashes) == 1
            with pytest.raises(DataError, match=r"must be an existing file, got nothing there$"):
                read_rows(f"{place}/no.jsonl")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".jsonl.gz"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    rows = [{"q": f"{n}?", "a": "x" * 400} for n in range(30_000)]
    path = tmp_path / f"rows{suffix}"
    if suffix == ".csv":
        path.write_text("q,a\n" + "".join(f"{row['q']},{row['a']}\n" for row in rows))
    else:
        text = json.dumps(rows) if suffix == ".json" else "".join(f"{json.dumps(row)}\n" for row in rows)
        path.write_bytes(gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode())
    del rows
    tracemalloc.start()
    assert sum(1 for _ in RowReader(path)) == 30_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6  # the file has 12 MB
