"""The parser of the command line: an error is one line, and suggests the word that was probably meant."""

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import Any, NoReturn

USAGE_ERROR = 2
"""Exit status of a command that cannot do what it is asked, as in argparse and shells."""


class Parser(argparse.ArgumentParser):
    """A parser, also of each command; it refuses a second value of an option that takes one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.description:  # most are docstrings, whose quotes of code mean nothing on a terminal
            self.description = self.description.replace("``", "")
        for name in (None, "store"):  # argparse's own action silently keeps only the last value
            self.register("action", name, _Once)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse the arguments and refuse unknown ones, so that a command's own parser reports them."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = list(self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{_nearest(unknown[0].partition('=')[0], options)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """End the process with one line, which names --help; the usage itself is longer than a screen."""
        self.exit(USAGE_ERROR, f"featdyn: {_suggesting(message)} (see {self.prog} --help)\n")


class _Once(argparse.Action):
    """Store the value of an argument, and refuse a second one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        # A value may equal the default, so the namespace remembers which options were given.
        given = vars(namespace).setdefault("given", set())
        if option_string and self.dest in given:
            parser.error(f"{option_string} is given twice; it takes one value")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


def _suggesting(message: str) -> str:
    """Return the message with the choice most like a wrong one in place of all choices, if there is such a choice.

    argparse itself makes a suggestion from Python 3.14 on. ``error`` gets only its message.
    """
    found = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
    near = _nearest(found[1], re.findall(r"[\w-]+", found[2])) if found else ""
    return message.partition(" (choose from")[0] + near if near else message


def _nearest(word: str, known: Sequence[str]) -> str:
    """Return a question that suggests the known word most like this one; empty if there is none."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
