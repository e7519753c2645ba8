"""The application `lookahead-ray`, and the argument types and print functions that its commands share."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from lookahead_ray.cli.typer_app import plain_app
from lookahead_ray.sanitize import visible

app = plain_app("Fine-tune a chat model without losing its safety, and search the trade-off.")

Space = Annotated[
    str, typer.Argument(metavar="SPACE", help="A YAML file, or a name in tuning_spaces/ such as quickstart.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Replace a value of the YAML file; may be repeated."),
]
RunDirectory = Annotated[
    str | None, typer.Option("--run", metavar="DIR", help="Directory or URL of the tables. [runs/<name>]")
]

OWN_PROCESS = "the process ends with the command"
"""Object of Typer's context if nothing else runs in this process."""


@app.callback(invoke_without_command=True)
def _app(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from lookahead_ray import __version__

        print(f"lookahead-ray {__version__}")
        raise typer.Exit()


def stdout_printer() -> Callable[[str], None]:
    """Return a function that prints lines on the current stdout, even if stdout is redirected later."""
    stream = sys.stdout
    return lambda line: print(visible(line), file=stream, flush=True)


def print_line(line: str) -> None:
    """Print a line without characters that control a terminal."""
    stdout_printer()(line)
