"""Tables of the README."""

from featdyn_core.cli.main import main
from featdyn_core.tests.cli.printed import count
from featdyn_core.tests.toy import entry, write_project


def test_claims_are_listed_with_their_scales(project, capsys):
    assert main(["claims"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert count(lines, "`demo`") == 1
    other = write_project(project / "other", other=entry("Other claim"))
    assert main(["claims", "--register", str(other / "claims/register")]) == 0
    assert "`other`" in capsys.readouterr().out
