"""Descriptions of records are checked where they are read; damage of whole records is in ``test_records``."""

from pathlib import Path

import pytest

from featdyn_core.errors import DamagedRecordError
from featdyn_core.store.descriptions import check_facts


def test_facts_are_checked_where_they_are_read():
    with pytest.raises(DamagedRecordError, match=r"here\.json does not describe a record; weep"):
        check_facts(None, Path("here.json"), "weep")
