"""A sweep is read unchanged, and an error in one says where it is."""

from pathlib import Path

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.register.reading import load_register
from featdyn_core.register.sweeps import Variation, load_sweeps
from featdyn_core.verdicts.claim import Verdict

REGISTER = load_register(Path(__file__).parents[3] / "claims" / "register")
TEXT = """
scale = "paper"
subject = "mnist"
seeds = [7, 8, 9]
[effects]
memory-window = "agreement, depth 1, held-out"
forgetting-flat = "accuracy lost, depth 1, held-out"
[variations.adam]
title = "Adam"
recipe.optimizer = { name = "adam" }
[variations.again]
title = "re-estimated"
records.column = { policy = "recalibrate" }
claims = ["memory-window"]
found = { memory-window = "REFUTED" }
"""


def read(folder: Path, text: str = TEXT):
    (folder / "some.toml").write_text(text, encoding="utf-8")
    return load_sweeps(folder, REGISTER)


def test_sweep_is_what_its_file_says(tmp_path):
    assert load_sweeps(tmp_path, REGISTER) == []
    (found,) = read(tmp_path)
    assert (found.name, found.scale, found.subject, found.seeds) == ("some", "paper", "mnist", (7, 8, 9))
    assert list(found.effects) == ["memory-window", "forgetting-flat"]
    assert found.variations["adam"] == Variation("adam", "Adam", recipe={"optimizer": {"name": "adam"}})
    assert found.variations["adam"].overrides == {"recipe": {"optimizer": {"name": "adam"}}}
    again = found.variations["again"]
    assert again.overrides == {"records": {"column": {"policy": "recalibrate"}}}
    assert (again.claims, again.found) == (("memory-window",), {"memory-window": Verdict.REFUTED})


FAULTS = {
    "no TOML": ("[effects]", "[effects", "Expected ']' at the end"),
    "no scale": (
        'scale = "paper"',
        'scale = "tiny"',
        "unknown scale/subject 'tiny/mnist'; the register has small/digits",
    ),
    "no subject": ('"mnist"', '"svhnn"', "unknown scale/subject 'paper/svhnn'; "),
    "no title": ('title = "Adam"\n', "", "variation 'adam': field 'title' is missing"),
    "unknown field": (
        'title = "Adam"',
        'title = "Adam"\nrecipes = {}',
        "variation 'adam': unknown field 'recipes'; did you mean 'recipe'\\?",
    ),
    "wrong kind": ('title = "Adam"', "title = 3", "variation 'adam', title: expected str, found 3"),
    "unknown claim": ("forgetting-flat =", "forgotten =", "unknown claim 'forgotten'"),
    "claim of other images": ("forgetting-flat =", "forgetting =", "claim 'forgetting' is not about mnist"),
    "no effect": (
        '"accuracy lost, depth 1, held-out"',
        '"accuracy lost, depth 1, held-ou"',
        "claim 'forgetting-flat': unknown criterion 'accuracy lost, depth 1, held-ou'; "
        "did you mean 'accuracy lost, depth 1, held-out'\\?",
    ),
    "claim that is not swept": (
        'claims = ["memory',
        'claims = ["trans',
        "unknown claim 'trans-window'; did you mean 'memory-window'\\?",
    ),
    "nothing varied": ('recipe.optimizer = { name = "adam" }', "", "variation 'adam' overrides nothing"),
    "nothing found": ('"REFUTED"', '"SUPPORTED"', "variation 'again' found SUPPORTED, which is not a finding"),
    "too few seeds": ("[7, 8, 9]", "[7, 8]", "a claim is judged on at least 3"),
    "seeds below 0": ("[7, 8, 9]", "[7, 8, -1]", "seeds are integers from 0 on"),
    "pilot seeds": ("[7, 8, 9]", "[7, 8, 100]", "bounds came from the pilot seeds 100"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_no_sweep_is_reported(tmp_path, case):
    old, new, message = FAULTS[case]
    assert old in TEXT
    with pytest.raises(RecipeError, match=f"(?s)sweep .*some.toml[:,] .*{message}"):
        read(tmp_path, TEXT.replace(old, new, 1))


def test_a_mark_of_the_byte_order_is_no_fault(tmp_path):
    assert read(tmp_path, "\ufeff" + TEXT) == read(tmp_path)
