"""The command line: one small file per command; parse, call, print.

Nothing heavy is imported here: `automl --help` must answer at once.
"""

from __future__ import annotations

import errno
import sys
import time
from typing import Annotated

import typer

from automl.cli import fit, inspect, models, predict, up
from automl.cli.console import complain, problems, say
from automl.cli.crew import follow_leader
from automl.errors import AutoMLError
from automl.hooks import plugins

EXIT_USER = 2
EXIT_INTERRUPTED = 130


def build_app() -> typer.Typer:
    """The application with our commands and those of the plugins."""
    app = typer.Typer(
        name="automl",
        epilog="Begin with: automl fit data.csv --target COLUMN --time 60s",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help="From a file to a model that runs, is watched, and renews itself.")(_root)
    for module in (fit, inspect, predict, models, up):
        module.add(app)
    for _ in plugins().call("automl_commands", app=app):
        pass
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        from automl import __version__

        say(f"automl {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """What stands before any command."""


def main() -> None:
    """Run the command line. A user's mistake ends with one line on the standard error and exit code 2."""
    follow_leader()
    fit.STARTED = time.time() - time.process_time()  # the budget counts from the start of the process
    try:
        build_app()()
    except AutoMLError as error:
        from automl.inspection.personal import hide

        _leave(hide(str(error)), EXIT_USER)  # errors quote cells, and what is printed ends in logs
    except KeyboardInterrupt:
        _leave("Interrupted.", EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone, like `head`
        sys.exit(0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        where = f" ({error.filename})" if error.filename else ""
        _leave(
            f"{error.strerror}{where}. Make room or choose another place, for example with --store FOLDER.", EXIT_USER
        )
    except Exception:
        problems.print(
            "[bold red]This is a defect of automl, not of your data:[/] please report it with the lines below."
        )
        raise


def _leave(message: str, code: int) -> None:
    complain(message)
    sys.exit(code)
