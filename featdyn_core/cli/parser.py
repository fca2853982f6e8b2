"""The parser of the command line: an error is one line, a word nearly right is answered with the right one."""

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import Any, NoReturn

USAGE_ERROR = 2
"""Exit status of a command that cannot do what it is asked, as argparse and shells have it."""


class Parser(argparse.ArgumentParser):
    """A parser, of which the parsers of commands are too; an option that takes one value is given once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in (None, "store"):  # argparse's own keeps the last value, and the others are lost in silence
            self.register("action", name, _Once)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse the arguments, all of which are known: a command, not the parser of all, answers for its own."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = list(self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{_nearest(unknown[0].partition('=')[0], options)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """End the process with one line; the usage, which is longer than a screen, is a command away."""
        self.exit(USAGE_ERROR, f"featdyn: {message}{_meant(message)} (see {self.prog} --help)\n")


class _Once(argparse.Action):
    """Keeps the value of an argument, and refuses a second one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        # A value that equals the default tells nothing of whether it was given, so the namespace remembers that.
        given = vars(namespace).setdefault("given", set())
        if option_string and self.dest in given:
            parser.error(f"{option_string} is given twice; it takes one value")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


def _meant(message: str) -> str:
    """Return a question after the choice that a wrong one resembles; empty if there is none.

    argparse asks it from Python 3.14 on. Its message is all that ``error`` is given.
    """
    found = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
    return _nearest(found[1], re.findall(r"[\w-]+", found[2])) if found else ""


def _nearest(word: str, known: Sequence[str]) -> str:
    """Return a question after the known word that one resembles; empty if there is none."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
