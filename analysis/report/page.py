"""The report's HTML file: everything inline, no network access, a strict Content-Security-Policy."""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from analysis.report.browser import browser_data
from analysis.report.sections import sections
from analysis.report.sections.summary import summary
from analysis.report.sections.view import view_of
from analysis.report.source import open_source
from lookahead_ray.errors import StoreError
from lookahead_ray.filesystem import replacing

HERE = Path(__file__).parent / "assets"


def write_report(runs: Sequence[str], out: Path) -> None:
    """Write the report on `runs` (paths or fsspec URLs) to `out`, atomically.

    Raises `LookaheadRayError`, naming the file, if a run can't be read or `out` can't be written.
    """
    if not runs:
        raise StoreError("report: must be about at least one run, got none")
    text = page([run_parts(run, f"r{place}") for place, run in enumerate(runs, 1)])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as file:
            file.write(text.encode())
    except OSError as error:
        raise StoreError(f"{out}: cannot write: {error.strerror or error}") from error


def run_parts(run: str, prefix: str) -> dict[str, Any]:
    """Return the template's values for one run; `prefix` makes its ids unique on the page."""
    view = view_of(open_source(run))
    before, after = sections(view)
    return {
        "id": prefix,
        "summary": summary(view),
        "before": before,
        "answers": browser_data(view),
        "after": after,
    }


def page(runs: Sequence[dict[str, Any]]) -> str:
    """Return the HTML, UTF-8 without surrogates."""
    scripts = {"plotly": get_plotlyjs(), "report": (HERE / "report.js").read_text(encoding="utf-8")}
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json_text"] = json_text
    environment.filters["figure_text"] = lambda figure: Markup(safe(figure.to_json()))  # noqa: S704
    hashes = " ".join(f"'sha256-{digest(script)}'" for script in scripts.values())
    return environment.get_template("page.html.j2").render(
        runs=runs,
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        policy=f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        style=Markup((HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own files
        **{name: Markup(script) for name, script in scripts.items()},  # noqa: S704
    )


def json_text(value: object) -> Markup:
    """Return JSON that is safe in a script element: ASCII without `<`, `>` and `&`."""
    return Markup(safe(json.dumps(value, allow_nan=False)))  # noqa: S704 - escaped just now


def safe(text: str) -> str:
    """Escape the characters of JSON text that could be markup in HTML; the values stay the same."""
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def digest(script: str) -> str:
    """Return the script's hash in the form of a Content-Security-Policy."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
