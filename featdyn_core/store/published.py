"""Published records: those behind the published evidence, committed, for anyone to judge again.

Layout of ``fixtures/records``::

    <scale>/manifest.json           what every record is: sha256, recipe, key, data, checkpoints, who measured it;
                                    sealed, and what records repeat once (see ``sealed``)
    <scale>/<folder>/<record>.npz   the records (see ``records``)

Whatever is damaged costs the rows that read it, and no others. Files that no manifest names, such as notes, cost
nothing: they are not read.
"""

import contextlib
import functools
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from featdyn_core.errors import DamagedRecordError, MissingRecordError, StoreError
from featdyn_core.files import LARGEST_DOCUMENT, read_file, sha256_of, sync_folder, write_atomically
from featdyn_core.records.kinds import KINDS
from featdyn_core.records.request import Request
from featdyn_core.sealed import seal_lines, unseal_lines
from featdyn_core.store.descriptions import check_facts, is_newer, is_place
from featdyn_core.store.documents import parse, unseal
from featdyn_core.store.layout import remove, sweep
from featdyn_core.store.records import Record, read_record

SCHEMA = 4
SECOND, THIRD = 2, 3
"""The schemas before it, which spell a manifest otherwise and say the same."""

MANIFEST = "manifest.json"

MEND = "take what was published, or publish anew"
"""What to do about damaged published records."""

_SHARED = ("parameters", "recipe_digest", "key", "data", "checkpoints", "partner", "source", "measured")
"""What of a record stands in a manifest once: all records of a training have it, or all of a kind."""

_STAGED = re.compile(r"\..+\.npz\.[0-9a-f]{64}\.new")
"""Names of records that wait for the manifest that names them, with their sha256."""


class PublishedRecords:
    """The published records of one scale.

    Attributes:
        facts: facts of each record that this version can read.
        files: every file that the manifest names, and those that were to be removed when it was written.
        newer: whether there are records that only a newer version of featdyn can read.
        fault: what is wrong with the folder as a whole; empty if nothing is.

    Args:
        folder: with a manifest; without one there are no records.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: list[dict[str, Any]] = []
        self.files: set[str] = set()
        self.newer = False
        self.fault = ""
        self._by_seed: dict[tuple[int, str], list[dict[str, Any]]] = {}
        self._unusable: dict[tuple[int, str], list[tuple[dict[str, Any], str]]] = {}
        try:
            entries, retired = _read_manifest(folder)
            for facts in entries:
                self._take(facts)
            named = [*retired, *(facts.get("file") for facts in entries)]
            self.files = {name for name in named if isinstance(name, str) and is_place(name)}
        except DamagedRecordError as error:
            self.fault = str(error)

    def _take(self, facts: Any) -> None:
        """Take an entry of the manifest, or note why it cannot be read for those who ask for it.

        Raises:
            DamagedRecordError: it does not say whose record it is.
        """
        path = self.folder / MANIFEST
        if not (isinstance(facts, dict) and type(facts.get("seed")) is int and isinstance(facts.get("kind"), str)):
            raise DamagedRecordError(f"{path} does not describe a record; {MEND}")
        place = facts["seed"], facts["kind"]
        if is_newer(facts):
            self.newer = True
        try:
            checked = _of_this_version(check_facts(facts, path, MEND), path)
        except DamagedRecordError as error:
            self._unusable.setdefault(place, []).append((facts, str(error)))
        else:
            self.facts.append(checked)
            self._by_seed.setdefault(place, []).append(checked)

    @property
    def present(self) -> bool:
        """Whether anything is published, be it damaged."""
        return bool(self.facts or self._unusable or self.fault)

    @property
    def faults(self) -> list[str]:
        """What is wrong with the manifest, in words."""
        found = [fault for entries in self._unusable.values() for _, fault in entries]
        return [self.fault] if self.fault else found

    def find(self, request: Request) -> dict[str, Any] | None:
        """Return the description of a record that holds all that is asked for; None if there is none that is of use.

        Raises:
            DamagedRecordError: the manifest cannot be read.
        """
        if self.fault:
            raise DamagedRecordError(self.fault)
        for facts in self._by_seed.get((request.seed, request.kind), ()):
            present = Request(request.recipe, request.seed, request.kind, facts["parameters"])
            if facts["recipe_digest"] == request.recipe.digest and present.covers(request):
                return facts
        return None

    def describe(self, request: Request) -> dict[str, Any] | None:
        """Return as ``find``, and tell of a record that would be asked for and is of no use.

        Raises:
            DamagedRecordError: the manifest cannot be read, or not what it says of such a record; or the records of
                this name and seed are of another recipe than the present one.
        """
        found = self.find(request)
        if found is None:
            recipe, place = request.recipe, (request.seed, request.kind)
            others = (facts for facts in self._by_seed.get(place, ()) if facts["recipe_digest"] != recipe.digest)
            if any(facts["recipe"] == recipe.name for facts in others):
                raise DamagedRecordError(
                    f"the published records of {recipe.name} in {self.folder} are foreign: they were made with a "
                    "recipe of another digest; publish anew, or put the recipe back"
                )
            for facts, fault in self._unusable.get(place, ()):
                if recipe.digest == facts.get("recipe_digest") or recipe.name == facts.get("recipe"):
                    raise DamagedRecordError(fault)
        return found

    def has(self, request: Request) -> bool:
        """Whether a record that holds all that is asked for is published, be it damaged: who reads it is told."""
        try:
            return self.describe(request) is not None
        except DamagedRecordError:
            return True

    def complete(self, requests: Iterable[Request]) -> bool:
        """Whether there is a record for each of the requests (see ``has``)."""
        return all(map(self.has, requests))

    def get(self, request: Request) -> Record:
        """Return the record that holds all that is asked for.

        One that is not what was published is a ``DamagedRecordError``.

        Raises:
            MissingRecordError: there is none.
        """
        facts = self.describe(request)
        if facts is None:
            raise MissingRecordError(f"no record of the {request} is published at the scale {self.folder.name}")
        return self.read(facts)

    def read(self, facts: dict[str, Any]) -> Record:
        """Return the record that is described; one that is not what was published is a ``DamagedRecordError``."""
        staged = _staged(self.folder, facts)  # the publishing of this manifest was cut off before it was moved
        return read_record(staged if staged.is_file() else self.folder / facts["file"], facts, MEND)


@functools.cache
def published(folder: Path) -> PublishedRecords:
    """Return the published records of a folder, whose manifest is read once a process."""
    return PublishedRecords(folder)


def publish(folder: Path, records: Sequence[Record]) -> None:
    """Write records and their manifest; those that the manifest of before names and this one does not are removed.

    The manifest is the one point at which the new set takes the place of the old. Until then new records wait under
    names of their own, and from then on they are found there until they are moved. Killed anywhere, one of the two
    sets is whole, and the next publishing ends what this one began.

    Raises:
        StoreError: the folder cannot be written.
    """
    facts = sorted((record.facts for record in records), key=lambda item: item["file"])
    before, staged = PublishedRecords(folder), list[Path]()
    retired = sorted(before.files - {item["file"] for item in facts})
    try:
        _settle(folder, before.facts)
        _stage(folder, records, staged)
        write_atomically(folder / MANIFEST, _manifest(facts, retired))
        staged.clear()
        _settle(folder, facts)
        _remove(folder, retired)
        if retired:
            write_atomically(folder / MANIFEST, _manifest(facts, []))
    except OSError as error:
        for path in staged:
            remove(path)
        raise StoreError(f"{folder} cannot be written ({error.strerror or error})") from error


def _manifest(facts: list[dict[str, Any]], retired: list[str]) -> bytes:
    content = {"schema": SCHEMA, **({"retired": retired} if retired else {}), "records": facts}
    return seal_lines(content, "records", shared=_SHARED)


def _stage(folder: Path, records: Sequence[Record], staged: list[Path]) -> None:
    """Write what is not there yet beside its place, and note where."""
    sweep(folder)
    for place in {(folder / record.facts["file"]).parent for record in records}:
        place.mkdir(parents=True, exist_ok=True)
        sweep(place)
    for record in records:
        path = folder / record.facts["file"]
        if not _holds(path, record.facts["sha256"]):
            staged.append(_staged(folder, record.facts))
            write_atomically(staged[-1], record.content)


def _settle(folder: Path, facts: Iterable[dict[str, Any]]) -> None:
    """Move the records that a manifest names to their places, and remove what waits for no manifest any more."""
    for item in facts:
        staged = _staged(folder, item)
        if staged.is_file():
            staged.replace(folder / item["file"])
            sync_folder(staged.parent)
    for path in folder.rglob(".*.new"):
        if _STAGED.fullmatch(path.name):
            path.unlink()


def _remove(folder: Path, files: Collection[str]) -> None:
    """Remove files, and the folders that they leave empty; what somebody put in a file's place stays."""
    for name in files:
        if not (folder / name).is_dir():
            (folder / name).unlink(missing_ok=True)
    for place in {(folder / name).parent for name in files} - {folder}:
        with contextlib.suppress(OSError):  # it holds more
            place.rmdir()


def _staged(folder: Path, facts: dict[str, Any]) -> Path:
    path = folder / str(facts["file"])
    return path.with_name(f".{path.name}.{facts['sha256']}.new")


def _holds(path: Path, sha256: str) -> bool:
    with contextlib.suppress(OSError):
        return sha256_of(path) == sha256
    return False


def _read_manifest(folder: Path) -> tuple[list[Any], list[str]]:
    """Return the entries of a manifest, and the files that are to be removed beside it.

    Raises:
        DamagedRecordError: it cannot be read; or there is none, and there are records.
    """
    path = folder / MANIFEST
    if not os.path.lexists(path):
        if record := next(strays(folder, ()), None):
            raise DamagedRecordError(f"{path} is not there, and {record} is; {MEND}")
        return [], []
    try:
        text = read_file(path, LARGEST_DOCUMENT)
        parsed = parse(text)
        schema = parsed["schema"]  # before the seal, which another schema may have made otherwise
        content = {}
        if schema == SECOND:
            content = unseal(text)
        elif schema in (THIRD, SCHEMA):
            content = unseal_lines(parsed, "records")
        entries, retired = list(content.get("records", [])), list(content.get("retired", []))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedRecordError(f"{path} cannot be read ({error}); {MEND}") from error
    if schema not in (SECOND, THIRD, SCHEMA):
        raise DamagedRecordError(f"{path} has schema {schema!r}; this version reads {SECOND} to {SCHEMA}")
    return entries, [name for name in retired if isinstance(name, str) and is_place(name)]


def _of_this_version(facts: dict[str, Any], path: Path) -> dict[str, Any]:
    if facts["version"] != KINDS[facts["kind"]].version:
        raise DamagedRecordError(
            f"{path} has {facts['file']} of version {facts['version']}, and this version of featdyn reads "
            f"{KINDS[facts['kind']].version}; publish anew"
        )
    return facts


def strays(folder: Path, named: Collection[str]) -> Iterator[Path]:
    """Yield the records in a folder that are not among the files that a manifest names."""
    for path in sorted(folder.rglob("*.npz")):
        if not path.name.startswith(".") and path.relative_to(folder).as_posix() not in named:
            yield path
