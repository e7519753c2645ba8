"""Typer applications with a fast --help."""

import sys

import typer


def plain_app(about: str) -> typer.Typer:
    """Return an application without commands; `about` is its description in --help."""
    # Rich's markup, tracebacks and completion would take more time than the rest of --help.
    return typer.Typer(
        help=about,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def replace_unencodable() -> None:
    """Let stdout and stderr write ? for a character that their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
