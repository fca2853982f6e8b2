"""Errors of one line, suggestions, and options that are given once."""

import pytest

from featdyn_core.cli.parser import Parser


@pytest.fixture
def error(capsys):
    """Return a function that parses wrong arguments and returns the error."""

    def parse(*arguments: str) -> str:
        parser = Parser(prog="program")
        parser.add_argument("--way", choices=["here", "there"], default="here")
        parser.add_argument("--many", action="append")
        parser.add_subparsers().add_parser("status").add_argument("--way")
        with pytest.raises(SystemExit) as ended:
            parser.parse_args(arguments)
        assert ended.value.code == 2
        return capsys.readouterr().err

    return parse


def test_a_word_nearly_right_is_answered_with_the_right_one(error):
    assert "did you mean status?" in error("stat")
    said = "featdyn: argument --way: invalid choice: 'their'; did you mean there? (see program --help)\n"
    assert error("--way", "their") == said


def test_a_word_unlike_all_choices_lists_the_choices(error):
    assert error("xyz").endswith("(choose from 'status') (see program --help)\n")
    assert "did you mean" not in error("xyz")


def test_an_error_is_one_line_that_names_the_commands_help(error):
    assert error("status", "--way") == "featdyn: argument --way: expected one argument (see program status --help)\n"


def test_an_unknown_option_is_answered_by_its_command(error):
    said = "featdyn: unrecognized arguments: --wya x; did you mean --way? (see program status --help)\n"
    assert error("status", "--wya", "x") == said
    assert error("--mnay") == "featdyn: unrecognized arguments: --mnay; did you mean --many? (see program --help)\n"


@pytest.mark.parametrize("first", ["here", "there"])
def test_one_value_is_given_once_be_it_the_default(error, first):
    assert error("--way", first, "--way", "there").startswith("featdyn: --way is given twice; it takes one value")


def test_an_option_of_a_command_is_another_one():
    parser = Parser(prog="program")
    parser.add_argument("--many", action="append")
    parser.add_argument("--way")
    parser.add_subparsers().add_parser("status").add_argument("--how")
    options = parser.parse_args(["--way", "a", "--many", "b", "--many", "c", "status", "--how", "d"])
    assert (options.way, options.many, options.how) == ("a", ["b", "c"], "d")


def test_help_has_no_quotes_of_docstrings():
    assert "With --all it" in Parser(prog="program", description="With ``--all`` it does all.").format_help()
