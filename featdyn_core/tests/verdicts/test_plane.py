"""Pictures in evidence, written to a file and read again."""

import json

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.tests.report.sample import evidence, plane
from featdyn_core.verdicts.documents import from_json, to_json


def test_a_picture_comes_back_as_it_was():
    row = evidence("induction", planes={"regions": plane()})
    assert from_json(to_json(row)) == row


def test_a_row_of_before_there_were_pictures_has_none():
    fields = json.loads(to_json(evidence("induction")))
    fields.pop("planes", None)
    assert from_json(json.dumps(fields)).planes == {}


@pytest.mark.parametrize(
    "change",
    [{"regions": [7]}, {"seed": "1"}, {"paths": [{"label": "0", "x": [1.0]}]}, {"paths": 3}, {"colour": "red"}],
    ids=["lines that are no text", "a seed that is not a number", "a path without ordinates", "no paths", "unknown"],
)
def test_what_is_no_picture_is_refused(change):
    fields = json.loads(to_json(evidence("induction", planes={"regions": plane()})))
    fields["planes"]["regions"] |= change
    with pytest.raises(EvidenceError, match="not an evidence row"):
        from_json(json.dumps(fields))
