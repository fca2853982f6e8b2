"""Published records: those behind the published evidence, committed, for anyone to judge again.

Layout of ``fixtures/records``::

    <scale>/manifest.json           what every record is: sha256, recipe, key, data, checkpoints, who measured it
    <scale>/<folder>/<record>.npz   the records (see ``records``)
"""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from featdyn_core.errors import DamagedRecordError, MissingRecordError, StoreError
from featdyn_core.files import LARGEST_DOCUMENT, read_file, write_atomically
from featdyn_core.records.kinds import KINDS
from featdyn_core.records.request import Request
from featdyn_core.store.documents import parse, seal, unseal
from featdyn_core.store.records import Record, check_facts, read_record

SCHEMA = 2
MANIFEST = "manifest.json"

MEND = "take what was published, or publish anew"
"""What to do about damaged published records."""


class PublishedRecords:
    """The published records of one scale.

    Args:
        folder: with a manifest; without one there are no records.

    Raises:
        DamagedRecordError: the manifest cannot be read, or there are files that it does not name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = _read_manifest(folder)
        self._by_seed: dict[tuple[int, str], list[dict[str, Any]]] = {}
        for facts in self.facts:
            self._by_seed.setdefault((facts["seed"], facts["kind"]), []).append(facts)
        named = {facts["file"] for facts in self.facts}
        if strange := [path for path in _files(folder) if path.relative_to(folder).as_posix() not in named]:
            raise DamagedRecordError(f"{strange[0]} is not in the manifest of {folder}; remove it")

    def describe(self, request: Request) -> dict[str, Any] | None:
        """Return the description of a record that holds all that is asked for; None if there is none.

        Raises:
            DamagedRecordError: the records of this name and seed are of another recipe than the present one.
        """
        for facts in self._by_seed.get((request.seed, request.kind), ()):
            if facts["recipe_digest"] != request.recipe.digest:
                if facts["recipe"] == request.recipe.name:
                    raise DamagedRecordError(
                        f"the published records of {request.recipe.name} in {self.folder} are foreign: they were made "
                        "with a recipe of another digest; publish anew, or put the recipe back"
                    )
                continue
            if Request(request.recipe, request.seed, request.kind, facts["parameters"]).covers(request):
                return facts
        return None

    def complete(self, requests: Iterable[Request]) -> bool:
        """Whether there is a record for each of the requests.

        What ``describe`` finds damaged is a ``DamagedRecordError``.
        """
        return all(self.describe(request) is not None for request in requests)

    def get(self, request: Request) -> Record:
        """Return the record that holds all that is asked for.

        One that is not what was published is a ``DamagedRecordError``.

        Raises:
            MissingRecordError: there is none.
        """
        facts = self.describe(request)
        if facts is None:
            raise MissingRecordError(f"no record of the {request} is published at the scale {self.folder.name}")
        return read_record(self.folder, facts, MEND)


@functools.cache
def published(folder: Path) -> PublishedRecords:
    """Return the published records of a folder, whose manifest is read once a process."""
    return PublishedRecords(folder)


def publish(folder: Path, records: Sequence[Record]) -> None:
    """Write records and their manifest; records of before that are not among them are removed.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        for record in records:
            path = folder / record.facts["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, record.content)
        facts = sorted((record.facts for record in records), key=lambda item: item["file"])
        write_atomically(folder / MANIFEST, seal({"schema": SCHEMA, "records": facts}))
        named = {item["file"] for item in facts}
        for path in _files(folder):
            if path.relative_to(folder).as_posix() not in named:
                path.unlink()
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror or error})") from error


def _read_manifest(folder: Path) -> list[dict[str, Any]]:
    path = folder / MANIFEST
    if not path.exists():
        return []
    try:
        text = read_file(path, LARGEST_DOCUMENT)
        schema = parse(text)["schema"]  # before the seal, which another schema may have made otherwise
        entries = list(unseal(text)["records"]) if schema == SCHEMA else []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedRecordError(f"{path} cannot be read ({error}); {MEND}") from error
    if schema != SCHEMA:
        raise DamagedRecordError(f"{path} has schema {schema!r}; this version reads {SCHEMA}")
    return [_of_this_version(check_facts(facts, path, MEND), path) for facts in entries]


def _of_this_version(facts: dict[str, Any], path: Path) -> dict[str, Any]:
    if facts["version"] != KINDS[facts["kind"]].version:
        raise DamagedRecordError(
            f"{path} has {facts['file']} of version {facts['version']}, and this version of featdyn reads "
            f"{KINDS[facts['kind']].version}; publish anew"
        )
    return facts


def _files(folder: Path) -> list[Path]:
    """All files but the manifest, however deep."""
    return sorted(path for path in folder.rglob("*") if not path.is_dir() and path != folder / MANIFEST)
