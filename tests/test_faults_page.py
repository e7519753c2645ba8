"""The page of faults keeps the rows that were not tested this time."""

from pathlib import Path

import pytest

from tests.faults_page import PAGE, CountedRow, Faults, write, written
from tests.sweep.local_faults.counts import Counts


def test_rows_are_replaced_by_their_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "faults.md"
    monkeypatch.setenv(PAGE, str(page))
    Faults().write()
    assert not page.exists()
    for lost, seconds in (("much", 9.0), ("less", None)):
        found = Faults()
        found.add("only once" if lost == "much" else "always", "how", lost, seconds)
        found.add("always", "how", lost, seconds)
        found.write()
        write(page, [CountedRow("always", "here", lost, seconds, Counts(0, 0, 0, 1))])
    assert written(page) == (
        {"only once": "| only once | how | much | 9 s |\n", "always": "| always | how | less | – |\n"},
        {"always": "| always | here | less | – | 0 | 0 | 0 | 1 |\n"},
    )
    assert page.read_text().startswith("# Faults\n")


def test_the_page_is_as_its_commands_write_it(tmp_path: Path) -> None:
    page = Path(__file__).parents[1] / "docs" / "faults.md"
    copy = tmp_path / "faults.md"
    copy.write_bytes(page.read_bytes())
    write(copy, [])
    assert copy.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
