"""docs/configuration.md is what its generator writes, and describes every field."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from docs.generate_configuration import PAGE, generate
from lookahead_ray.config.search import SearchConfig
from lookahead_ray.config.trial import TrialConfig


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for argument in get_args(annotation):
        yield from models(argument)


def test_the_page_is_current() -> None:
    hint = "run python -m docs.generate_configuration"
    assert PAGE.read_text(encoding="utf-8") == generate(), hint


def test_every_field_of_every_model_has_a_row() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for model in {*models(TrialConfig), *models(SearchConfig)}:
        for name in model.model_fields:
            tag = f": `{{{name}: "
            assert f".{name}` |" in page or f"| `{name}` |" in page or f"`{name}`\n" in page or tag in page


def test_no_row_lacks_a_meaning() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith("|  |")] == []
