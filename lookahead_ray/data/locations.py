"""Places of data files: paths, folders and patterns, here or at any fsspec URL; compressed or not."""

import gzip
import os
import re
import shutil
import tempfile
import zlib
from bz2 import BZ2File
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from glob import glob
from lzma import LZMAError, LZMAFile
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast
from urllib.parse import urlsplit

from fsspec import AbstractFileSystem, available_protocols
from fsspec.implementations.local import LocalFileSystem

from lookahead_ray.data.rows import quote
from lookahead_ray.errors import DataError
from lookahead_ray.filesystem import is_url, open_filesystem, with_retries

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}
"""Suffix in lower case -> compression."""

_GONE = (404, 410)  # of HTTP
_ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")
_COPIED_AT_ONCE = 1 << 20  # bytes
_BROKEN = (OSError, EOFError, zlib.error, LZMAError, ValueError)


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file; `name` is its path or URL for messages."""

    name: str
    path: str  # without protocol
    fs: AbstractFileSystem | None = None  # None: this machine's

    @property
    def suffix(self) -> str:
        """Return the suffix in lower case, such as ".csv", without that of a compression."""
        path = PurePosixPath(self._plain())
        return PurePosixPath(path.stem if self.compression else path.name).suffix.lower()

    @property
    def compression(self) -> str | None:
        """Return the compression that the name ends in."""
        return COMPRESSIONS.get(PurePosixPath(self._plain()).suffix.lower())

    def _plain(self) -> str:
        """Return the path without the query of a web address."""
        return urlsplit(self.path).path if self.path.startswith(("http://", "https://")) else self.path


@dataclass(frozen=True, slots=True)
class LocalData:
    """A data file's content on this machine; it may be read several times."""

    name: str
    path: Path
    compression: str | None

    @property
    def size(self) -> int:
        """Return the number of bytes of the file as it is stored."""
        return self.path.stat().st_size

    @contextmanager
    def open(self) -> Iterator[tuple[BinaryIO, IO[bytes]]]:
        """Yield the decompressed content, and the file as stored, whose position shows the progress.

        Raises:
            DataError: the file can't be read or decompressed.
        """
        with ExitStack() as stack:
            try:
                raw = stack.enter_context(self.path.open("rb"))
                content = stack.enter_context(_decompressed(raw, self.compression))
            except OSError as error:
                raise DataError(f"{self.name}: path: must be readable, got {_reason(error)}") from error
            try:
                yield content, raw
            except _BROKEN as error:
                if isinstance(error, ValueError) and not _is_arrow(error):
                    raise
                kind = f"a whole {self.compression} file" if self.compression else "readable"
                raise DataError(f"{self.name}: path: must be {kind}, got {_reason(error)}") from error


def find_files(place: str | Path, suffixes: Collection[str]) -> list[DataFile]:
    """Return the file at a path or URL, or all files of a folder or pattern in the order of their names.

    A pattern has `*`, `?`, `[…]` or `**`. Of a folder, the files with one of `suffixes` count that lie in it
    directly and whose names begin with neither "." nor "_".

    Raises:
        DataError: nothing is there, a folder has no such file or several formats, or the URL can't be read.
    """
    text = os.path.expanduser(str(place))
    _check_slashes(text)
    if is_url(text):
        fs, path = _remote(text)
        if not isinstance(fs, LocalFileSystem):
            return _find_remote(text, fs, path, suffixes)
        text = path
    if os.path.isfile(text):
        return [DataFile(str(place), text)]
    if os.path.isdir(text):
        names = sorted(entry.name for entry in os.scandir(text) if entry.is_file())
        files = [DataFile(os.path.join(str(place), name), os.path.join(text, name)) for name in names]
        return _of_folder(str(place), files, suffixes)
    if re.search(r"[*?[]", text):
        found = sorted(path for path in glob(text, recursive=True) if os.path.isfile(path))
        return _of_pattern(str(place), [DataFile(path, path) for path in found])
    found_there = "nothing there" if not os.path.exists(text) else "no regular file"
    raise DataError(f"{place}: path: must be an existing file, got {found_there}")


@contextmanager
def on_this_machine(file: DataFile, decompress: bool = False) -> Iterator[LocalData]:
    """Yield the file, copied here for the `with` block if it is at a URL.

    Args:
        decompress: whether to decompress it too, for formats that are not read from start to end.

    Raises:
        DataError: it can't be read.
    """
    with ExitStack() as stack:
        data = LocalData(file.name, Path(file.path), file.compression)
        if file.fs is not None:
            copy = stack.enter_context(tempfile.NamedTemporaryFile(prefix="lookahead-ray-data-"))
            _download(file, copy)
            data = LocalData(file.name, Path(copy.name), file.compression)
        if decompress and file.compression:
            plain = stack.enter_context(tempfile.NamedTemporaryFile(prefix="lookahead-ray-data-"))
            with data.open() as (content, _):
                shutil.copyfileobj(content, plain, _COPIED_AT_ONCE)
            plain.flush()
            data = LocalData(file.name, Path(plain.name), None)
        yield data


def _check_slashes(text: str) -> None:
    found = _ONE_SLASH.match(text)
    if found and found[1].lower() in available_protocols() and not os.path.exists(text):
        rest = text[found.end() :]
        raise DataError(
            f"{text}: path: a URL must have two slashes after {found[1]}:, as in {found[1]}://{rest}, got one"
        )


def _remote(url: str) -> tuple[AbstractFileSystem, str]:
    try:
        return open_filesystem(url)
    except Exception as error:  # each file system has its own, for unknown protocols and missing packages
        raise DataError(f"{url}: path: must be a URL that can be read, got {_reason(error)}") from error


def _find_remote(url: str, fs: AbstractFileSystem, path: str, suffixes: Collection[str]) -> list[DataFile]:
    wild = "*" if url.startswith(("http://", "https://")) else "*?["
    try:
        if set(path) & set(wild):
            found = [name for name in sorted(with_retries(fs, fs.glob, path)) if not fs.isdir(name)]
            return _of_pattern(url, [DataFile(str(fs.unstrip_protocol(name)), name, fs) for name in found])
        if with_retries(fs, fs.info, path)["type"] != "directory":
            return [DataFile(url, path, fs)]
        entries = with_retries(fs, fs.ls, path, detail=True)
    except FileNotFoundError as error:
        if error.__cause__ is not None and getattr(error.__cause__, "status", None) not in _GONE:
            reason = _reason(error.__cause__)  # the file system of the web also raises this without a network
            raise DataError(f"{url}: path: must be a URL that can be read, got {reason}") from error
        raise DataError(f"{url}: path: must be an existing file, got nothing there") from error
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{url}: path: must be a URL that can be read, got {_reason(error)}") from error
    names = sorted(entry["name"] for entry in entries if entry["type"] == "file")
    return _of_folder(url, [DataFile(str(fs.unstrip_protocol(name)), name, fs) for name in names], suffixes)


def _of_folder(place: str, files: Sequence[DataFile], suffixes: Collection[str]) -> list[DataFile]:
    chosen = [
        file
        for file in files
        if file.suffix in suffixes and not PurePosixPath(file.path).name.startswith((".", "_"))
    ]
    kinds = sorted({file.suffix for file in chosen})
    if not chosen:
        rule = f"a folder must hold files that end in {', '.join(suffixes)}"
        raise DataError(
            f"{place}: path: {rule}, got {len(files)} other files; a pattern such as */*.jsonl reaches deeper"
        )
    if len(kinds) > 1:
        rule = f"a folder must hold files of one format, got {' and '.join(kinds)}"
        raise DataError(
            f"{place}: path: {rule}; name one with a pattern such as {place.rstrip('/')}/*{kinds[0]}"
        )
    return chosen


def _of_pattern(place: str, files: list[DataFile]) -> list[DataFile]:
    if not files:
        raise DataError(f"{place}: path: the pattern must match a file, got none")
    return files


def _download(file: DataFile, target: Any) -> None:
    fs = cast(AbstractFileSystem, file.fs)

    def copy() -> None:
        target.seek(0)
        target.truncate()
        with fs.open(file.path, "rb") as stream:
            shutil.copyfileobj(stream, target, _COPIED_AT_ONCE)
        target.flush()

    try:
        with_retries(fs, copy)
    except Exception as error:
        raise DataError(f"{file.name}: path: must be a URL that can be read, got {_reason(error)}") from error


def _decompressed(raw: BinaryIO, compression: str | None) -> Any:
    match compression:
        case "gzip":
            return gzip.GzipFile(fileobj=raw)
        case "bz2":
            return BZ2File(raw)
        case "xz":
            return LZMAFile(raw)
        case "zstd":
            import pyarrow

            return pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, "r"), "zstd")
    return raw


def _is_arrow(error: Exception) -> bool:
    return type(error).__module__.startswith("pyarrow")


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    return quote(text or type(error).__name__, limit=160)
