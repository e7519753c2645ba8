"""Applications whose --help answers at once."""

import typer


def plain_app(about: str) -> typer.Typer:
    """An application without commands yet; `about` is what its --help says of it."""
    # Markup, tracebacks and completion by rich would cost more time than all the rest of --help.
    return typer.Typer(
        help=about,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
