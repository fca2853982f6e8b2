"""Evidence files: rows come back as they were, and files that no run wrote are refused."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import EvidenceError
from featdyn_core.sealed import unseal_lines
from featdyn_core.tests.verdicts.rows import HIGH, LOW, SPREAD, full_row, judged, nothing, sealed
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.criterion import Outcome, Role
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.documents import (
    SCHEMA,
    SECOND,
    THIRD,
    from_json,
    read_document,
    read_evidence,
    to_json,
    write_evidence,
)
from featdyn_core.verdicts.families import adjusted_p_values

finite = st.floats(-1e6, 1e6, allow_subnormal=False)
texts = st.text(st.characters(codec="utf-8"), max_size=12)

PUBLISHED = Path(__file__).parents[3] / "evidence" / "protocol-2" / "fast-cpu" / "evidence.json"
"""Of the second protocol."""


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
    with pytest.raises(TypeError, match="an evidence file cannot hold a set"):
        to_json(nothing(environment={"state": {1}}))


def test_files_keep_rows_their_order_and_the_facts(tmp_path):
    deselected = nothing(Verdict.DESELECTED, scale="reduced")
    rows = [judged(HIGH), nothing(), full_row(), judged(LOW, name="forgetting"), deselected]
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


def test_a_file_has_a_row_to_a_line_and_facts_as_they_are(tmp_path):
    path = tmp_path / "evidence.json"
    facts = {
        "seeds": [5, -0.25, math.nan, 1e-12],
        "command": ["[\n 1,\n 2\n]", "[ 3 ]"],
        "empty": [],
        "nested": [[1, 2], [3]],
    }
    write_evidence(path, [full_row()], facts=facts)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[lines.index('"rows": [') + 1])["claim"] == "memory"
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


def test_counts_of_other_seeds_are_no_evidence(tmp_path):
    def more(row):
        finding = row["findings"][0]
        finding["counts"] = [10] * (len(finding["values"]) - 1)

    with pytest.raises(EvidenceError):
        edited(tmp_path, judged(HIGH), more)


def test_a_file_of_the_second_protocol_is_read_and_named_so():
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
    """Verdicts of the second protocol cannot be judged again, so in a file of the third they could be forged."""
    with pytest.raises(EvidenceError, match="memory-small-digits was judged by protocol 2, but its file is of protoc"):
        edited(tmp_path, judged(LOW), setting("rule", SECOND))


def test_what_is_no_finding_is_refused_in_every_schema(tmp_path):
    path = tmp_path / "evidence.json"
    row = json.loads(to_json(judged(HIGH)))
    row["findings"].append(3)
    for schema in (SECOND, THIRD, SCHEMA):
        document = {"schema": schema, "rows": [row]}
        path.write_text(json.dumps(document if schema == SECOND else sealed(document)), encoding="utf-8")
        with pytest.raises(EvidenceError, match="findings, item 5"):
            read_evidence(path)


@pytest.mark.parametrize("place", ["a folder", "a device", "under a file"])
def test_a_path_that_cannot_be_a_file_is_refused_and_untouched(tmp_path, place):
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
        pytest.param("no json", "is not an evidence file", id="not JSON"),
        pytest.param('{"schema": 3, "rows": [], "a": NaN}', "is not an evidence file: .*not JSON", id="no number"),
        pytest.param("[]", "is not an evidence file", id="a list"),
        pytest.param('{"rows": []}', "is not an evidence file: 'schema'", id="no schema"),
        pytest.param('{"schema": 2}', "is not an evidence file: 'rows'", id="no rows"),
        pytest.param('{"schema": 2, "rows": 3}', "is not an evidence file", id="rows of another kind"),
        pytest.param('{"schema": 99, "rows": []}', "has schema 99; this version reads 2 to 4", id="other schema"),
        pytest.param('{"schema": 3, "rows": []}', "does not match its seal", id="no seal of the third schema"),
        pytest.param('{"schema": 4, "rows": []}', "does not match its seal", id="no seal"),
        pytest.param('{"schema": 2, "rows": [], "seal": ""}', "does not match its seal", id="seal of another schema"),
        pytest.param(json.dumps(sealed({"schema": 3, "rows": [3]})), "not an evidence row", id="a number as row"),
        pytest.param('{"schema": 2, "rows": [{}]}', "not an evidence row of this version", id="an empty row"),
        pytest.param('{"schema": 2, "rows": [], "a": "\\ud800"}', "is not an evidence file", id="what is no text"),
        pytest.param(
            json.dumps(sealed({"schema": 4, "rows": [], "a": "\ud800"})),
            "is not an evidence file",
            id="no text, sealed",
        ),
        pytest.param('{"schema": 4, "rows": [], "a": 1e999}', "Out of range", id="a number beyond floats"),
        pytest.param('{"schema": 2, "rows": [], "a": 1e999}', "is not an evidence file", id="the same, of schema 2"),
        pytest.param("[" * 100_000, "is not an evidence file", id="too deep"),
    ],
)
def test_a_file_that_is_none_of_this_version_is_refused(tmp_path, text, message):
    path = tmp_path / "evidence.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EvidenceError, match=message):
        read_evidence(path)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=r"there is no file .*nowhere\.json"):
        read_evidence(tmp_path / "nowhere.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EvidenceError, match=r"bytes\.json is not an evidence file"):
        read_evidence(tmp_path / "bytes.json")


def places(value, path=()):
    """Every path into nested lists and dictionaries."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def edited(tmp_path, row, edit, schema=SCHEMA):
    """Write a row, edit it in a file without shared tables, and read it again."""
    path = tmp_path / "evidence.json"
    write_evidence(path, [row])
    content = unseal_lines(json.loads(path.read_text(encoding="utf-8")), "rows")
    edit(content["rows"][0])
    path.write_text(json.dumps(sealed(content | {"schema": schema})), encoding="utf-8")
    return read_evidence(path)


@pytest.mark.parametrize("schema", [THIRD, SCHEMA])
def test_rows_that_stand_whole_are_read(tmp_path, schema):
    assert edited(tmp_path, full_row(), lambda _: None, schema) == [full_row()]


def setting(*path_and_value):
    """Return an edit that sets the value at a path."""
    *path, last, value = path_and_value

    def edit(fields):
        for part in path:
            fields = fields[part]
        fields[last] = value

    return edit


EDITS = {
    "verdict": (setting("verdict", "SUPPORTED"), "says SUPPORTED, but its numbers and bounds give REFUTED"),
    "verdict hidden": (setting("verdict", "NOT RUN"), "says NOT RUN, but has numbers"),
    "value": (setting("findings", 0, "values", [0.9, 0.8, 0.9]), "says REFUTED, but its numbers"),
    "bound": (setting("findings", 0, "criterion", "bound", -1.0), "says REFUTED, but its numbers"),
    "role": (setting("findings", 0, "criterion", "role", "reported"), "cannot be judged: .*no criterion with role"),
    "outcome": (setting("findings", 3, "outcome", "undecided"), "has results for beside"),
    "interval": (setting("findings", 0, "interval", "high", 0.4), "has results for gap"),
    "p-value": (setting("findings", 0, "p_value", 0.01), "has results for gap"),
    "p against": (setting("findings", 0, "p_against", 0.9), "has results for gap"),
    "items": (setting("findings", 0, "items", 3), "has results for gap"),
    "negligible": (setting("findings", 0, "negligible", True), "has results for gap"),
    "margin": (setting("findings", 0, "criterion", "margin", 5.0), "says REFUTED, but its numbers"),
    "unit": (setting("findings", 0, "criterion", "unit", "ratio"), "says "),
    "unit that counts": (setting("findings", 0, "criterion", "unit", "share"), "cannot be judged: .*counted from"),
    "bound of nothing": (setting("findings", 0, "criterion", "bound", 2.0), "has results for gap"),
    "confidence of one": (setting("findings", 0, "interval", "confidence", 0.99), "has intervals of 95 %, 99 %"),
    "counts": (setting("findings", 2, "counts", [30, 30]), "cannot be judged"),
    "counts of one": (setting("findings", 2, "counts", [30, 30, 0]), "cannot be judged"),
    "more counts": (setting("findings", 2, "counts", [300, 300, 300]), "has results for alarms"),
    "seed left out": (setting("seeds", [0, 1]), "has 2 seeds, but another number of values"),
    "no findings": (setting("findings", []), "has intervals of no level"),
    "seed twice": (setting("seeds", [0, 1, 1]), "has a seed twice"),
    "kind": (setting("kind", "theorem"), "is of kind theorem, but its criteria are of another kind"),
    "reason": (setting("reason", "no data"), "says REFUTED, but gives a reason why nothing was judged"),
    "Holm": (setting("holm_p_against", 1e-9), r"has the Holm-adjusted p-values .*, but they should be"),
}


@pytest.mark.parametrize("schema", [THIRD, SCHEMA])
@pytest.mark.parametrize("name", EDITS)
def test_what_does_not_follow_from_its_numbers_is_refused(tmp_path, name, schema):
    edit, message = EDITS[name]
    with pytest.raises(EvidenceError, match=rf"evidence\.json: the row memory-small-digits {message}"):
        edited(tmp_path, judged(LOW), edit, schema)


def forged(tmp_path, edit):
    """Write two rows, edit the file as it stands, seal it again, and read it."""
    path = tmp_path / "evidence.json"
    write_evidence(path, [judged(LOW), judged(HIGH, name="forgetting")])
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(json.dumps(sealed(document)), encoding="utf-8")
    return read_evidence(path)


NUMBERS = r"the row memory-small-digits says REFUTED, but its numbers and bounds give"
FORGED_TABLES = {
    "no entry": (setting("rows", 1, "sentence", 9), "rows, item 2, sentence: 9 is not the number of an entry; the"),
    "negative": (setting("rows", 0, "sentence", -1), "rows, item 1, sentence: -1 is not the number of an entry"),
    "text": (setting("rows", 0, "findings", "values", 0, "0"), r"item 1, findings\.values\.\*: '0' is not the number"),
    "a criterion's bound": (setting("shared", "findings.criterion.*", 0, "bound", -1.0), NUMBERS),
    "numbers": (setting("shared", "findings.values.*", 0, [0.9, 0.8, 0.7]), NUMBERS),
    "another's numbers": (setting("rows", 0, "findings", "values", 0, 3), "has results for gap"),
    "counts": (setting("shared", "findings.counts.*", 0, [300, 300, 300]), "has results for alarms"),
    "no table": (
        setting("shared", {}),
        "of this version: the row, sentence: expected str, found 0",
    ),
    "a column": (setting("rows", 0, "findings", "p_value", []), "item 1, findings: its columns are not lists of one"),
    "no columns": (setting("columns", []), "not an evidence row of this version: the row, findings: expected a list"),
}


@pytest.mark.parametrize("name", FORGED_TABLES)
def test_what_tables_say_is_judged_again(tmp_path, name):
    edit, message = FORGED_TABLES[name]
    with pytest.raises(EvidenceError, match=message):
        forged(tmp_path, edit)


def test_what_rows_repeat_is_once_in_a_file(tmp_path):
    path = tmp_path / "evidence.json"
    facts = {"measured": [{"commit": "c0ffee"}], "protocol": {"images": 500}, "checkpoints": {"a/0": {"key": "4e9f"}}}
    curves = {"memory": Curve([0.0, 1.0], {"depth 1": [[0.125, 0.25]] * 3}, "epoch", "agreement")}
    rows = [judged(HIGH, name=name, curves=curves, **facts) for name in ("memory", "forgetting")]
    write_evidence(path, rows)
    text = path.read_text(encoding="utf-8")
    told = ("Features remain.", "c0ffee", '"images":500', "4e9f", "[0.125,0.25]", "false alarms", "[0.9,0.8,0.7]")
    assert {each: text.count(each) for each in told} == dict.fromkeys(told, 1)
    assert read_evidence(path) == rows


def test_rows_that_share_a_criterion_read_it_once(tmp_path):
    write_evidence(tmp_path / "evidence.json", [full_row(), full_row(claim="other")])
    one, other = read_evidence(tmp_path / "evidence.json")
    assert all(a.criterion is b.criterion for a, b in zip(one.findings, other.findings, strict=True))


def test_a_repeated_row_is_refused(tmp_path):
    write_evidence(tmp_path / "evidence.json", [judged(HIGH), judged(HIGH)])
    with pytest.raises(EvidenceError, match="it has the row memory-small-digits twice"):
        read_evidence(tmp_path / "evidence.json")


def at_each_place(tmp_path):
    """Yield a file with an edit of its document, for each place in tables and rows."""
    path = tmp_path / "evidence.json"
    write_evidence(path, [full_row()], facts={"command": ["pytest"]})
    original = json.loads(path.read_text(encoding="utf-8"))
    for place in places(original):
        if place not in (("schema",), ("rows",), ("seal",)):

            def edit(value, place=place):
                document = copy.deepcopy(original)
                setting(*place, value)(document)
                return document

            yield path, edit, place


def test_an_edit_of_any_place_breaks_the_seal(tmp_path):
    tried = 0
    for path, edit, place in at_each_place(tmp_path):
        path.write_text(json.dumps(edit("edited")), encoding="utf-8")
        with pytest.raises(EvidenceError, match="does not match its seal: it was changed after it was written"):
            read_evidence(path)
        assert place
        tried += 1
    assert tried > len(list(places(json.loads(to_json(full_row())))))


def test_a_sealed_edit_of_any_place_is_read_or_refused(tmp_path):
    for path, edit, place in at_each_place(tmp_path):
        for strange in STRANGE:
            path.write_text(json.dumps(sealed(edit(strange))), encoding="utf-8")
            try:
                found = read_evidence(path)
            except EvidenceError:
                continue
            assert [row.message() for row in found], (place, repr(strange))


@pytest.mark.parametrize("name", ["written", "command", "counts", "schema"])
def test_an_edit_of_a_fact_breaks_the_seal(tmp_path, name):
    path = tmp_path / "evidence.json"
    write_evidence(path, [judged(HIGH)], facts={"command": ["pytest"]})
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(document | {name: SECOND}), encoding="utf-8")
    with pytest.raises(EvidenceError, match="does not match its seal"):
        read_evidence(path)


def test_a_row_of_the_third_protocol_is_none_of_the_second(tmp_path):
    """Its verdict would be shown as written."""
    row = json.loads(to_json(judged(HIGH, family=7)))
    (tmp_path / "evidence.json").write_text(json.dumps({"schema": SECOND, "rows": [row]}), encoding="utf-8")
    with pytest.raises(EvidenceError, match="it has the field 'family'"):
        read_evidence(tmp_path / "evidence.json")


def test_weak_intervals_are_refused_though_the_numbers_give_them(tmp_path):
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
        pytest.param(setting("seeds", "012"), id="seeds"),
        pytest.param(setting("findings", 0, "values", [10**400, 1, 1]), id="too large"),
    ],
)
def test_a_row_with_a_strange_field_is_refused(tmp_path, edit):
    with pytest.raises(EvidenceError, match="not an evidence row of this version"):
        edited(tmp_path, judged(HIGH), edit)


def test_an_endless_duration_is_refused():
    with pytest.raises(EvidenceError, match="the row, seconds: inf is not a duration"):
        from_json(to_json(judged(HIGH, seconds=1.5)).replace('"seconds": 1.5', '"seconds": Infinity'))


def test_what_is_strange_is_named_with_its_place(tmp_path):
    place = "the row, findings, item 1, criterion, bound: expected float, found 'high'"
    with pytest.raises(EvidenceError, match=f"not an evidence row of this version: {place}"):
        edited(tmp_path, judged(HIGH), setting("findings", 0, "criterion", "bound", "high"))
    curve = {"x": [0, None], "series": {"a": [[1, None, "b"]]}, "x_label": "", "y_label": ""}
    with pytest.raises(EvidenceError, match="the row, curves, c, series, a, item 1, item 3: expected float, found 'b'"):
        edited(tmp_path, judged(HIGH), setting("curves", {"c": curve}))


ROW = json.loads(to_json(full_row()))
STRANGE = (None, True, 0, -1, 2.5, math.nan, math.inf, 10**400, "", "x", [], [[]], [None], {}, {"x": {"y": 1}})


@pytest.mark.parametrize("path", list(places(ROW)), ids=lambda path: "-".join(map(str, path)))
def test_a_changed_or_removed_field_is_read_or_refused(tmp_path, path):
    """Every field is edited alone; rows that are read can be shown."""
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
        file.write_text(json.dumps(sealed({"schema": SCHEMA, "rows": [row]})), encoding="utf-8")
        try:
            (found,) = read_evidence(file)
        except EvidenceError:
            continue
        assert found.message(), repr(strange)
        assert adjusted_p_values([found]), repr(strange)
        assert from_json(to_json(found)).id == found.id, repr(strange)
