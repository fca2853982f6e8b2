"""The scales of a claim."""

import pytest

from claims.meta.modules import HERE
from featdyn_core.errors import RecipeError
from featdyn_core.register.reading import load_register

REGISTER = HERE / "register"


def test_a_claim_has_rows_at_the_scales_that_it_names():
    register = load_register(REGISTER)
    named = {name: entry for name, entry in register.entries.items() if entry.scales}
    assert named
    for entry in named.values():
        assert {name for name, scale in register.scales.items() if entry.subjects_at(scale)} == set(entry.scales)


def test_an_unknown_scale_of_a_claim_is_named(tmp_path):
    for path in REGISTER.glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        (tmp_path / path.name).write_text(
            text.replace('scales = ["small", ', 'scales = ["middling", '), encoding="utf-8"
        )
    with pytest.raises(RecipeError, match="scales: unknown scale 'middling'"):
        load_register(tmp_path)
