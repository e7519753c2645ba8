"""Places of data: shards, patterns, compression, home directories, URLs, and what can't be found."""

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow
import pytest
from pyarrow import parquet

from lookahead_ray.data.locations import find_files
from lookahead_ray.data.readers import READERS, RowReader, read_lines, read_rows
from lookahead_ray.errors import DataError
from tests.data.sources import write_csv, write_jsonl

ROWS = [{"q": f"{n}?", "a": str(n)} for n in range(6)]


def fields(place: str | Path) -> list[dict[str, Any]]:
    return [dict(row.fields) for row in read_rows(place)]


def refusal(place: str | Path) -> str:
    with pytest.raises(DataError) as caught:
        read_rows(place)
    assert str(caught.value).startswith(f"{place}: path: ")
    assert str(caught.value).isprintable()
    return str(caught.value).removeprefix(f"{place}: path: ")


def zstd(content: bytes) -> bytes:
    out = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()  # type: ignore[no-any-return]


COMPRESS = {".gz": gzip.compress, ".zst": zstd, ".bz2": bz2.compress, ".xz": lzma.compress}


class TestCompression:
    @pytest.mark.parametrize("kind", list(COMPRESS))
    @pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".parquet"])
    def test_every_format(self, tmp_path: Path, kind: str, suffix: str) -> None:
        plain = tmp_path / f"rows{suffix}"
        if suffix == ".parquet":
            parquet.write_table(pyarrow.Table.from_pylist(ROWS), plain)
        elif suffix == ".json":
            plain.write_text(json.dumps(ROWS))
        else:
            (write_csv if suffix == ".csv" else write_jsonl)(plain, ROWS)
        packed = tmp_path / f"rows{suffix}{kind.upper()}"
        packed.write_bytes(COMPRESS[kind](plain.read_bytes()))
        assert fields(packed) == ROWS

    @pytest.mark.parametrize("kind", list(COMPRESS))
    def test_concatenated_and_damaged_files(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / f"rows.jsonl{kind}"
        lines = [json.dumps(row).encode() + b"\n" for row in ROWS]
        path.write_bytes(b"".join(COMPRESS[kind](line) for line in lines))
        assert fields(path) == ROWS
        content = COMPRESS[kind](os.urandom(2000).hex().encode())
        for damaged in (content[:-20], b"no such file at all"):
            path.write_bytes(damaged)
            assert "must be a whole" in refusal(path)


class TestShards:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        tmp_path = tmp_path / "above" / "set"
        tmp_path.mkdir(parents=True)
        for part in range(3):
            table = pyarrow.Table.from_pylist(ROWS[2 * part : 2 * part + 2])
            parquet.write_table(table, tmp_path / f"part-{part}.snappy.parquet")
        for name in ("_SUCCESS", ".part-9.parquet", "_metadata.parquet", "README.md"):
            (tmp_path / name).write_text("x")
        return tmp_path

    def test_a_folder_and_patterns(self, folder: Path) -> None:
        for place in (folder, f"{folder}/", f"{folder}/part-*.parquet", f"{folder.parent}/*/part-[0-9].*",
                      f"{folder.parent}/**/part-?.*", f"file://{folder}"):  # fmt: skip
            assert fields(place) == ROWS
        assert fields(f"{folder}/part-[12]*") == ROWS[2:]
        assert [row.where for row in read_rows(folder)][2] == f"{folder}/part-1.snappy.parquet: row 1"

    def test_a_name_may_look_like_a_pattern(self, tmp_path: Path) -> None:
        write_jsonl(tmp_path / "a[1]*.jsonl", ROWS)
        assert fields(tmp_path / "a[1]*.jsonl") == ROWS

    def test_an_empty_shard_counts_as_none(self, tmp_path: Path) -> None:
        write_jsonl(tmp_path / "a.jsonl", ROWS)
        (tmp_path / "b.jsonl").touch()
        assert fields(tmp_path) == ROWS

    def test_what_can_not_be_read(self, folder: Path) -> None:
        assert refusal(f"{folder}/*.csv") == "the pattern must match a file, got none"
        assert refusal(f"{folder}/README.md").startswith("must end in .json, ")
        write_jsonl(folder / "more.jsonl", ROWS)
        assert refusal(folder).startswith(
            "a folder must hold files of one format, got .jsonl and .parquet; name"
        )
        (folder / "deep").mkdir()
        write_jsonl(folder / "deep" / "a.txt", ROWS)
        assert refusal(folder / "deep").startswith("a folder must hold files that end in .json, ")

    def test_progress_counts_all_files(self, tmp_path: Path) -> None:
        write_jsonl(tmp_path / "a.jsonl", ROWS)
        write_jsonl(tmp_path / "b.jsonl", ROWS)
        reader = RowReader(tmp_path)
        assert len(list(reader)) == 12
        assert reader.read_bytes == reader.total_bytes == 2 * (tmp_path / "a.jsonl").stat().st_size


def test_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    assert fields("~/rows.jsonl") == fields("~/*.jsonl") == fields("~") == ROWS
    assert refusal("~/no.jsonl") == "must be an existing file, got nothing there"


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.XLS", "rows.zip", "rows"])
def test_other_formats_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    advice = {"rows.zip": "(unpack it)", "rows": "got ''"}.get(name, "(save it as CSV)")
    assert refusal(tmp_path / name).endswith(advice)


class TestUrls:
    @pytest.fixture
    def memory(self) -> Iterator[Any]:
        fs = fsspec.filesystem("memory")
        for part in range(2):
            text = "".join(f"{json.dumps(row)}\n" for row in ROWS[3 * part : 3 * part + 3])
            fs.pipe(f"/data/part-{part}.jsonl.gz", gzip.compress(text.encode()))
        parquet_file = pyarrow.BufferOutputStream()
        parquet.write_table(pyarrow.Table.from_pylist(ROWS), parquet_file)
        fs.pipe("/data/whole/rows.parquet", parquet_file.getvalue().to_pybytes())
        fs.pipe("/data/s.txt", b"one\n\n two \n")
        yield fs
        fs.rm("/data", recursive=True)

    def test_files_folders_and_patterns(self, memory: Any) -> None:
        for place in (
            "memory://data",
            "memory://data/",
            "memory://data/*.gz",
            "memory:///data/part-[01].jsonl.gz",
        ):
            assert fields(place) == ROWS
        assert fields("memory://data/part-1.jsonl.gz") == ROWS[3:]
        assert fields("memory://data/whole/rows.parquet") == ROWS
        assert [text for _, text in read_lines("memory://data/s.txt")] == ["one", "two"]
        assert RowReader("memory://data").total_bytes is None
        assert [file.suffix for file in find_files("memory://data", READERS)] == [".jsonl"] * 2

    def test_what_can_not_be_read(self, memory: Any) -> None:
        assert refusal("memory://data/no.jsonl") == "must be an existing file, got nothing there"
        assert refusal("memory://data/*.csv") == "the pattern must match a file, got none"
        assert refusal("memory://data/s.txt").startswith("must end in .json")
        assert refusal("nope://a/b.jsonl") == "must be a URL that can be read, got 'Protocol not known: nope'"

    @pytest.mark.parametrize("scheme", ["s3", "gs", "https", "memory", "hf"])
    def test_one_slash_is_no_path(self, scheme: str) -> None:
        rule = f"a URL must have two slashes after {scheme}:, as in {scheme}://b/r.jsonl, got one"
        assert refusal(f"{scheme}:/b/r.jsonl") == rule

    def test_a_folder_may_have_such_a_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("s3:").mkdir()
        write_jsonl(Path("s3:/rows.jsonl"), ROWS)
        assert fields("s3:/rows.jsonl") == ROWS

    def test_a_query_is_no_suffix(self) -> None:
        from lookahead_ray.data.locations import DataFile

        file = DataFile("u", "https://host/a/rows.csv.gz?download=true&x=a.json")
        assert (file.suffix, file.compression) == (".csv", "gzip")
