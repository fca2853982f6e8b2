"""Published records of the same quantity agree."""

import pytest

from featdyn_core.project import records_folder
from featdyn_core.store.agreement import disagreements
from featdyn_core.store.published import published
from featdyn_core.store.records import Record

SCALES = sorted(path.name for path in records_folder().iterdir() if path.is_dir())


@pytest.mark.parametrize("scale", SCALES)
def test_published_records_of_one_network_agree(scale: str) -> None:
    source = published(records_folder() / scale)
    records = [Record(facts, (source.folder / facts["file"]).read_bytes()) for facts in source.facts]
    assert records
    assert disagreements(records) == []
