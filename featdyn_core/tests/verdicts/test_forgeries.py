"""Forgeries of published evidence: a file is made to say something else, and its seal is left as it is.

What a row says is changed where it stands: in the row, or in a table of what rows share. Files of the third schema have
no tables. Long; run with ``-m faults``.
"""

import copy
import json
import random
from collections import Counter
from pathlib import Path

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.sealed import unseal_lines
from featdyn_core.tests.verdicts.rows import sealed
from featdyn_core.verdicts.documents import SECOND, THIRD, read_evidence, write_evidence

pytestmark = pytest.mark.faults

PUBLISHED = Path(__file__).parents[3] / "evidence" / "fast-cpu" / "evidence.json"
FORGERIES = 500
TABLE = "table of "
VERDICTS = ("SUPPORTED", "REFUTED", "EQUIVALENT", "INCONCLUSIVE", "INVALID", "NOT RUN")


def otherwise(value, drawn):
    """Return forged values: one of the same kind, and one of another."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return drawn.choice([value + 1, -value - 1, value * 1.01 + 0.001])
    if value in VERDICTS:
        return drawn.choice([verdict for verdict in VERDICTS if verdict != value])
    if isinstance(value, str):
        return drawn.choice([value + "0", "another", value[1:]]) if value else "something"
    if isinstance(value, list) and value:
        return drawn.choice([value[1:], [*value, value[0]], [otherwise(value[0], drawn), *value[1:]]])
    if isinstance(value, dict) and value:
        name = drawn.choice(sorted(value))
        removed = {key: item for key, item in value.items() if key != name}
        return drawn.choice([removed, value | {name: otherwise(value[name], drawn)}])
    return "something"


def forge(document, field, drawn):
    """Change or remove a field of a row or a table, or a value inside it; ``*`` means the rows themselves."""
    rows = document["rows"]
    if field.startswith(TABLE):
        change(document["shared"], field.removeprefix(TABLE), drawn)
        return
    number = drawn.choice([place for place, row in enumerate(rows) if field in row] or range(len(rows)))
    if field == "*":
        rows[:] = drawn.choice([rows[:number] + rows[number + 1 :], [*rows, rows[number]], rows[1:] + rows[:1]])
    elif field not in rows[number]:  # it has its default
        rows[number][field] = drawn.choice([True, 1, "something"])
    else:
        change(rows[number], field, drawn)


def change(table, field, drawn):
    """Remove a field, or change its value, usually in one place."""
    if drawn.random() < 0.1:
        del table[field]
    elif isinstance(table[field], list) and len(table[field]) > 1 and drawn.random() < 0.8:
        number = drawn.randrange(len(table[field]))
        table[field][number] = otherwise(table[field][number], drawn)
    else:
        table[field] = otherwise(table[field], drawn)


def refused(tmp_path, document) -> bool:
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        read_evidence(path)
    except EvidenceError:
        return True
    return False


def excerpt(path):
    """Write, for each field, the first published row with it as an evidence file; return it as JSON."""
    found, known = [], set()
    for table, row in zip(json.loads(PUBLISHED.read_text())["rows"], read_evidence(PUBLISHED), strict=True):
        if set(table) - known:
            found.append(row)
            known |= set(table)
    write_evidence(path, found)
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("layout", ["shared", "whole"])
def test_every_forgery_of_published_evidence_is_refused(tmp_path, layout):
    original = excerpt(tmp_path / "evidence.json")
    if layout == "whole":
        original = sealed(unseal_lines(original, "rows") | {"schema": THIRD})
    assert not refused(tmp_path, original)
    tables = [TABLE + path for path in original.get("shared", {})]
    assert bool(tables) is (layout == "shared")
    fields = ["*", "exploratory", *tables, *sorted({field for row in original["rows"] for field in row})]
    drawn, tried, read, by_seal = random.Random(0), Counter(), [], 0
    while tried.total() < FORGERIES:
        field = fields[tried.total() % len(fields)]
        document = copy.deepcopy(original)
        forge(document, field, drawn)
        assert json.dumps(document) != json.dumps(original), field
        tried[field] += 1
        if not refused(tmp_path, document):
            read.append(field)
        by_seal += tried[field] == 1 and not refused(tmp_path, sealed(document))
    assert read == []
    assert min(tried.values()) >= FORGERIES // len(fields)
    assert by_seal > 5  # nothing but the seal speaks against these


def test_forged_facts_and_schemas_are_refused(tmp_path):
    original = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    drawn = random.Random(1)
    for name in original:
        assert refused(tmp_path, original | {name: otherwise(original[name], drawn)}), name
        assert refused(tmp_path, {key: value for key, value in original.items() if key != name}), name
    rest = {name: value for name, value in original.items() if name != "seal"}
    assert refused(tmp_path, rest | {"schema": SECOND})  # which has no seal
