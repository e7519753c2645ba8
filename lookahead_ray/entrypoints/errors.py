"""Error handling of the commands: one line on stderr, and an exit code for the kind of error."""

import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from lookahead_ray.presentation.format import first_line, shorten
from lookahead_ray.sanitize import clean
from lookahead_ray.sweep.interrupt import sigterm_as_interrupt

EXIT_UNKNOWN = 1
EXIT_REFUSED = 2
EXIT_INFRASTRUCTURE = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed later
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as in shells


@contextmanager
def exit_on_error(interrupted: Callable[[], str] = lambda: "interrupted") -> Iterator[None]:
    """Convert an exception of a command to one line and an exit code; `interrupted` is the text for Ctrl-C
    and SIGTERM.

    The line ends with the notes of the exception (`BaseException.add_note`).
    """
    from lookahead_ray.errors import InfrastructureError, LookaheadRayError

    try:
        _prepare_process()
        with sigterm_as_interrupt():
            yield
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except KeyboardInterrupt as error:
        print_to_stderr(interrupted() + _notes(error))
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except LookaheadRayError as error:
        print_to_stderr(f"error: {error}{_notes(error)}")
        code = EXIT_INFRASTRUCTURE if isinstance(error, InfrastructureError) else EXIT_REFUSED
        raise typer.Exit(code) from None
    except Exception as error:
        what = shorten(f"{type(error).__name__}: {first_line(str(error))}", 300) + _notes(error)
        try:
            print_to_stderr(f"error: {what} (traceback in {_write_log(error)})")
        except OSError:  # the disk is full, which may also be the cause of the error
            print_to_stderr(f"error: {what}")
        raise typer.Exit(EXIT_UNKNOWN) from None


def _prepare_process() -> None:
    """Set what libraries need of the environment; say once what was missing. Raises ConfigError."""
    from lookahead_ray.errors import ConfigError
    from lookahead_ray.hardware.proxies import exempt_loopback
    from lookahead_ray.hardware.user import prepare_user

    exempt_loopback()
    try:
        lines = prepare_user()
    except OSError as error:
        raise ConfigError(f"TMPDIR: must be a folder that can be written: {error}") from error
    for line in lines:
        print_to_stderr(f"note: {line}")


def print_to_stderr(line: str) -> None:
    """Print one cleaned line on stderr."""
    print(clean(line), file=sys.stderr, flush=True)


def _notes(error: BaseException) -> str:
    return "".join(f"; {note}" for note in getattr(error, "__notes__", ()))


def _write_log(error: Exception) -> Path:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", errors="replace", prefix="lookahead-ray-", suffix=".log", delete=False
    ) as file:
        file.writelines(traceback.format_exception(error))
    return Path(file.name)
