"""A register is read unchanged, an error in one says where it is, and the real register is sound."""

import re
from pathlib import Path

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.project import recipes_folder
from featdyn_core.register.reading import load_register, parse_seeds
from featdyn_core.register.register import TIERS, Window
from featdyn_core.tests import toy
from featdyn_core.trajectories.recipe import load_recipe
from featdyn_core.verdicts.claim import THEOREM, Verdict
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.inference import confidence_at_look
from featdyn_core.verdicts.units import Unit

REGISTER = Path(__file__).parents[3] / "claims" / "register"

GENERAL = """
schema = 3
pilot_seeds = [100, 101]

[paper]
title = "A paper"
arxiv = "2509.20334"

[scales.small]
tier = "fast"
seeds = [0, 1, 2]
images = 500
recipes = { digits = "digits-small" }

[scales.paper]
tier = "full"
seeds = [0, 1, 2]
images = 10000
recipes = { mnist = "mnist-paper", svhn = "svhn-paper" }
"""

MEMORY = """
title = "Memory"
section = "4.2"
sentence = "Features remain."
subjects = ["digits", "mnist"]
arms = { clean = "", noisy = "-noisy" }

[windows]
small = { memory = [20, 40] }
mnist = { memory = [200, 300] }

[protocol]
updates = 48
draws = { small = 9, mnist = 99 }

[records]
column = { kind = "column", window = "memory", deep = "last" }

[decides."agreement"]
quantity = "agreement with f_t"
unit = "difference"
above = { small = 0.95, paper = 0.9, mnist = 0.99 }
on = "held-out"
pilot = "0.97 to 0.99"

[decides."accuracy"]
quantity = "accuracy of the composites"
unit = "difference"
above = 0.98
reported = ["small"]

[controls."lost"]
quantity = "agreement lost"
unit = "difference"
below = 1

[reported."drift"]
quantity = "relative drift"
unit = "difference"
below = -0.5
"""


@pytest.fixture
def written(tmp_path):
    """Return a function that reads a register of two files, or more, from their text, or bytes."""

    def read(memory=MEMORY, general=GENERAL, **more):
        for name, content in {"scales": general, "memory": memory, **more}.items():
            path = tmp_path / f"{name}.toml"
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_register(tmp_path)

    return read


@pytest.fixture
def entry(written):
    return written().entry("memory")


# Reading


def test_what_a_register_holds(written):
    register = written()
    assert register.paper == {"title": "A paper", "arxiv": "2509.20334"}
    assert register.pilot_seeds == (100, 101)
    assert list(register.scales) == ["small", "paper"]
    scale = register.scales["small"]
    assert (scale.name, scale.tier, scale.recipes) == ("small", "fast", {"digits": "digits-small"})
    assert (scale.seeds, scale.images) == ({"digits": (0, 1, 2)}, {"digits": 500})
    assert (scale.here, scale.seen, scale.looks, scale.confidence) == ((), {}, 1, 0.95)
    found = register.entry("memory")
    assert (found.id, found.title, found.section, found.sentence) == ("memory", "Memory", "4.2", "Features remain.")
    assert (found.subjects, found.arms) == (("digits", "mnist"), {"clean": "", "noisy": "-noisy"})
    assert found.records == {"column": {"kind": "column", "window": "memory", "deep": "last"}}


def test_a_bound_is_that_of_the_subject_before_that_of_the_scale(entry):
    assert [entry.claim(*cell).criteria[0].bound for cell in (("small", "digits"), ("paper", "mnist"))] == [0.95, 0.99]


def test_a_criterion_decides_on_one_split_and_reports_the_other(entry):
    decides, reported = entry.claim("small", "digits").criteria[:2]
    assert decides == Criterion(
        "agreement, held-out",
        "agreement with f_t, held-out images",
        "above",
        0.95,
        Role.DECIDES,
        Unit.DIFFERENCE,
        pilot="0.97 to 0.99",
    )
    assert (reported.name, reported.role, reported.bound) == ("agreement, training", Role.REPORTED, 0.95)


def test_a_criterion_is_only_reported_at_the_scales_that_it_says(entry):
    roles = {
        scale: entry.claim(*cell).criteria[2].role
        for scale, cell in (("small", ("small", "digits")), ("paper", ("paper", "mnist")))
    }
    assert roles == {"small": Role.REPORTED, "paper": Role.DECIDES}


def test_what_is_on_a_split_and_only_reported_decides_on_neither(written):
    text = MEMORY.replace('on = "held-out"', 'on = "training"\nreported = ["paper"]')
    criteria = written(text).entry("memory").claim("paper", "mnist").criteria
    assert [item.role for item in criteria if item.name.startswith("agreement")] == [Role.REPORTED] * 2


def test_a_bound_is_a_number_with_a_point(entry):
    control = entry.claim("small", "digits").criteria[3]
    assert (control.name, control.role, control.direction) == ("lost", Role.CONTROL, "below")
    assert type(control.bound) is float


def test_windows_and_protocol_of_a_subject_override_the_scale(entry):
    assert entry.windows_of("small", "digits") == {"memory": Window(20, 40)}
    assert entry.windows_of("paper", "mnist") == {"memory": Window(200, 300)}
    assert entry.windows_of("paper", "svhn") == {}
    assert entry.protocol_of("small", "digits") == {"updates": 48, "draws": 9}
    assert entry.protocol_of("paper", "mnist") == {"updates": 48, "draws": 99}


def test_a_criterion_applies_to_each_item_of_a_protocol_list(written):
    text = MEMORY.replace("[protocol]", '[protocol]\nkinds = { digits = ["fog", "snow"], mnist = ["fog"] }')
    text = text.replace('quantity = "accuracy of the composites"', 'quantity = "accuracy"\neach = "kinds"')
    entry = written(text).entry("memory")
    asked = [item for item in entry.claim("small", "digits").criteria if item.name.startswith("accuracy")]
    assert [(item.name, item.quantity) for item in asked] == [
        ("accuracy, fog", "accuracy, fog"),
        ("accuracy, snow", "accuracy, snow"),
    ]
    assert {(item.bound, item.role) for item in asked} == {(0.98, Role.REPORTED)}
    (alone,) = [item for item in entry.claim("paper", "mnist").criteria if item.name.startswith("accuracy")]
    assert (alone.name, alone.role) == ("accuracy, fog", Role.DECIDES)


def test_arms_are_those_of_the_subject_before_those_of_the_scale(written):
    table = '{ small = "-slow", paper = "", mnist = "-quick" }'
    entry = written(MEMORY.replace('noisy = "-noisy"', f"noisy = {table}")).entry("memory")
    assert entry.arms_of("small", "digits") == {"clean": "", "noisy": "-slow"}
    assert entry.arms_of("paper", "mnist") == {"clean": "", "noisy": "-quick"}


def test_what_a_claim_may_leave_out(written):
    text = re.sub(r"^arms = .*\n", "", MEMORY, flags=re.MULTILINE)
    text = re.sub(r"\[(windows|protocol)\]\n(.+\n)+", "", text).replace('window = "memory", ', "")
    entry = written(text).entry("memory")
    assert (entry.arms, entry.windows, entry.protocol, entry.found) == ({"clean": ""}, {}, {}, {})


def test_a_finding_is_known_at_its_scale_and_subject(written):
    general = GENERAL.replace("[scales.small]\n", f'[scales.small]\nfound_on = {{ digits = "{"0" * 12}" }}\n')
    entry = written('found = { "small/digits" = "REFUTED" }\n' + MEMORY, general).entry("memory")
    assert entry.found == {"small/digits": Verdict.REFUTED}


def test_a_scale_that_is_looked_at_again_has_wider_intervals(written):
    scale = written(general=GENERAL.replace("images = 500", "images = 500\nlooks = 2")).scales["small"]
    assert scale.confidence == confidence_at_look(2) == 0.975


def test_what_is_the_papers_own_is_so_on_the_split_that_decides(written):
    text = MEMORY.replace('on = "held-out"', 'on = "held-out"\npaper = true').replace(
        "below = -0.5", "below = -0.5\npaper = true"
    )
    criteria = written(text).entry("memory").claim("small", "digits").criteria
    assert [item.name for item in criteria if item.paper] == ["agreement, held-out", "drift"]


def test_a_rival_names_a_claim_of_the_paper(written, tmp_path):
    (tmp_path / "other.toml").write_text(f'rival_of = "memory"\n{MEMORY}')
    assert [entry.rival_of for entry in written().entries.values()] == ["", "memory"]
    (tmp_path / "third.toml").write_text(f'rival_of = "other"\n{MEMORY}')
    with pytest.raises(RecipeError, match="claim 'third' is a rival of 'other', which is not a claim of the paper"):
        written()
    (tmp_path / "third.toml").write_text(f'rival_of = "memry"\n{MEMORY}')
    with pytest.raises(RecipeError, match="claim 'third' is a rival of 'memry'"):
        written()


def test_claims_are_in_the_order_of_the_paper(written, tmp_path):
    for name, section in (("a", "6"), ("b", "4.10"), ("c", "App. E"), ("d", "4.2, App. D"), ("e", "4.9 (Fig. 2)")):
        (tmp_path / f"{name}.toml").write_text(MEMORY.replace('"4.2"', f'"{section}"'), encoding="utf-8")
    assert list(written().entries) == ["d", "memory", "e", "b", "a", "c"]


@pytest.mark.parametrize("part", ["memory", "general"])
def test_a_byte_order_mark_is_no_part_of_the_text(written, part):
    text = {"memory": MEMORY, "general": GENERAL}[part]
    assert written(**{part: b"\xef\xbb\xbf" + text.encode()}).entry("memory").title == "Memory"


def test_the_digest_is_of_every_byte_and_every_name(written, tmp_path):
    digests = {written().digest, written(MEMORY + "#").digest, written(general=GENERAL + "#").digest}
    written()
    (tmp_path / "memory.toml").rename(tmp_path / "memories.toml")
    digests.add(load_register(tmp_path).digest)
    assert len(digests) == 4
    assert written(MEMORY).digest != load_register(REGISTER).digest


def test_unknown_claim_is_named_with_the_known_ones(written):
    with pytest.raises(RecipeError, match="unknown claim 'memry'; did you mean 'memory'\\? the register has memory"):
        written().entry("memry")


# Theorems


LEMMA = """
kind = "theorem"
title = "Lemma"
section = "App. D"
sentence = "It is convex."

[protocol]
worlds = 100

[decides."curvature"]
quantity = "excess"
below = 0.0

[controls."twin"]
quantity = "excess"
above = 0.0
"""


def test_a_theorem_has_one_fast_row_and_universal_criteria(written):
    register = written(lemma=LEMMA)
    found = register.entry("lemma")
    assert [found.subjects_at(scale) for scale in register.scales.values()] == [("worlds",), ()]
    assert (found.arms, found.records, found.windows_of("small", "worlds")) == ({}, {}, {})
    assert found.protocol_of("small", "worlds") == {"worlds": 100}
    assert all(criterion.universal for criterion in found.claim("small", "worlds").criteria)
    other = register.entry("memory")
    assert [other.subjects_at(scale) for scale in register.scales.values()] == [("digits",), ("mnist",)]
    assert not any(criterion.universal for criterion in other.claim("small", "digits").criteria)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('subjects = ["digits"]', "a theorem cannot have subjects"),
        ('records = { column = { kind = "column" } }', "a theorem cannot have records"),
        ('kind = "lemma"', "its kind is 'lemma'; a claim is empirical or a theorem"),
        ('kind = "empirical"', "it has no records"),
        (
            'found = { "small/digits" = "REFUTED" }',
            "claim 'lemma', found: unknown scale/subject 'small/digits'; did you mean 'small/worlds'? it has",
        ),
    ],
)
def test_what_no_theorem_has_is_refused(written, line, message):
    text = LEMMA.replace('kind = "theorem"\n', "") if line.startswith("kind") else LEMMA
    with pytest.raises(RecipeError, match=re.escape(message)):
        written(lemma=f"{line}\n{text}")


# The third protocol: units, items, margins, seeds


def test_an_item_of_a_list_is_asked_of_each(written):
    text = MEMORY.replace('on = "held-out"', 'on = "held-out"\neach = "depths"').replace(
        "[protocol]", '[protocol]\ndepths = { small = ["depth 1", "depth 2"], mnist = ["depth 1"] }'
    )
    found = written(text).entry("memory")
    names = [item.name for item in found.claim("small", "digits").deciding]
    assert names == ["agreement, depth 1, held-out", "agreement, depth 2, held-out"]
    assert [item.name for item in found.claim("paper", "mnist").deciding] == [
        "agreement, depth 1, held-out",
        "accuracy",
    ]


def test_a_number_may_lie_within_two_ends(written):
    text = MEMORY.replace('quantity = "agreement lost"', 'quantity = "ratio"').replace(
        'unit = "difference"\nbelow = 1', 'unit = "ratio"\nwithin = 0.1\naround = 1.0'
    )
    control = written(text).entry("memory").claim("small", "digits").criteria[3]
    assert (control.direction, control.asked.ends) == ("within", (0.9, 1.1))


def test_a_margin_is_of_what_decides(written):
    text = MEMORY.replace('on = "held-out"', 'on = "held-out"\nmargin = 0.01')
    text = text.replace('["small"]', '["small", "paper"]')
    found = written(text).entry("memory").claim("small", "digits").criteria
    assert [item.margin for item in found] == [0.01, None, None, None, None]


def test_a_margin_is_of_every_scale(written):
    text = MEMORY.replace('on = "held-out"', 'on = "held-out"\nmargin = { small = 0.01 }')
    with pytest.raises(RecipeError, match="criterion 'agreement': it has no margin for paper/mnist; add one"):
        written(text.replace('["small"]', '["small", "paper"]'))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(
            'unit = "difference"\nabove = 0.98', "above = 0.98", "accuracy, unit: it needs one of", id="no unit"
        ),
        pytest.param('unit = "difference"\nabove = 0.98', 'unit = "part"\nabove = 0.98', "expected one of", id="unit"),
        pytest.param(
            'unit = "difference"\nabove = 0.98', 'unit = "share"\nabove = 1.2', "(share) must lie between", id="range"
        ),
        pytest.param(
            'on = "held-out"', 'on = "held-out"\nmargin = 0.0', "margin 0: give a smallest difference", id="margin of 0"
        ),
        pytest.param(
            'unit = "difference"\nbelow = 1',
            'unit = "difference"\nmargin = -1.0\nbelow = 1',
            "margin -1: give a smallest difference",
            id="margin of a control",
        ),
        pytest.param(
            'unit = "difference"\nabove = 0.98',
            'unit = "nats"\nmargin = 0.01\nabove = 0.98',
            "it has a margin, and is a nats above a bound",
            id="margin of nats",
        ),
        pytest.param(
            'unit = "difference"\nabove = 0.98',
            'unit = "share"\nmargin = 0.01\nabove = 0.98',
            "it has a margin, and is a share above a bound",
            id="margin of a share",
        ),
        pytest.param(
            'on = "held-out"', 'on = "held-out"\ndiscrete = true', "judged on at least 6, since one", id="few seeds"
        ),
        pytest.param(
            "arms = {", 'seeds = { "small/mnist" = [7, 8, 9] }\narms = {', "seeds: unknown scale/subject", id="seeds"
        ),
    ],
)
def test_what_no_rule_can_judge_is_reported_when_it_is_read(written, old, new, message):
    assert old in MEMORY
    text = MEMORY.replace(old, new, 1)
    with pytest.raises(RecipeError, match=re.escape(message)) as caught:
        written(text.replace('reported = ["small"]\n', ""))
    assert "claim 'memory'" in str(caught.value)


def test_margins_are_of_all_that_decide_or_of_none(written):
    text = MEMORY.replace('on = "held-out"', 'on = "held-out"\nmargin = 0.01').replace('reported = ["small"]\n', "")
    with pytest.raises(RecipeError, match="'accuracy' decides and has no margin, and others that decide have one"):
        written(text)


def test_seeds_trained_here_are_some_of_the_scales(written):
    general = GENERAL.replace("seeds = [0, 1, 2]", "seeds = [0, 1, 2]\nhere = [0, 1, 5]", 1)
    with pytest.raises(RecipeError, match="scale 'small', here: 5 is not a seed of 'digits'"):
        written(general=general)


def test_a_deciding_criterion_is_asked_of_something(written):
    text = MEMORY.replace('on = "held-out"', 'on = "held-out"\neach = "none"').replace(
        "[protocol]", "[protocol]\nnone = []"
    )
    with pytest.raises(RecipeError, match="criterion 'agreement', each: the list 'none' is empty"):
        written(text)


def test_otherwise_is_of_all_that_a_table_does_not_name(written):
    text = MEMORY.replace("draws = { small = 9, mnist = 99 }", "draws = { mnist = 99, otherwise = 9 }")
    found = written(text).entry("memory")
    assert [found.protocol_of(*place)["draws"] for place in (("small", "digits"), ("paper", "mnist"))] == [9, 99]


def test_a_claim_may_have_seeds_of_its_own(written):
    register = written(MEMORY.replace("arms = {", 'seeds = { "small/digits" = [7, 8, 9, 10] }\narms = {'))
    found, scale = register.entry("memory"), register.scales["small"]
    assert found.seeds_at(scale, "digits") == (7, 8, 9, 10)
    assert found.seeds_at(register.scales["paper"], "mnist") == (0, 1, 2)


# What cannot be used


def refused(written, old, new, messages):
    part = "memory" if old in MEMORY else "general"
    text = MEMORY if part == "memory" else GENERAL
    assert old in text
    with pytest.raises(RecipeError) as caught:
        written(**{part: text.replace(old, new, 1)})
    for message in messages:
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        pytest.param("schema = 3", "schema = 1", ["schema 1", "reads schema = 3"], id="schema"),
        pytest.param("schema = 3\n", "", ["schema None"], id="no schema"),
        pytest.param("schema = 3", "schema = ", ["scales.toml", "cannot be read"], id="no TOML"),
        pytest.param("pilot_seeds = [100, 101]\n", "", ["scales.toml", "'pilot_seeds'"], id="no pilot seeds"),
        pytest.param("[100, 101]", '["100"]', ["scales.toml", "pilot_seeds"], id="pilot seeds of words"),
        pytest.param("pilot_seeds", "note = 1\npilot_seeds", ["scales.toml", "'note'"], id="unknown general field"),
        pytest.param('arxiv = "2509.20334"', "arxiv = 2509.20334", ["scales.toml", "paper"], id="a number for a name"),
        pytest.param(
            "[scales.small]",
            "[scales.tiny]",
            ["claim 'memory', windows", "'small'", "there are tiny"],
            id="scale of another name",
        ),
        pytest.param(
            "[scales.small]", "[scales.digits]", ["scale 'digits'", "has the name of a subject"], id="scale like data"
        ),
        pytest.param(
            "[scales.small]", "[scales.svhn]", ["scale 'svhn'", "has the name of a subject"], id="like other data"
        ),
        pytest.param("[scales.small]", "[scales.auto]", ["scale 'auto'", "not be auto"], id="scale called auto"),
        pytest.param("[scales.small]", '[scales."a/b"]', ["scale 'a/b'", "letters"], id="scale that is no word"),
        pytest.param(
            'tier = "fast"', 'tier = "slow"', ["scale 'small'", "'slow'; the tiers are fast, full"], id="unknown tier"
        ),
        pytest.param("seeds = [0, 1, 2]\n", "", ["scale 'small'", "'seeds'"], id="no seeds"),
        pytest.param("seeds = [0, 1, 2]", "seeds = [0, 1, true]", ["scale 'small'", "True"], id="seed that is none"),
        pytest.param("seeds = [0, 1, 2]", "seeds = [-1, 1, 2]", ["scale 'small'", "from 0 on"], id="seed below 0"),
        pytest.param("images = 500\n", "", ["scale 'small'", "'images'"], id="no images"),
        pytest.param("images = 500", 'images = "500"', ["scale 'small'", "images"], id="images of words"),
        pytest.param("images = 500", "images = 0", ["scale 'small'", "from 1 on"], id="no image"),
        pytest.param("images = 500", "images = 500\nlooks = 0", ["scale 'small'", "from 1 on"], id="no look"),
        pytest.param("images = 500", "images = 500\nlook = 2", ["scale 'small'", "'look'"], id="unknown scale field"),
        pytest.param('"digits-small"', "3", ["scale 'small'", "recipes"], id="recipe that is no name"),
    ],
)
def test_scales_that_cannot_be_used_say_where(written, old, new, messages):
    refused(written, old, new, messages)


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        pytest.param('title = "Memory"\n', "", ["title"], id="no title"),
        pytest.param("title =", "titel =", ["'titel'; did you mean 'title'?", "controls"], id="unknown field"),
        pytest.param(
            'section = "4.2"', "section = 4.2", ["section: expected str, found 4.2"], id="section that is a number"
        ),
        pytest.param(
            '"mnist"]', '"mnits"]', ["subjects: unknown subject 'mnits'; did you mean 'mnist'?"], id="unknown subject"
        ),
        pytest.param('["digits", "mnist"]', "[]", ["no subject"], id="no subject"),
        pytest.param('clean = ""', "clean = 1", ["arms"], id="arm that is no suffix"),
        pytest.param(
            'clean = ""', 'clean = { small = "" }', ["arms: 'clean'", "paper/mnist"], id="arm that a scale lacks"
        ),
        pytest.param(
            'clean = ""',
            'clean = { small = "", papr = "" }',
            ["arms, clean", "'papr'; did you mean 'paper'?"],
            id="arm of no scale",
        ),
        pytest.param(
            "column = { kind",
            "column = 3 #",
            ["records, column: expected a table, found 3"],
            id="record that is no table",
        ),
        pytest.param(
            "[20, 40]",
            "[20]",
            ["windows, small, memory: [20] is not a span of epochs [first, last]"],
            id="window with one end",
        ),
        pytest.param("[20, 40]", "[40, 20]", ["[40, 20]"], id="window turned round"),
        pytest.param("[20, 40]", "[-1, 40]", ["[-1, 40]"], id="window before the start"),
        pytest.param(
            "[20, 40]", '["20", 40]', ["windows, small, memory, item 1: expected int, found '20'"], id="window of words"
        ),
        pytest.param(
            "[20, 40]", "[20, 40.5]", ["windows, small, memory, item 2: expected int"], id="window between epochs"
        ),
        pytest.param(
            "small = { memory = [20, 40] }",
            "small = 3",
            ["windows, small: expected a table"],
            id="windows of another kind",
        ),
        pytest.param(
            "small = { mem",
            "smal = { mem",
            ["windows: unknown", "'smal'; did you mean 'small'?"],
            id="windows of unknown scale",
        ),
        pytest.param(
            "small = { memory = [20",
            "small = { memry = [20",
            ["small/digits, which has memry"],
            id="another window at a scale",
        ),
        pytest.param("mnist = { mem", "svhn = { mem", ["'memory'", "paper/mnist"], id="windows of another subject"),
        pytest.param("small = 9, ", "", ["protocol", "'draws'", "small/digits"], id="number that a scale lacks"),
        pytest.param(
            "above = 0.98",
            'above = 0.98\neach = "drws"',
            ["criterion 'accuracy'", "'drws'; did you mean 'draws'?"],
            id="list that is not there",
        ),
        pytest.param(
            "above = 0.98",
            'above = 0.98\neach = "updates"',
            ["criterion 'accuracy', each of updates: expected a list of str, found 48"],
            id="list that is none",
        ),
        pytest.param(
            'window = "mem', 'window = "me', ["record 'column'", "did you mean 'memory'?"], id="window that is none"
        ),
        pytest.param("window =", 'arms = ["nois"], window =', ["record 'column'", "did you mean 'noisy'?"], id="arm"),
        pytest.param(
            "small = 9, ",
            "small = 9, papr = 9, ",
            ["protocol, draws: ", "'papr'; did you mean 'paper'?"],
            id="number of unknown scale",
        ),
    ],
)
def test_a_claim_that_cannot_be_used_says_where(written, old, new, messages):
    refused(written, old, new, ["claim 'memory'", *messages])


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        pytest.param("below = 1\n", "", ["controls, lost", "above, below or within"], id="no bound"),
        pytest.param(
            "below = 1\n", "below = 1\nabove = 0\n", ["controls, lost", "above, below or within"], id="two bounds"
        ),
        pytest.param("below = 1\n", 'below = "0.95"\n', ["'lost'", "'0.95'"], id="bound of words"),
        pytest.param("below = 1\n", "below = true\n", ["'lost'", "True"], id="bound that is a truth value"),
        pytest.param("below = 1\n", "below = nan\n", ["'lost'", "nan"], id="bound that is not a number"),
        pytest.param("below = 1\n", "below = -inf\n", ["'lost'", "-inf"], id="bound without end"),
        pytest.param("below = 1\n", f"below = 1{'0' * 400}\n", ["'lost'"], id="bound too large for a number"),
        pytest.param("below = 1\n", "below = { small = 1, mnist = inf }\n", ["'lost'", "paper/mnist"], id="in a table"),
        pytest.param("small = 0.95, ", "", ["'agreement'", "small/digits"], id="bound that a scale lacks"),
        pytest.param(
            "small = 0.95, ",
            "small = 0.95, papr = 1, ",
            ["criterion 'agreement'", "'papr'; did you mean 'paper'?"],
            id="bound of unknown scale",
        ),
        pytest.param(
            'reported = ["small"]',
            'reported = ["smal"]',
            ["reported: unknown scale 'smal'; did you mean 'small'?"],
            id="reported at unknown scale",
        ),
        pytest.param(
            'reported = ["small"]',
            'reported = "small"',
            ["accuracy, reported: expected a list of str"],
            id="reported that is no list",
        ),
        pytest.param(
            'on = "held-out"',
            'on = "heldout"',
            ["decides, agreement, on", "'heldout'; did you mean 'held-out'?"],
            id="unknown split",
        ),
        pytest.param(
            'quantity = "agreement lost"\n', "", ["controls, lost: field 'quantity' is missing"], id="no quantity"
        ),
        pytest.param(
            "pilot =",
            "pilots =",
            ["decides, agreement: ", "'pilots'; did you mean 'pilot'?"],
            id="unknown criterion field",
        ),
        pytest.param(
            'pilot = "0.97 to 0.99"',
            "pilot = 0.97",
            ["decides, agreement, pilot: expected str"],
            id="pilot that is no text",
        ),
        pytest.param(
            '[controls."lost"]', '[control."lost"]', ["'control'; did you mean 'controls'?"], id="unknown role"
        ),
        pytest.param('[controls."lost"]', '[reported."lost"]', ["role control"], id="no control"),
        pytest.param('[reported."drift"]', '[reported."lost"]', ["more than one", "'lost'"], id="two of one name"),
        pytest.param(
            '[reported."drift"]\nquantity',
            "[reported]\nquantity",
            ["reported, quantity: expected a table"],
            id="criterion that is no table",
        ),
    ],
)
def test_a_criterion_that_cannot_be_used_says_where(written, old, new, messages):
    refused(written, old, new, ["memory", *messages])


@pytest.mark.parametrize(
    ("found", "message"),
    [
        pytest.param('"small/mnist" = "REFUTED"', "unknown scale/subject 'small/mnist'", id="no such row"),
        pytest.param('small = "REFUTED"', "unknown scale/subject 'small'; it has small/digits", id="no subject"),
        pytest.param(
            '"small/digits" = "refuted"',
            "expected one of SUPPORTED, EQUIVALENT, REFUTED, .*, found 'refuted'",
            id="unknown verdict",
        ),
        pytest.param('"small/digits" = "SUPPORTED"', "not a finding against the claim", id="nothing found"),
        pytest.param('"small/digits" = "NOT RUN"', "not a finding against the claim", id="nothing decided"),
    ],
)
def test_a_finding_that_cannot_be_one_is_refused(written, found, message):
    with pytest.raises(RecipeError, match=f"claim 'memory'.*{message}"):
        written(f"found = {{ {found} }}\n{MEMORY}")


def test_a_claim_must_be_decided_at_every_scale(written):
    text = MEMORY.replace('[decides."agreement"]', '[reported."agreement"]')
    with pytest.raises(RecipeError, match="claim 'memory' has no criterion with role decides"):
        written(text)


def test_a_register_that_is_not_there_or_no_text(tmp_path, written):
    with pytest.raises(RecipeError, match=r"there is no register at .*nowhere: it needs scales\.toml"):
        load_register(tmp_path / "nowhere")
    with pytest.raises(RecipeError, match=r"memory\.toml of the register cannot be read"):
        written(b"\xff\xfe")
    (tmp_path / "memory.toml").unlink()
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(RecipeError, match=r"folder\.toml of the register cannot be read"):
        load_register(tmp_path)


# Seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        (None, ()),
        ("", ()),
        ("3", (3,)),
        ("0-4,7", (0, 1, 2, 3, 4, 7)),
        (" 5 - 6 , 1 ", (5, 6, 1)),
        ("2-2", (2,)),
        ("1,1", (1, 1)),
    ],
)
def test_seeds_are_numbers_and_ranges(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["a", "1,,2", ",", "-1", "4-0", "1-2-3", "1.5", "0-99999999", "٣", "1;2", "9" * 16])
def test_what_is_no_list_of_seeds_is_refused(text):
    with pytest.raises(RecipeError, match="expected seeds from 0 on, such as 0,1,2 or 0-4,7"):
        parse_seeds(text)


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ((0, 1, 1), "seeds 0,1,1: a seed occurs twice"),
        ((0, 1, 101, 100), "bounds came from the pilot seeds 100, 101; take others"),
        ((0, 1), "seeds 0,1: a claim is judged on at least 3"),
        ((), "at least 3"),
    ],
)
def test_seeds_on_which_nothing_can_be_judged_are_refused(written, seeds, message):
    register = written()
    with pytest.raises(RecipeError, match=message):
        register.check_seeds(seeds)
    if seeds:
        with pytest.raises(RecipeError, match=message):
            written(general=GENERAL.replace("[0, 1, 2]", str(list(seeds)), 1))
    register.check_seeds((7, 8, 9))


# The real one


@pytest.fixture(scope="module")
def real():
    return load_register(REGISTER)


def cells_of(register):
    return [
        (entry, scale, subject)
        for entry in register.entries.values()
        for scale in register.scales.values()
        for subject in entry.subjects_at(scale)
    ]


def test_the_real_register_has_every_scale_and_claims_at_each(real):
    assert real.scales
    assert len(real.entries) >= 9
    for name in real.scales:
        assert sum(scale.name == name for _, scale, _ in cells_of(real)) >= 8, name
    assert {scale.tier for scale in real.scales.values()} == set(TIERS)
    small = real.scales["small"]
    assert (len(small.seeds["digits"]), len(small.here)) == (20, 5)
    assert set(small.here) < set(small.seeds["digits"])


def test_windows_end_at_checkpoints_of_recipes_that_are_there(real):
    """Otherwise a wrong end of a window would be found only after days of training."""
    for entry, scale, subject in cells_of(real):
        names = [scale.recipes[subject] + suffix for suffix in entry.arms_of(scale.name, subject).values()]
        assert all((recipes_folder() / f"{name}.toml").is_file() for name in names), (entry.id, names)
        checkpoints = [set(load_recipe(name).training.checkpoints) for name in names]
        windows = entry.windows_of(scale.name, subject)
        named = any("window" in record for record in entry.records.values())
        assert windows or not named, (entry.id, scale.name, subject)
        for window in windows.values():  # an arm that branches off has no earlier checkpoints
            assert any({window.first, window.last} <= known for known in checkpoints), (entry.id, names, window)


def test_recipes_of_a_subject_are_of_that_data_set(real):
    for entry, scale, subject in cells_of(real):
        images = scale.model[1] or subject  # a scale that is like a row takes those of that row
        assert entry.kind == THEOREM or load_recipe(scale.recipes[subject]).data.set == images, entry.id


def test_windows_and_numbers_are_read_from_the_real_register(real):
    """A record names a window that its claim has."""
    for entry, scale, subject in cells_of(real):
        used = {table["window"] for table in entry.records.values() if "window" in table}
        assert used <= set(entry.windows_of(scale.name, subject)), entry.id
        assert entry.records or entry.kind == THEOREM, entry.id


# Numbers that claims share


SHARED = "[shared]\nlevel = 0.8\ndraws = { small = 2, reduced = 3 }\n\n[scales.small]"


def sharing(names: str, protocol: str = "") -> str:
    """Return a claim that shares numbers, and has some of its own."""
    return toy.entry(more=f"shared = {names}").replace("[records]", f"[protocol]\nown = 1\n{protocol}\n[records]")


def test_a_claim_has_the_shared_numbers_that_it_names(tmp_path):
    folder = toy.write_project(tmp_path, demo=sharing('["level", "draws"]'), other=toy.entry()) / "claims/register"
    toy.edit(folder / "scales.toml", "[scales.small]", SHARED)
    found = load_register(folder)
    assert found.entry("demo").protocol_of("reduced", "digits") == {"level": 0.8, "draws": 3, "own": 1}
    assert found.entry("other").protocol == {}


@pytest.mark.parametrize(
    ("names", "protocol", "message"),
    [
        ('["levle"]', "", "claim 'demo', shared: unknown number 'levle'; did you mean 'level'.*level, draws"),
        ('["level"]', "level = 0.7", "claim 'demo': 'level' is a number of its protocol and a shared one"),
        ('"level"', "", "claim 'demo', shared: expected"),
    ],
)
def test_a_missing_shared_number_is_named(tmp_path, names, protocol, message):
    folder = toy.write_project(tmp_path, demo=sharing(names, protocol)) / "claims/register"
    toy.edit(folder / "scales.toml", "[scales.small]", SHARED)
    with pytest.raises(RecipeError, match=message):
        load_register(folder)


def test_a_quantity_says_the_numbers_of_the_protocol(tmp_path):
    text = sharing('["level"]').replace("what the test says", "the window W_{level}(t)")
    folder = toy.write_project(tmp_path, demo=text) / "claims/register"
    toy.edit(folder / "scales.toml", "[scales.small]", SHARED)
    assert load_register(folder).entry("demo").claim("small", "digits").criteria[0].quantity == "the window W_0.8(t)"
    for no_number in ("{levle}", "{level[0]}"):
        toy.edit(folder / "demo.toml", "{level}", no_number)
        with pytest.raises(RecipeError, match=r"claim 'demo', criterion 'effect', quantity: .* not a number of"):
            load_register(folder)
        toy.edit(folder / "demo.toml", no_number, "{level}")
