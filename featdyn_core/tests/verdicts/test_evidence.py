"""Evidence survives the way through JSON; what is none, or was written by hand, is refused."""

import copy
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import EvidenceError
from featdyn_core.tests.report.sample import plane
from featdyn_core.verdicts.claim import Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Outcome, Role
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.documents import (
    SCHEMA,
    SECOND,
    from_json,
    read_document,
    read_evidence,
    to_json,
    write_evidence,
)
from featdyn_core.verdicts.evidence import Evidence, row_id
from featdyn_core.verdicts.families import Adjusted, adjusted_p_values, holm
from featdyn_core.verdicts.inference import Bound, infer_mean
from featdyn_core.verdicts.multiverse import REGISTERED, Multiverse
from featdyn_core.verdicts.units import Unit, share_of

finite = st.floats(-1e6, 1e6, allow_subnormal=False)
texts = st.text(st.characters(codec="utf-8"), max_size=12)

PUBLISHED = Path(__file__).parents[3] / "evidence" / "protocol-2" / "fast-cpu" / "evidence.json"
"""Of the second protocol."""

HIGH, LOW, SPREAD = [0.9, 0.8, 0.7], [0.1, 0.2, 0.3], [0.6, 0.5, 0.7]
"""One number a seed, above, below and across the bound."""


def judged(gap, *, name="memory", confidence=0.95, **changes):
    """Return a row whose deciding criterion has the given numbers, one a seed."""
    criteria = (
        Criterion("gap", "the gap", "above", 0.5, pilot="0.6 to 0.7"),
        Criterion("control", "a control", "below", 0.5, Role.CONTROL),
        Criterion("alarms", "false alarms", "below", 0.5, Role.CONTROL, Unit.DRAWS),
        Criterion("beside", "something else", "above", 0.0, Role.REPORTED),
    )
    count = len(gap)
    numbers = {
        "gap": gap,
        "control": [0.1 + 0.01 * number for number in range(count)],
        "alarms": [share_of(number % 2, 30) for number in range(count)],
        "beside": [-1.0] * count,
    }
    claim = Claim(name, "4.2", "Features remain.", criteria)
    verdict, findings = claim.judge(numbers, confidence=confidence)
    fields = {"verdict": verdict, "sentence": claim.sentence, "findings": findings, "seeds": tuple(range(count))}
    fields |= changes
    return Evidence(**{"claim": name, "section": "4.2", "subject": "digits", "tier": "fast", "scale": "small"} | fields)


def nothing(verdict=Verdict.NOT_RUN, **changes):
    fields = {"tier": "full", "scale": "paper", "reason": "no such recipe"} | changes
    return Evidence("memory", "4.2", "svhn", verdict=verdict, **fields)


def full_row(**changes):
    """Return a row with something in every field."""
    fields = {
        "title": "Memory",
        "rival_of": "forgetting",
        "kind": "theorem",
        "counter_example": "z = 0",
        "known": "REFUTED",
        "replayed": True,
        "extension": True,
        "here": True,
        "bits": "equal",
        "seen": True,
        "family": 7,
        "exploratory": True,
        "variation": "adam",
        "effect": "gap",
        "windows": {"memory": [14, 28]},
        "protocol": {"images": 500, "nested": {"deep": [1]}},
        "recipes": {"digits-small": "0a1b"},
        "checkpoints": {"digits-small/0": {"key": "k", "sha256": "d"}},
        "data": {"digits": "ff"},
        "records": {"column": 3},
        "curves": {
            "memory": Curve([0.0, 1.0], {"depth 1": [[0.1, 0.2]] * 3}, "epoch", "agreement", "a", "w", [0.5], True)
        },
        "planes": {"regions": plane()},
        "multiverse": Multiverse({"bound": (REGISTERED,)}, (Verdict.SUPPORTED,), (2.5,), ("gap",)),
        "environment": {"commit": "c0ffee"},
        "measured": [{"commit": "c0ffee", "device": "cpu"}],
        "register": "4e9",
        "seconds": 1.5,
    }
    return judged(HIGH, **fields | changes)


# What a row says


def test_a_row_is_named_after_claim_scale_and_subject_and_how_it_was_had():
    assert judged(HIGH).id == "memory-small-digits"
    assert judged(HIGH, replayed=True).id == row_id("memory", "small", "digits", replayed=True)
    assert row_id("forgetting", "reduced", "cifar10", replayed=True) == "forgetting-reduced-cifar10-replayed"


@pytest.mark.parametrize(
    ("known", "changed"), [("", False), ("SUPPORTED", False), ("REFUTED", True)], ids=["unknown", "same", "other"]
)
def test_a_verdict_changed_if_the_register_knows_another(known, changed):
    assert judged(HIGH, known=known).changed is changed
    assert not nothing(known=known).changed


ALL = [Verdict.SUPPORTED, Verdict.EQUIVALENT, Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.INVALID]


@pytest.mark.parametrize("known", ALL)
@pytest.mark.parametrize("found", ALL)
def test_what_contradicts_a_known_finding(known, found):
    """Of trainings done here; published records must give the same verdict."""
    here, published = (dataclasses.replace(judged(HIGH, known=known), verdict=found, replayed=r) for r in (False, True))
    opposite = {Verdict.SUPPORTED, Verdict.REFUTED}
    contradicts = found != known and ({found, known} == opposite or Verdict.INVALID in (found, known))
    assert here.changed is contradicts
    assert here.in_accord is (found != known and not contradicts)
    assert published.changed is (found != known)
    assert not published.in_accord


def test_message_shows_quantity_value_interval_seeds_bound_and_control():
    lines = judged([0.1, 0.1, 0.1], known="SUPPORTED").message().splitlines()
    head = "memory on digits (section 4.2): REFUTED (the register knows it as SUPPORTED, which this contradicts)"
    assert lines[:3] == [
        f"{head}: 'gap' on the wrong side",
        "  gap (decides): 0.1 [0.1, 0.1] (95 %, 3 seeds; worst 0.1, 0 of 3 hold), to lie above 0.5: fails",
        "  control (control): 0.11 [0.08516, 0.1348] (95 %, 3 seeds; worst 0.12, 3 of 3 hold), to lie below 0.5: holds",
    ]
    assert "(95 %, 90 planted draws;" in lines[3]


def test_message_of_what_was_not_run_gives_the_reason():
    assert nothing().message() == "memory on svhn (section 4.2): NOT RUN: no such recipe"


def test_p_value_is_the_largest_of_the_deciding_criteria():
    row = judged(SPREAD)
    expected = infer_mean(SPREAD, Bound("above", 0.5))
    assert (row.p_value, row.p_against) == (expected.p_value, expected.p_against)
    assert row.p_value < row.of(Role.REPORTED)[0].p_value
    assert nothing().p_value is nothing().p_against is None


def test_a_row_whose_control_failed_has_no_p_value():
    row = judged(HIGH)
    invalid = Evidence("m", "4", "s", "fast", "small", Verdict.INVALID, findings=row.findings)
    assert invalid.p_value is invalid.p_against is None


def test_findings_of_a_role():
    row = judged(HIGH)
    assert [[item.criterion.name for item in row.of(role)] for role in Role] == [
        ["gap"],
        ["control", "alarms"],
        ["beside"],
    ]


# JSON


@settings(max_examples=25, deadline=None)
@given(
    gap=st.lists(finite, min_size=3, max_size=5),
    series=st.dictionaries(texts, st.lists(st.lists(finite, max_size=3), max_size=3), max_size=3),
    environment=st.dictionaries(texts, texts | st.integers() | finite, max_size=3),
    seconds=st.floats(0, 1e6),
)
def test_a_row_comes_back_from_json_as_it_was(gap, series, environment, seconds):
    curves = {"memory é": Curve([0.0, 1.0], series, "shallow epoch s", "agreement")}
    row = judged(gap, curves=curves, environment=environment, measured=[environment], seconds=seconds)
    found = from_json(to_json(row))
    assert found == row
    assert (found.message(), found.p_value) == (row.message(), row.p_value)
    assert isinstance(found.verdict, Verdict)
    assert found.of(Role.CONTROL)[1].numbers == row.of(Role.CONTROL)[1].numbers


def test_every_field_comes_back_from_json():
    row = full_row()
    assert from_json(to_json(row)) == row
    empty = nothing()
    same = ("claim", "section", "rule")
    assert all(getattr(row, name) != getattr(empty, name) for name in vars(empty) if name not in same)


def test_numbers_of_numpy_become_plain_ones():
    row = nothing(seconds=np.float64(1.5), environment={"threads": np.int64(2), "sizes": np.array([1, 2])})
    fields = json.loads(to_json(row))
    assert (fields["seconds"], fields["environment"]) == (1.5, {"threads": 2, "sizes": [1, 2]})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float64("nan"), np.array([math.nan])])
def test_what_is_no_finite_number_becomes_null(number):
    found = json.loads(to_json(nothing(environment={"loss": number})))["environment"]["loss"]
    assert found in (None, [None])


def test_a_gap_in_a_curve_comes_back_as_one():
    row = judged(HIGH, curves={"c": Curve([0.0, math.nan], {"a": [[math.nan, 1.0]]}, "x", "y")})
    text = to_json(row)
    found = from_json(text).curves["c"]
    assert json.loads(text)["curves"]["c"]["series"] == {"a": [[None, 1.0]]}
    assert math.isnan(found.series["a"][0][0])
    assert math.isnan(found.x[1])
    assert to_json(from_json(text)) == text


def test_what_has_no_place_in_json_is_named():
    with pytest.raises(TypeError, match="set has no place in an evidence file"):
        to_json(nothing(environment={"state": {1}}))


# Files


def test_files_keep_rows_their_order_and_the_facts(tmp_path):
    rows = [judged(HIGH), nothing(), full_row(), judged(LOW, name="forgetting"), nothing(Verdict.DESELECTED)]
    path = tmp_path / "new" / "evidence.json"
    write_evidence(path, rows, facts={"paper": {"title": "A paper"}, "loss": math.nan, "schema": 99, "rows": 3})
    assert read_evidence(path) == rows
    found = read_document(path)
    assert list(found.rows) == rows
    assert found.facts["paper"] == {"title": "A paper"}
    assert found.facts["loss"] is None
    one_each = {"SUPPORTED": 1, "NOT RUN": 1, "REFUTED": 1, "DESELECTED": 1}
    assert found.facts["counts"] == one_each, "the full row is an extension, which is not counted"
    assert found.facts["written"].endswith("+00:00")
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["schema"] == SCHEMA
    assert [row["claim"] for row in document["rows"]] == [row.claim for row in rows]


def test_a_file_has_a_list_of_numbers_on_a_line_and_texts_as_they_are(tmp_path):
    path = tmp_path / "evidence.json"
    facts = {
        "seeds": [5, -0.25, math.nan, 1e-12],
        "command": ["[\n 1,\n 2\n]", "[ 3 ]"],
        "empty": [],
        "nested": [[1, 2], [3]],
    }
    write_evidence(path, [full_row()], facts=facts)
    text = path.read_text(encoding="utf-8")
    assert '"seeds": [5, -0.25, null, 1e-12]' in text
    assert read_document(path).facts["command"] == facts["command"]
    assert read_document(path).facts["nested"] == facts["nested"]
    assert read_evidence(path) == [full_row()]


def test_a_file_that_an_editor_marked_or_formatted_is_read(tmp_path):
    path = tmp_path / "evidence.json"
    write_evidence(path, [judged(HIGH)])
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(json.loads(path.read_text()), indent=4).encode())
    assert read_evidence(path) == [judged(HIGH)]


def test_rows_judged_at_a_later_look_are_read(tmp_path):
    row = judged(HIGH, confidence=0.975)
    write_evidence(tmp_path / "evidence.json", [row])
    assert read_evidence(tmp_path / "evidence.json") == [row]


def test_holm_runs_over_all_rows_for_and_against_apart(tmp_path):
    """What came to nothing counts: a run that leaves claims out is no easier to pass."""
    rows = [judged(HIGH), nothing(scale="small"), judged(SPREAD), judged(LOW), judged(HIGH, claim="invalid")]
    rows[-1] = dataclasses.replace(rows[-1], verdict=Verdict.INVALID)
    families = [
        holm([1.0 if value is None else value for value in values])
        for values in ([row.p_value for row in rows], [row.p_against for row in rows])
    ]
    assert families[0][0] == pytest.approx(5 * rows[0].p_value)
    assert families[1][3] == pytest.approx(5 * rows[3].p_against)
    pairs = [Adjusted(*pair) for pair in zip(*families, strict=True)]
    found = [pairs[0], Adjusted(), pairs[2], pairs[3], Adjusted()]
    assert adjusted_p_values(rows) == found
    write_evidence(tmp_path / "evidence.json", rows)
    document = json.loads((tmp_path / "evidence.json").read_text(encoding="utf-8"))
    for row, adjusted in zip(document["rows"], found, strict=True):
        assert (row["holm_p_value"], row["holm_p_against"]) == tuple(adjusted)


def test_a_family_is_the_rows_of_one_scale():
    rows = [judged(HIGH), judged(SPREAD, scale="reduced"), judged(LOW, replayed=True), judged(HIGH, variation="adam")]
    found = adjusted_p_values(rows)
    assert [adjusted.p_value for adjusted in found[:3]] == [row.p_value for row in rows[:3]]
    assert found[3] == Adjusted()
    assert adjusted_p_values([rows[0], judged(HIGH, extension=True)]) == [found[0], Adjusted()]


def test_rows_that_were_registered_and_not_run_count_in_the_adjustment():
    alone, of_ten = (adjusted_p_values([judged(HIGH, family=size)])[0].p_value for size in (1, 10))
    assert of_ten == pytest.approx(10 * alone)


def test_counts_of_other_seeds_are_no_evidence(tmp_path):
    def more(row):
        finding = row["findings"][0]
        finding["counts"] = [10] * (len(finding["values"]) - 1)

    with pytest.raises(EvidenceError):
        edited(tmp_path, judged(HIGH), more)


def test_a_part_of_a_family_has_no_adjusted_p_value():
    part = nothing(Verdict.DESELECTED, scale="small")
    other = judged(HIGH, scale="reduced")
    assert adjusted_p_values([judged(HIGH), part, other]) == [Adjusted(), Adjusted(), *adjusted_p_values([other])]
    assert adjusted_p_values([judged(HIGH), judged(LOW, exploratory=True)]) == [Adjusted(), Adjusted()]


def of_many_items(count, gap, other):
    """Return a row of several items, the first with numbers of its own."""
    criteria = [Criterion(f"item {number}", "q", "above", 0.5) for number in range(count)]
    numbers = {item.name: other for item in criteria} | {"item 0": gap, "control": [0.0] * len(gap)}
    control = Criterion("control", "q", "below", 0.5, Role.CONTROL)
    claim = Claim("many", "4", "Words.", (*criteria, control))
    verdict, findings = claim.judge(numbers)
    seeds = tuple(range(len(gap)))
    fields = {"sentence": claim.sentence, "findings": findings, "seeds": seeds}
    return Evidence("many", "4", "digits", "fast", "small", verdict, **fields)


def test_p_values_of_several_items():
    """For: all must hold, so the largest. Against: one that fails is enough, so the smallest times their number."""
    row = of_many_items(4, LOW, HIGH)
    assert row.p_value == max(item.p_value for item in row.deciding) == row.deciding[0].p_value
    assert row.p_against == pytest.approx(4 * row.deciding[0].p_against)
    assert of_many_items(4, HIGH, HIGH).p_against == 1
    assert (row.verdict is Verdict.REFUTED) is (row.p_against <= 0.025)


@pytest.mark.parametrize(("adjusted", "survives"), [(0.0, True), (0.025, True), (0.0251, False), (None, False)])
@pytest.mark.parametrize("verdict", [Verdict.SUPPORTED, Verdict.REFUTED])
def test_what_survives_holm_is_the_verdict_that_was_reached(adjusted, survives, verdict):
    """A p-value of 0, which very small ones round to, survives as well."""
    pair = (adjusted, 1.0) if verdict is Verdict.SUPPORTED else (1.0, adjusted)
    row = dataclasses.replace(judged(HIGH), verdict=verdict)
    assert Adjusted(*pair).survives(row) is survives
    assert not Adjusted(*pair[::-1]).survives(row)
    for other in (Verdict.EQUIVALENT, Verdict.INCONCLUSIVE, Verdict.INVALID):
        assert not Adjusted(*pair).survives(dataclasses.replace(row, verdict=other))


# Why


def test_a_row_says_what_its_verdict_hangs_on():
    assert judged(HIGH).why == ""
    assert of_many_items(3, LOW[:1] * 3, HIGH).why == "'item 0' on the wrong side (at 1 - 0.05/3)"
    open_row = judged([0.6, 0.45, 0.7])
    assert open_row.why == f"open: 'gap' (about {open_row.deciding[0].seeds_needed} seeds would decide it)"
    assert judged([0.5, 0.4, 0.6]).why == "open: 'gap' (more than 10,000 seeds would be needed)"
    failed = dataclasses.replace(judged(HIGH).findings[1], outcome=Outcome.FAILS)
    open_one = dataclasses.replace(judged(HIGH).findings[2], outcome=Outcome.UNDECIDED)
    invalid = dataclasses.replace(judged(HIGH), verdict=Verdict.INVALID, findings=(failed, open_one))
    assert invalid.why == "control 'control' fails; control 'alarms' undecided"
    assert invalid.why in invalid.message()


def test_an_open_item_of_p_values_says_how_many_seeds_hold():
    criteria = (
        Criterion("p", "q", "below", -2.0, unit=Unit.LOG_P),
        Criterion("control", "q", "above", 0.0, Role.CONTROL),
    )
    verdict, findings = Claim("m", "4", "s", criteria).judge({"p": [-3.0, -3.0, -1.0], "control": HIGH})
    row = Evidence("m", "4", "s", "fast", "small", verdict, findings=findings)
    assert row.why == "open: 'p' (2 of 3 seeds hold, and all must)"


def test_differences_smaller_than_matter_are_told():
    def row(gap, margin):
        criteria = (
            Criterion("gap", "q", "above", 0.0, margin=margin),
            Criterion("control", "q", "above", 0.0, Role.CONTROL),
        )
        verdict, findings = Claim("m", "4", "s", criteria).judge({"gap": gap, "control": HIGH})
        return Evidence("m", "4", "s", "fast", "small", verdict, findings=findings)

    found = row(HIGH, 2.0)
    assert (found.verdict, found.why) == (Verdict.SUPPORTED, "smaller than matters")
    assert row(HIGH, 0.1).why == ""
    found = row([0.1, -0.1, 0.05], 2.0)
    assert (found.verdict, found.why) == (Verdict.EQUIVALENT, "no difference that matters")
    assert found.on_differences


# The second protocol


def test_a_file_of_the_second_protocol_is_read_and_said_to_be_one():
    rows = read_evidence(PUBLISHED)
    assert {row.rule for row in rows} == {SECOND}
    assert len(rows) == 80
    decided = [row for row in rows if row.verdict.decided]
    assert decided
    drawn = [item for row in rows for item in row.findings if item.counts]
    assert all(item.counts and len(item.counts) == len(item.values) for item in drawn)
    assert drawn
    assert {row.p_against for row in rows} == {None}
    assert {row.why for row in rows} == {""}
    adjusted = adjusted_p_values(rows)
    assert not any(one.survives(row) for one, row in zip(adjusted, rows, strict=True))
    refuted = [(one, row) for one, row in zip(adjusted, rows, strict=True) if row.verdict is Verdict.REFUTED]
    assert refuted
    assert all(one.p_against is None and one.of(row) == one.p_value for one, row in refuted)


def test_a_row_is_of_the_protocol_of_its_file(tmp_path):
    """Verdicts of the second cannot be judged again: among those of the third one could say anything."""
    with pytest.raises(EvidenceError, match="memory-small-digits was judged by protocol 2, and its file is of protoc"):
        edited(tmp_path, judged(LOW), setting("rule", SECOND))


def test_what_is_no_finding_is_refused_in_either_schema(tmp_path):
    path = tmp_path / "evidence.json"
    row = json.loads(to_json(judged(HIGH)))
    row["findings"].append(3)
    for schema in (SECOND, SCHEMA):
        path.write_text(json.dumps({"schema": schema, "rows": [row]}), encoding="utf-8")
        with pytest.raises(EvidenceError, match="findings, item 5"):
            read_evidence(path)


def test_a_theorem_says_in_how_many_worlds_it_was_searched():
    theorem = judged(HIGH, kind="theorem", seeds=(0, 1, 2), protocol={"worlds": 40})
    assert theorem.why == "no counter-example in 120 worlds"


def test_no_chance_is_in_a_theorem_so_that_it_has_no_p_value_and_no_place_in_the_family():
    others = [judged(HIGH), nothing(scale="small"), judged(SPREAD)]
    theorem = judged(HIGH, name="lemma", kind="theorem", counter_example="z = 0")
    assert theorem.p_value is None
    alone = adjusted_p_values(others)
    assert adjusted_p_values([others[0], theorem, *others[1:]]) == [alone[0], Adjusted(), *alone[1:]]
    assert "counter-example: z = 0" in theorem.message()
    assert from_json(to_json(theorem)) == theorem


@pytest.mark.parametrize("place", ["a folder", "a device", "under a file"])
def test_a_place_where_no_file_can_be_is_refused_and_left_as_it_is(tmp_path, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    chosen = {"a folder": tmp_path / "folder", "a device": tmp_path / "null", "under a file": tmp_path / "file" / "e"}
    (tmp_path / "null").symlink_to("/dev/null")
    with pytest.raises(EvidenceError, match="cannot be written"):
        write_evidence(chosen[place], [nothing()])
    assert (tmp_path / "null").is_symlink()
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("no json", "is no evidence file", id="not JSON"),
        pytest.param("[]", "is no evidence file", id="a list"),
        pytest.param('{"rows": []}', "is no evidence file: 'schema'", id="no schema"),
        pytest.param('{"schema": 2}', "is no evidence file: 'rows'", id="no rows"),
        pytest.param('{"schema": 2, "rows": 3}', "is no evidence file", id="rows of another kind"),
        pytest.param('{"schema": 99, "rows": []}', "has schema 99; this version reads 2 and 3", id="other schema"),
        pytest.param('{"schema": 3, "rows": [3]}', "not an evidence row of this version", id="a number as row"),
        pytest.param('{"schema": 2, "rows": [{}]}', "not an evidence row of this version", id="an empty row"),
        pytest.param('{"schema": 2, "rows": [], "a": "\\ud800"}', "is no evidence file", id="what is no text"),
        pytest.param("[" * 100_000, "is no evidence file", id="too deep"),
    ],
)
def test_a_file_that_is_none_of_this_version_is_refused(tmp_path, text, message):
    path = tmp_path / "evidence.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EvidenceError, match=message):
        read_evidence(path)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=r"nowhere\.json is no evidence file"):
        read_evidence(tmp_path / "nowhere.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EvidenceError, match=r"bytes\.json is no evidence file"):
        read_evidence(tmp_path / "bytes.json")


# Written by hand


def edited(tmp_path, row, edit):
    """Write a row, edit it in the file, and read it again."""
    path = tmp_path / "evidence.json"
    write_evidence(path, [row])
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document["rows"][0])
    path.write_text(json.dumps(document), encoding="utf-8")
    return read_evidence(path)


def setting(*path_and_value):
    """Return an edit that sets the value at a path."""
    *path, last, value = path_and_value

    def edit(fields):
        for part in path:
            fields = fields[part]
        fields[last] = value

    return edit


EDITS = {
    "verdict": (setting("verdict", "SUPPORTED"), "says SUPPORTED, and its numbers and bounds say REFUTED"),
    "verdict hidden": (setting("verdict", "NOT RUN"), "says NOT RUN, and has numbers"),
    "value": (setting("findings", 0, "values", [0.9, 0.8, 0.9]), "says REFUTED, and its numbers"),
    "bound": (setting("findings", 0, "criterion", "bound", -1.0), "says REFUTED, and its numbers"),
    "role": (setting("findings", 0, "criterion", "role", "reported"), "cannot be judged: .*no criterion with role"),
    "outcome": (setting("findings", 3, "outcome", "undecided"), "says what its numbers do not of beside"),
    "interval": (setting("findings", 0, "interval", "high", 0.4), "says what its numbers do not of gap"),
    "p-value": (setting("findings", 0, "p_value", 0.01), "says what its numbers do not of gap"),
    "p against": (setting("findings", 0, "p_against", 0.9), "says what its numbers do not of gap"),
    "items": (setting("findings", 0, "items", 3), "says what its numbers do not of gap"),
    "negligible": (setting("findings", 0, "negligible", True), "says what its numbers do not of gap"),
    "margin": (setting("findings", 0, "criterion", "margin", 5.0), "says REFUTED, and its numbers"),
    "unit": (setting("findings", 0, "criterion", "unit", "ratio"), "says "),
    "unit that counts": (setting("findings", 0, "criterion", "unit", "share"), "cannot be judged: .*counted from"),
    "bound of nothing": (setting("findings", 0, "criterion", "bound", 2.0), "says what its numbers do not of gap"),
    "confidence of one": (setting("findings", 0, "interval", "confidence", 0.99), "has intervals of 95 %, 99 %"),
    "counts": (setting("findings", 2, "counts", [30, 30]), "cannot be judged"),
    "counts of one": (setting("findings", 2, "counts", [30, 30, 0]), "cannot be judged"),
    "more counts": (setting("findings", 2, "counts", [300, 300, 300]), "says what its numbers do not of alarms"),
    "seed left out": (setting("seeds", [0, 1]), "is of 2 seeds, and has another number of values"),
    "no findings": (setting("findings", []), "has intervals of nothing"),
    "NaN": (setting("findings", 0, "values", [0.1, 0.2, math.nan]), "cannot be judged: .*not finite"),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_does_not_follow_from_its_numbers_is_refused(tmp_path, name):
    edit, message = EDITS[name]
    with pytest.raises(EvidenceError, match=rf"evidence\.json: the row memory-small-digits {message}"):
        edited(tmp_path, judged(LOW), edit)


def test_weak_intervals_are_refused_though_they_follow_from_the_numbers(tmp_path):
    with pytest.raises(EvidenceError, match="has intervals of 50 %"):
        edited(tmp_path, judged(SPREAD, confidence=0.5), lambda _: None)


def test_what_another_version_rounds_otherwise_is_read(tmp_path):
    row = judged(SPREAD)
    low = row.findings[0].interval.low
    (found,) = edited(tmp_path, row, setting("findings", 0, "interval", "low", low * (1 + 1e-9)))
    assert found.findings[0].outcome is Outcome.UNDECIDED


CURVE = {"x": [0], "series": {"a": [[1]]}, "x_label": "", "y_label": "", "steps": []}


def test_a_row_with_a_curve_is_read(tmp_path):
    (found,) = edited(tmp_path, judged(HIGH), setting("curves", {"c": CURVE}))
    assert found.curves == {"c": Curve([0], {"a": [[1]]}, "", "")}


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(setting("verdict", "MAYBE"), id="verdict"),
        pytest.param(setting("known", "MAYBE"), id="known verdict"),
        pytest.param(setting("colour", "red"), id="unknown field"),
        pytest.param(setting("curves", ["none"]), id="curves of another kind"),
        pytest.param(setting("curves", {"c": CURVE | {"series": {"a": [["b"]]}}}), id="curve"),
        pytest.param(setting("curves", {"c": {"x": [0], "series": {}}}), id="half a curve"),
        pytest.param(setting("findings", [{}]), id="finding"),
        pytest.param(setting("findings", 0, "values", [0.1, None, 0.2]), id="null"),
        pytest.param(setting("findings", 0, "criterion", "direction", "sideways"), id="direction"),
        pytest.param(setting("seconds", math.inf), id="seconds"),
        pytest.param(setting("seeds", "012"), id="seeds"),
        pytest.param(setting("findings", 0, "values", [10**400, 1, 1]), id="too large"),
    ],
)
def test_a_row_with_a_strange_field_is_refused(tmp_path, edit):
    with pytest.raises(EvidenceError, match="not an evidence row of this version"):
        edited(tmp_path, judged(HIGH), edit)


def test_what_is_strange_is_named_with_its_place(tmp_path):
    place = "the row, findings, item 1, criterion, bound: expected float, found 'high'"
    with pytest.raises(EvidenceError, match=f"not an evidence row of this version: {place}"):
        edited(tmp_path, judged(HIGH), setting("findings", 0, "criterion", "bound", "high"))
    curve = {"x": [0, None], "series": {"a": [[1, None, "b"]]}, "x_label": "", "y_label": ""}
    with pytest.raises(EvidenceError, match="the row, curves, c, series, a, item 1, item 3: expected float, found 'b'"):
        edited(tmp_path, judged(HIGH), setting("curves", {"c": curve}))


def places(value, path=()):
    """Every path into nested lists and dictionaries."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


ROW = json.loads(to_json(full_row()))
STRANGE = (None, True, 0, -1, 2.5, math.nan, math.inf, 10**400, "", "x", [], [[]], [None], {}, {"x": {"y": 1}})


@pytest.mark.parametrize("path", list(places(ROW)), ids=lambda path: "-".join(map(str, path)))
def test_a_field_that_was_changed_or_removed_is_read_or_refused_and_nothing_else(tmp_path, path):
    """Of every field on its own; what is read can be shown."""
    *before, last = path
    file = tmp_path / "evidence.json"
    for strange in (*STRANGE, "removed"):
        row = copy.deepcopy(ROW)
        parent = row
        for part in before:
            parent = parent[part]
        if strange == "removed":
            del parent[last]
        else:
            parent[last] = strange
        file.write_text(json.dumps({"schema": SCHEMA, "rows": [row]}), encoding="utf-8")
        try:
            (found,) = read_evidence(file)
        except EvidenceError:
            continue
        assert found.message(), repr(strange)
        assert adjusted_p_values([found]), repr(strange)
        assert from_json(to_json(found)).id == found.id, repr(strange)
