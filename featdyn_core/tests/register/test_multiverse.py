"""Alternatives of a claim are read, fit it, change something, and are many enough."""

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.register.multiverse import altered, alternatives, choices
from featdyn_core.register.reading import load_register
from featdyn_core.register.register import Window
from featdyn_core.tests.toy import MULTIVERSE, entry, write_project
from featdyn_core.verdicts.criterion import Role
from featdyn_core.verdicts.multiverse import REGISTERED

DEMO = entry(first=0)

MORE = """
[reported."mean"]
quantity = "its mean"
unit = "difference"
above = 0.6
"""


@pytest.fixture
def read(tmp_path):
    """Return a function that reads the toy claim with a multiverse and additions to it."""

    def reader(added="", *, text=DEMO + MORE, multiverse=MULTIVERSE):
        write_project(tmp_path, demo=text + multiverse + added)
        return load_register(tmp_path / "claims" / "register").entry("demo")

    return reader


def chosen(demo, dimension, name):
    """Return the claim under one other choice."""
    return altered(demo, {dimension: (name, alternatives(demo)[dimension][name])})


def criterion(claim, name, role):
    return next(item for item in claim.criteria if (item.name, item.role) == (name, role))


def test_the_registered_choice_is_the_first_of_every_dimension(read):
    found = choices(read(), "small", "digits")
    assert {dimension: list(named) for dimension, named in found.items()} == {
        "window": [REGISTERED, "two epochs", "one epoch"],
        "bound": [REGISTERED, "0.3", "0.7", "0.95"],
        "control": [REGISTERED, "twice"],
    }


def test_claim_without_a_multiverse_is_sound(read):
    assert alternatives(read(multiverse="")) == {}


def test_windows_are_overridden_where_they_are_named(read):
    other = chosen(read(), "window", "one epoch")
    assert other.windows_of("small", "digits") == {"late": Window(2, 3)}


def test_bound_is_overridden_and_all_else_stays(read):
    demo = read()
    other = chosen(demo, "bound", "0.7").claim("small", "digits")
    assert criterion(other, "effect", Role.DECIDES).bound == 0.7
    assert criterion(other, "null", Role.CONTROL) == criterion(demo.claim("small", "digits"), "null", Role.CONTROL)


def test_another_criterion_decides_and_the_first_is_reported(read):
    other = chosen(read('statistic.mean = { decides = ["mean"] }'), "statistic", "mean").claim("small", "digits")
    assert criterion(other, "mean", Role.DECIDES)
    assert criterion(other, "effect", Role.REPORTED)
    assert criterion(other, "null", Role.CONTROL)


def test_records_and_numbers_are_overridden(read):
    text = DEMO.replace("[decides", "[protocol]\nlevel = 0.8\n\n[decides", 1)
    added = 'policy.again = { records = { column.policy = "recalibrate" } }\nlevel.low = { protocol = { level = 0.7 } }'
    demo = read(added, text=text)
    assert chosen(demo, "policy", "again").records["column"]["policy"] == "recalibrate"
    assert chosen(demo, "policy", "again").records["stranger"] == demo.records["stranger"]
    assert chosen(demo, "level", "low").protocol_of("small", "digits") == {"level": 0.7}


def test_what_changes_nothing_somewhere_is_no_choice_there(read):
    found = read(
        'place.here = { criteria = { "effect".reported = ["small"], "mean".above = 0.5 }, decides = ["mean"] }'
    )
    assert "place" in choices(found, "small", "digits")
    idle = read('idle.here = { criteria = { "mean".above = 0.5 } }')  # of a reported criterion
    assert "idle" not in choices(idle, "small", "digits")


@pytest.mark.parametrize(
    ("added", "fault"),
    [
        ("odd.one = {}", "overrides nothing"),
        (f'odd."{REGISTERED}" = {{ decides = ["mean"] }}', "is always a choice"),
        ("odd.one = { bounds = 1 }", "unknown field 'bounds'"),
        ('odd.one = { decides = ["man"] }', "unknown name 'man'; did you mean 'mean'?"),
        ("odd.one = { protocol = { level = 0.7 } }", "protocol: unknown name 'level'"),
        ('odd.one = { records = { colum.policy = "carry" } }', "did you mean 'column'?"),
        ("odd.one = { criteria = { efect.above = 0.7 } }", "did you mean 'effect'?"),
        ("odd.one = { criteria = { mean.abov = 0.7 } }", "did you mean 'above'?"),
        ("odd.one = { criteria = { mean.below = 0.7 } }", "it needs one bound"),
        ('odd.one = { criteria = { mean.on = "test" } }', "unknown split 'test'"),
        ("odd.one = { windows = { smal.late = [2, 3] } }", "did you mean 'small'?"),
        ("odd.one = { windows = { small.lat = [2, 3] } }", "did you mean 'late'?"),
        ("odd.one = { windows = { small.late = [3, 2] } }", "is not a span of epochs"),
    ],
)
def test_alternative_that_does_not_fit_is_reported(read, added, fault):
    with pytest.raises(RecipeError) as told:
        read(added)
    assert str(told.value).startswith("claim 'demo', multiverse, odd, ")
    assert fault in str(told.value)


def test_two_dimensions_of_one_thing_are_reported(read):
    with pytest.raises(RecipeError, match="'bound' and 'again' both override criteria, effect, above; make them one"):
        read('again.one = { criteria = { "effect".above = 0.6 } }')


@pytest.mark.parametrize(("lacking", "said"), [('control."twice"', "2 dimensions and 12"), ('bound."0.3"', "3 .* 18")])
def test_too_few_specifications_are_reported(read, lacking, said):
    few = "\n".join(line for line in MULTIVERSE.splitlines() if not line.startswith(lacking))
    with pytest.raises(RecipeError, match=f"at small/digits it has {said} specifications; it needs at least 3 and 24"):
        choices(read(multiverse=few), "small", "digits")


def test_networks_of_ones_own_may_have_few_specifications(read):
    few = "\n".join(line for line in MULTIVERSE.splitlines() if not line.startswith('control."twice"'))
    assert list(choices(read(multiverse=few), "small", "digits", few=True)) == ["window", "bound"]


def test_an_alternative_that_asks_nothing_is_no_choice(read):
    text = DEMO.replace("[decides", '[protocol]\nnone = { small = [], otherwise = ["one"] }\n\n[decides', 1)
    found = choices(read('cut.none = { criteria = { "effect".each = "none" } }', text=text), "small", "digits")
    assert list(found) == ["window", "bound", "control"]


def test_bound_outside_its_range_names_its_alternative(read):
    text = DEMO.replace('unit = "difference"\nabove', 'unit = "ratio"\nabove')
    with pytest.raises(RecipeError, match="multiverse, low, 'one': claim 'demo', criterion 'effect': its bound -1 "):
        choices(
            read("low.one = { criteria.effect = { above = -1 } }", text=text, multiverse="[multiverse]\n"),
            "small",
            "digits",
        )


def test_theorem_has_no_multiverse(read):
    head = 'title = "T"\nsection = "1"\nsentence = "So."\nkind = "theorem"\n'
    with pytest.raises(RecipeError, match="a theorem cannot have multiverse"):
        read(text=head)


def test_an_alternative_for_too_few_seeds_is_reported(read):
    found = read('count.one = { criteria = { "effect".discrete = true } }')
    assert "count" in choices(found, "small", "digits", seeds=6)
    with pytest.raises(RecipeError, match=r"multiverse, count, 'one': .* at least 6 seeds, and the row has 5; leave"):
        choices(found, "small", "digits", seeds=5)
