"""A scale that is like a row takes its bounds, arms and numbers, and has its own windows."""

import copy

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.project import checkout
from featdyn_core.register.likeness import completed, completed_numbers
from featdyn_core.register.multiverse import alternatives
from featdyn_core.register.reading import load_register
from featdyn_core.register.register import Scale, Window
from featdyn_core.tests.toy import entry, write_project

OWN = """
[scales.own]
tier = "full"
seeds = [0, 1, 2]
images = 10
recipes = { mine = "toy" }
like = "reduced/digits"
[scales.own.windows.mine]
late = [1, 3]
"""
DOCUMENT = {
    "subjects": ["digits", "mnist"],
    "windows": {"small": {"late": [0, 4]}, "reduced": {"late": [50, 60]}},
    "arms": {"clean": "", "noisy": {"small": "-a", "reduced": "-b"}},
    "protocol": {"draws": 2, "cuts": {"mnist": [1], "otherwise": [1, 2]}, "images": {"digits": 5, "reduced": 6}},
    "decides": {"it": {"above": {"small": 0.1, "reduced": 0.2}, "reported": ["reduced"]}},
    "multiverse": {"window": {"half": {"windows": {"reduced": {"late": [55, 60]}}}}},
}


def scale(**more) -> Scale:
    fields = {"name": "own", "tier": "full", "recipes": {"mine": "m"}, "seeds": {}, "images": {}}
    windows = {"mine": {"late": (14, 20)}}
    return Scale(**(fields | {"like": "reduced/digits", "windows": windows} | more))


def test_what_a_file_says_of_the_row_it_says_of_the_subject_too():
    before = copy.deepcopy(DOCUMENT)
    found = completed(DOCUMENT, scale(), {}, "claim 'demo'")
    assert before == DOCUMENT
    assert found["subjects"] == ["digits", "mnist", "mine"]
    assert found["windows"]["mine"] == {"late": [14, 20]}
    assert found["arms"]["noisy"]["mine"] == "-b"
    assert found["protocol"] == {
        "draws": 2,
        "cuts": {"mnist": [1], "otherwise": [1, 2]},
        "images": {"digits": 5, "reduced": 6, "mine": 5},
    }
    assert found["decides"]["it"] == {
        "above": {"small": 0.1, "reduced": 0.2, "mine": 0.2},
        "reported": ["reduced", "own"],
    }


def test_a_shared_list_that_is_another_stands_in_the_file_too():
    shared = {"depths": {"otherwise": [1, 2, 3], "mine": [1, 2]}, "draws": {"otherwise": 2, "mine": 9}}
    document = DOCUMENT | {
        "protocol": {"at": {"small": [1], "reduced": [1, 2, 3]}, "other": {"reduced": [1, 3]}, "n": {"reduced": 2}}
    }
    document["multiverse"] = {"cut": {"every": {"protocol": {"inner": {"reduced": [1, 2, 3]}}}}}
    found = completed(document, scale(), shared, "claim 'demo'")
    assert {name: value["mine"] for name, value in found["protocol"].items()} == {"at": [1, 2], "other": [1, 3], "n": 2}
    assert found["multiverse"]["cut"]["every"]["protocol"]["inner"]["mine"] == [1, 2]


def test_an_alternative_window_lies_inside_the_subjects_own():
    found = completed(DOCUMENT, scale(), {}, "claim 'demo'")
    assert found["multiverse"]["window"]["half"]["windows"]["mine"] == {"late": [17, 20]}


def test_what_a_file_says_of_the_subject_itself_counts():
    document = DOCUMENT | {"windows": DOCUMENT["windows"] | {"mine": {"late": [2, 3]}}}
    document["decides"] = {"it": {"above": {"reduced": 0.2, "mine": 0.9}}}
    found = completed(document, scale(), {}, "claim 'demo'")
    assert (found["windows"]["mine"], found["decides"]["it"]["above"]["mine"]) == ({"late": [2, 3]}, 0.9)


@pytest.mark.parametrize(
    "other",
    [
        {"like": "", "windows": {}},
        {"like": "reduced/cifar10"},
        {"claims": ("another",)},
    ],
)
def test_a_claim_that_is_not_asked_stays_as_it_was(other):
    assert completed(DOCUMENT, scale(**other), {}, "claim 'demo'") is DOCUMENT


def test_a_claim_of_other_scales_alone_is_not_asked():
    document = DOCUMENT | {"scales": ["small"]}
    assert completed(document, scale(), {}, "claim 'demo'") is document
    assert completed(DOCUMENT | {"scales": ["reduced"]}, scale(), {}, "claim 'demo'")["scales"] == ["reduced", "own"]


def test_a_window_that_the_scale_lacks_is_reported():
    with pytest.raises(RecipeError, match="windows, mine: claim 'demo' needs the window 'late'; give its epochs"):
        completed(DOCUMENT, scale(windows={}), {}, "claim 'demo'")


def test_shared_numbers_are_those_of_the_row():
    shared = {"updates": {"otherwise": 48, "reduced": 96}, "level": 0.8, "cuts": {"otherwise": [1]}}
    assert completed_numbers(shared, scale())["updates"] == {"otherwise": 48, "reduced": 96, "mine": 96}
    assert completed_numbers(shared, scale())["cuts"] == {"otherwise": [1]}
    assert completed_numbers(shared, scale(like="", windows={})) == shared


def read(tmp_path, more=OWN, **claims):
    folder = write_project(tmp_path, **(claims or {"demo": entry()})) / "claims" / "register"
    path = folder / "scales.toml"
    path.write_text(path.read_text() + more)
    return load_register(folder)


def test_rows_of_such_a_scale_are_read_with_the_others(tmp_path):
    found = read(tmp_path).entry("demo")
    assert found.windows_of("own", "mine") == {"late": Window(1, 3)}
    assert [item.bound for item in found.claim("own", "mine").criteria] == [0.5, 0.1]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('like = "reduced/digits"', 'like = "reduced"', "scale 'own', like: 'reduced' is not a row"),
        ('like = "reduced/digits"', "", "only a scale that is like a row has windows and claims"),
        ("late = [1, 3]", "late = [3, 1]", r"windows, mine, late: \[3, 1\] is not a span"),
        ("windows.mine", "windows.yours", "unknown field 'yours'"),
    ],
)
def test_a_scale_that_is_like_nothing_is_refused(tmp_path, old, new, told):
    with pytest.raises(RecipeError, match=told):
        read(tmp_path, OWN.replace(old, new))


def test_files_may_name_what_is_elsewhere(tmp_path):
    text = entry(more='found = { "huge/stl10" = "REFUTED" }\nrival_of = "another"').replace(
        'subjects = ["digits"]', 'subjects = ["digits", "stl10"]'
    )
    text = text.replace("[records]", "huge = { late = [1, 2] }\n[records]")
    with pytest.raises(RecipeError, match="unknown subject 'stl10'"):
        read(tmp_path, demo=text)
    path = tmp_path / "claims" / "register" / "scales.toml"
    path.write_text('elsewhere = ["stl10", "huge", "another"]\n' + path.read_text())
    assert load_register(path.parent).entry("demo").subjects == ("digits", "stl10", "mine")
    path.write_text(path.read_text().replace('"another"]', '"others"]'))
    with pytest.raises(RecipeError, match="is a rival of 'another', which is not a claim"):
        load_register(path.parent)


def test_malformed_files_are_reported_where_they_are_read(tmp_path):
    with pytest.raises(RecipeError, match="multiverse"):
        read(tmp_path, demo=entry() + "\n[multiverse]\nwindow = 3\n")
    with pytest.raises(RecipeError, match="subjects"):
        read(tmp_path, demo=entry().replace('subjects = ["digits"]', "subjects = 3"))


def test_the_strangers_are_asked_as_cifar10_is():
    found = load_register(checkout() / "claims" / "register")
    scale = found.scale("strangers")
    for claim in scale.claims:
        one = found.entry(claim)
        assert one.subjects_at(scale) == ("cifar10-strangers",), claim
        bounds = [
            [item.bound for item in one.claim(*row).criteria]
            for row in (("reduced", "cifar10"), ("strangers", "cifar10-strangers"))
        ]
        assert bounds[0] == bounds[1], claim
        assert alternatives(one), claim
        for window in one.windows_of("strangers", "cifar10-strangers").values():
            assert window in (Window(14, 20), Window(4, 20), Window(8, 20)), claim
