"""Options that commands share: paths, and options that take one value."""

import argparse
from pathlib import Path

import pytest

from featdyn_core.cli.options import path


@pytest.mark.parametrize("option", ["--store", "--register"])
def test_a_home_that_nobody_knows_is_one_line(refused, option):
    assert "the home folder ~ is unknown" in refused("status", option, "~nobody-of-that-name/there")


def test_a_path_may_begin_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert path("~/there") == Path("/home/somebody/there")
    with pytest.raises(argparse.ArgumentTypeError, match="the home folder ~ is unknown"):
        path("~nobody-of-that-name/there")


@pytest.mark.parametrize("option", ["--tier=full", "--scale=paper", "--seeds=0", "--claims=demo", "--device=cpu"])
def test_an_option_of_one_value_is_given_once(refused, option):
    assert f"{option.partition('=')[0]} is given twice; it takes one value" in refused("status", option, option)
