"""The ``featdyn`` command: what is trained and measured, train, measure, publish and check it, report on it."""

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
from featdyn_core.provenance import commit, version

COMMANDS = (
    *(init, adopt, status, train, measure, publish, push, pull, verify, audit),
    *(multiverse, report, compare, docs, selfcheck, rehearse, clean),
)
"""Modules of commands, in the order in which the help lists them: that of the work."""

_COLOURS = "FORCE_COLOR", "TTY_COMPATIBLE"

TERMINATED = 143
"""Exit status of a process that SIGTERM ended, as shells have it."""

BROKEN_PIPE = 141
"""Exit status of a process whose reader went away, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Raises:
        OSError: one that no command has foreseen; that the output has no reader or no room is foreseen.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever the terminal lacks letters for is still to be read
            stream.reconfigure(errors="backslashreplace")
    options = command_line().parse_args(given)
    again = f"featdyn {shlex.join(given)}"
    try:
        with terminable(), _no_bars_in_logs():
            code = int(options.run(options))
        if sys.stdout is not None:  # as it is where it was closed before the command began
            sys.stdout.flush()  # here, where a reader who went away is still no error
        return code
    except FeatdynError as error:
        print(f"featdyn: {error}", file=sys.stderr)
        return USAGE_ERROR
    except Terminated:  # before its kind, an interruption from the keyboard
        print(f"featdyn: ended by SIGTERM, its processes too; go on with: {again}", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print(f"featdyn: interrupted; go on with: {again}", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        left = isinstance(error, BrokenPipeError)  # whoever read has seen enough
        if not left and (error.errno not in FULL_DISK or error.filename is not None):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        if not left:
            print(f"featdyn: the output cannot be written ({error.strerror}); go on with: {again}", file=sys.stderr)
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


def _look(_: argparse.Namespace) -> int:
    """Print the state of things to somebody who named no command."""
    print("\n".join(state()))
    return 0


@contextlib.contextmanager
def _no_bars_in_logs() -> Iterator[None]:
    """Keep progress bars out of what is no terminal.

    FORCE_COLOR and TTY_COMPATIBLE ask for colours; rich, which draws the bars, takes them to mean a terminal, and the
    lines that a log is to have would be missing.
    """
    asked = {} if sys.stdout is None or sys.stdout.isatty() else {name: os.environ.pop(name, None) for name in _COLOURS}
    try:
        yield
    finally:
        os.environ.update({name: value for name, value in asked.items() if value is not None})
