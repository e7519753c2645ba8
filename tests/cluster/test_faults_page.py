"""The page of faults keeps the rows that were not tested this time."""

from pathlib import Path

import pytest

from tests.cluster.faults import PAGE, Faults, written


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
    assert written(page) == {
        "only once": "| only once | how | much | 9 s |\n",
        "always": "| always | how | less | – |\n",
    }
    assert page.read_text().startswith("# Faults\n")
