"""One line and an exit code for each kind of end of a command."""

import pytest
import typer

from lookahead_ray.entrypoints.errors import exit_on_error
from lookahead_ray.errors import ConfigError, InfrastructureError, StoreError, TrialError


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InfrastructureError("3 trials in a row"), 75, "error: 3 trials in a row"),
        (ConfigError("x: must be"), 2, "error: x: must be"),
        (StoreError("run: cannot write"), 2, "error: run: cannot write"),
        (TrialError("a reference failed"), 2, "error: a reference failed"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RuntimeError("boom"), 1, "error: RuntimeError: boom (traceback in "),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_another_session_may_mend_has_a_code_of_its_own(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, exit_on_error():
        raise error
    assert ended.value.exit_code == code
    assert capsys.readouterr().err.splitlines()[-1].startswith(line)
