"""Entry point of the command `lookahead-ray`."""

import gc

from lookahead_ray.cli.app import OWN_PROCESS, app
from lookahead_ray.cli.commands import data, jobs, judging, models, sweeps
from lookahead_ray.cli.typer_app import replace_unencodable

for commands in (sweeps, jobs, models, judging, data):  # in the order of --help
    app.add_typer(commands.app)


def main() -> None:
    """Run the command that is given by the arguments."""
    replace_unencodable()
    try:
        app(prog_name="lookahead-ray", obj=OWN_PROCESS)
    finally:
        gc.freeze()  # Python would search all of PyTorch's objects for garbage once more, for half a second


if __name__ == "__main__":
    main()
