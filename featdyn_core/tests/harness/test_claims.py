"""The measurement of a claim is found in its file."""

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.harness.claims import measures
from featdyn_core.tests.toy import write_claim


def test_measure_of_each_claim_is_found_by_its_mark(project):
    for claim in ("demo", "demo-two"):
        write_claim(project, claim)
    found = measures(project / "claims", ["demo-two", "demo"])
    assert list(found) == ["demo-two", "demo"]
    assert found["demo"] is not found["demo-two"]
    assert found["demo"].__name__ == "measure"


def test_file_without_mark_or_measure_is_none_of_a_claim(project):
    write_claim(project)
    (project / "claims/test_other.py").write_text("def measure(run):\n    return run\n")
    (project / "claims/test_idle.py").write_text('import pytest\npytestmark = [pytest.mark.claim("idle")]\n')
    assert list(measures(project / "claims", ["demo"])) == ["demo"]
    with pytest.raises(RecipeError, match=r"claim 'idle' has no file in .*; write it, such as test_idle\.py"):
        measures(project / "claims", ["idle"])


def test_file_that_cannot_be_imported_is_reported(project):
    (project / "claims/test_broken.py").write_text("import nothing_of_this_name")
    with pytest.raises(RecipeError, match=r"test_broken\.py cannot be imported: ModuleNotFoundError"):
        measures(project / "claims", [])
