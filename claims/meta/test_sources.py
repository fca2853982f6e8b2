"""The source of published records is signed, so an edit of the measuring code is detected."""

import tomllib

import pytest

from featdyn_core.project import records_folder
from featdyn_core.records.kinds import KINDS
from featdyn_core.store.published import published
from featdyn_core.store.source import measuring_source

SIGNED = tomllib.loads((records_folder() / "sources.toml").read_text(encoding="utf-8"))
FACTS = [
    facts
    for folder in sorted(path for path in records_folder().iterdir() if path.is_dir())
    for facts in published(folder).facts
]


def signed(kind: str) -> dict[str, str]:
    """Return the sources of a kind at its present version, each with its signature."""
    return SIGNED.get(kind, {}).get(str(KINDS[kind].version), {})


@pytest.mark.parametrize("kind", sorted({facts["kind"] for facts in FACTS}))
def test_an_edit_raises_the_version_or_is_signed(kind: str) -> None:
    source = measuring_source(kind)
    assert source in signed(kind), (
        f"what {kind!r} is measured by was edited. If it measures something else, raise the version of the kind; if "
        f'its numbers are the same, sign it in sources.toml, [{kind}.{KINDS[kind].version}]: "{source}" = "same '
        'numbers, judged again at commit ..."'
    )


def test_the_source_of_every_published_record_is_signed() -> None:
    assert FACTS
    unsigned = {(facts["kind"], facts["source"]) for facts in FACTS if facts["source"] not in signed(facts["kind"])}
    assert not unsigned, f"sources.toml says nothing of {unsigned}"


def test_a_line_is_signed_by_a_commit() -> None:
    lines = [line for versions in SIGNED.values() for sources in versions.values() for line in sources.values()]
    assert lines
    assert not [line for line in lines if "at commit" not in line]
