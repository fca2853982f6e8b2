"""Register, claim files and README say the same: nothing is claimed that is not tested, nothing tested in silence."""

from pathlib import Path

import pytest
from featdyn_core.harness.register import Entry, Register, load_register

from featdyn_core.verdicts.claim import Role

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


@pytest.fixture(scope="module")
def register() -> Register:
    return load_register(HERE / "register.toml")


def readme_row(entry: Entry) -> str:
    """Return the claim's row of the README's table: id, section, what decides it, what controls it."""
    claim = entry.claim("small")

    def bounds(role: Role) -> str:
        return "; ".join(
            f"{item.name} {'>' if item.above else '<'} {item.bound:g}" for item in claim.criteria if item.role is role
        )

    return f"| `{entry.id}` | {entry.section} | {bounds(Role.DECIDES)} | {bounds(Role.CONTROL)} |"


def test_readme_has_every_claim_with_its_bounds(register):
    lines = README.read_text(encoding="utf-8").splitlines()
    missing = [readme_row(entry) for entry in register.entries.values() if readme_row(entry) not in lines]
    assert not missing, "put these rows into the README's table:\n" + "\n".join(missing)


def test_readme_has_no_other_claims(register):
    lines = README.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    known = [readme_row(entry) for entry in register.entries.values()]
    assert [row for row in rows if row not in known] == []


@pytest.mark.parametrize("tier", ["fast", "full"])
def test_every_claim_has_a_test(register, tier):
    sources = {path: path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py")}
    for name in register.entries:
        marked = [text for text in sources.values() if f'pytest.mark.claim("{name}")' in text]
        assert marked, f"no claim file has @pytest.mark.claim({name!r})"
        assert any(f"@pytest.mark.{tier}" in text and "decide(measure" in text for text in marked), (name, tier)


def test_every_marked_claim_is_registered(register):
    for path in HERE.glob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        for part in text.split('pytest.mark.claim("')[1:]:
            assert part.split('"')[0] in register.entries or path.name == "test_coverage.py", path.name


def test_every_claim_fixes_its_windows_at_every_scale(register):
    for entry in register.entries.values():
        assert set(entry.windows) >= set(register.scales), entry.id
