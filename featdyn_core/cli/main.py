"""Train networks, measure records of them, publish and check these records, and report on the claims."""

import argparse
import contextlib
import io
import os
import shlex
import sys
from collections.abc import Iterator, Sequence

from featdyn_core.cli import (
    adopt,
    audit,
    clean,
    compare,
    docs,
    init,
    measure,
    multiverse,
    publish,
    pull,
    push,
    rehearse,
    report,
    selfcheck,
    status,
    train,
    verify,
)
from featdyn_core.cli.parser import USAGE_ERROR, Parser
from featdyn_core.cli.state import state
from featdyn_core.errors import FeatdynError
from featdyn_core.files import FULL_DISK
from featdyn_core.launch.processes import Terminated, terminable
from featdyn_core.launch.training import INTERRUPTED
from featdyn_core.project import checkout, project_here
from featdyn_core.provenance import commit, version

COMMANDS = (
    *(init, adopt, status, train, measure, publish, push, pull, verify, audit),
    *(multiverse, report, compare, docs, selfcheck, rehearse, clean),
)
"""Modules of commands, in the order of the work; the help lists them so."""

_FOR_ANY_FOLDER = "init", "report", "selfcheck"
"""Commands that work on the files that they are given, or on the machine, and need no project."""

_COLOURS = "FORCE_COLOR", "TTY_COMPATIBLE"

TERMINATED = 143
"""Exit status of a process that SIGTERM ended, as in shells."""

BROKEN_PIPE = 141
"""Exit status of a process whose reader went away, as in shells."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Raises:
        OSError: one that no command has foreseen; that the output has no reader or no room is foreseen.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # letters that the terminal lacks are escaped
            stream.reconfigure(errors="backslashreplace")
    options = command_line().parse_args(given)
    _say_whose(given)
    again = f"featdyn {shlex.join(given)}"
    try:
        with terminable(), _no_bars_in_logs():
            code = int(options.run(options))
        if sys.stdout is not None:  # None if it was closed before the command began
            sys.stdout.flush()  # here, where the BrokenPipeError of a reader who went away is caught
        return code
    except FeatdynError as error:
        print(f"featdyn: {error}", file=sys.stderr)
        return USAGE_ERROR
    except Terminated:  # a subclass of KeyboardInterrupt, so it comes first
        print(f"featdyn: SIGTERM ended this command and its processes; continue with: {again}", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print(f"featdyn: interrupted; continue with: {again}", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        left = isinstance(error, BrokenPipeError)  # the reader has closed the pipe
        if not left and (error.errno not in FULL_DISK or error.filename is not None):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the rest of the output
        if not left:
            print(f"featdyn: the output cannot be written ({error.strerror}); continue with: {again}", file=sys.stderr)
        return BROKEN_PIPE if left else USAGE_ERROR


def command_line() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(prog="featdyn", description=__doc__)
    parser.add_argument("--version", action="version", version=f"featdyn {version('featdyn')} {commit()}".strip())
    parser.set_defaults(run=_look)
    commands = parser.add_subparsers(metavar="COMMAND")
    for module in COMMANDS:
        module.add_to(commands)
    return parser


def _say_whose(given: Sequence[str]) -> None:
    """Say that a command works on this package's checkout, if the working directory lies in no project."""
    root = None if project_here() else checkout()
    if root and given and given[0] not in _FOR_ANY_FOLDER:
        print(f"featdyn: there is no project here; using the checkout {root}", file=sys.stderr)


def _look(_: argparse.Namespace) -> int:
    """Print the state of the project, for a call without a command."""
    print("\n".join(state()))
    return 0


@contextlib.contextmanager
def _no_bars_in_logs() -> Iterator[None]:
    """Keep progress bars out of output that is not a terminal.

    FORCE_COLOR and TTY_COMPATIBLE ask for colours. rich, which draws the bars, takes them to mean a terminal, and a log
    would then have bars in place of lines.
    """
    asked = {} if sys.stdout is None or sys.stdout.isatty() else {name: os.environ.pop(name, None) for name in _COLOURS}
    try:
        yield
    finally:
        os.environ.update({name: value for name, value in asked.items() if value is not None})
