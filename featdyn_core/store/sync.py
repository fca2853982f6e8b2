"""Push trajectories and records to a remote store, and pull them from it: each file once, verified on arrival.

A pull asks for trajectories by recipe and seed, so no recipe, file name or code comes from the remote store. Only
tensors and numbers are transferred, under the digests of their manifest.
"""

import contextlib
import hashlib
import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featdyn_core.arrays import UNREADABLE, Archive
from featdyn_core.errors import DamagedRecordError, DamagedTransferError, StoreError
from featdyn_core.files import LARGEST_DOCUMENT, read_file, sync_folder, write_atomically
from featdyn_core.records.request import Request
from featdyn_core.store import locks
from featdyn_core.store.descriptions import fits, read_facts
from featdyn_core.store.documents import one_line, parse, seal
from featdyn_core.store.folder import read_tensors
from featdyn_core.store.layout import MANIFEST, named_errors
from featdyn_core.store.manifest import Manifest, read_manifest
from featdyn_core.store.records import Record, RecordFolder
from featdyn_core.store.remote import LARGEST_OBJECT, Remote
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.recipe import PLAIN_NAME, Recipe


@dataclass(frozen=True)
class Moved:
    """Number of transferred files and bytes; 0 if everything was there already."""

    files: int = 0
    size: int = 0

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(self.files + other.files, self.size + other.size)


def push_trajectory(store: Store, remote: Remote, recipe: Recipe, seed: int) -> Moved:
    """Send a finished trajectory. Its manifest goes last, so a listed trajectory is complete.

    A trajectory that is not in the store is a ``MissingTrajectoryError``. A damaged one is a
    ``DamagedTrajectoryError``, and is not listed there. A remote store that cannot be written is a ``StoreError``.
    """
    store.open(recipe, seed)
    folder = store.folder(recipe, seed)
    manifest = read_manifest(folder)
    moved = Moved()
    for name, digest in manifest.files.items():
        read_tensors(folder, name, digest)
        moved += _sent(remote, read_file(folder / name))
    remote.put_document(_manifest_name(manifest.key), read_file(folder / MANIFEST, LARGEST_DOCUMENT))
    return moved


def pull_trajectory(store: Store, remote: Remote, recipe: Recipe, seed: int) -> Moved | None:
    """Fetch a trajectory that is not here. Files that arrived before an interruption are not fetched again.

    If the remote store holds another trajectory in its place, or other bytes than its manifest says, that is a
    ``DamagedTransferError``.

    Returns:
        What was fetched; None if the remote store does not have it.

    Raises:
        StoreError: it is being trained here, the store cannot be written, or the remote one cannot be reached.
    """
    target, key = store.folder(recipe, seed), store.key(recipe, seed)
    if os.path.isdir(target):
        return Moved()
    with named_errors(store.root), locks.hold(store.layout.lock(key)) as free:
        if not free:
            raise StoreError(f"{recipe.name} seed {seed} is being trained in {store.root}; pull it again after that")
        text = remote.get_document(_manifest_name(key))
        if text is None:
            return None
        incoming = store.layout.incoming(key)
        incoming.mkdir(parents=True, exist_ok=True)
        manifest = _received_manifest(remote, text, incoming, recipe, seed, key)
        moved = Moved()
        for name, digest in manifest.files.items():
            moved += _received_tensors(remote, incoming, name, digest)
        os.replace(incoming, target)
        sync_folder(target.parent)
    return moved


def push_record(remote: Remote, record: Record) -> Moved:
    """Send a record, its description last.

    A remote store that cannot be written is a ``StoreError``.
    """
    moved = _sent(remote, record.content)
    name = Path(record.facts["file"]).with_suffix(".json").name
    folder = _records_name(record.facts["recipe_digest"], record.facts["seed"])
    remote.put_document(f"{folder}/{name}", seal(record.facts))
    return moved


def pull_record(records: RecordFolder, remote: Remote, request: Request, keys: Mapping[int, str]) -> Moved | None:
    """Fetch a record that answers a request, measured by the present code on the present trajectories.

    Content that is not a record, or not what its description says, is a ``DamagedTransferError``. A remote store that
    cannot be reached is a ``StoreError``, and so is a local store that cannot be written.

    Args:
        records: the local folder of records.
        remote: the remote store.
        request: the wanted record.
        keys: seed to the key of its trajectory, for each seed of the request.

    Returns:
        What was fetched; None if the remote store has no such record.

    """
    if records.find(request, keys):
        return Moved()
    folder, exact = _records_name(request.recipe.digest, request.seed), f"{request.kind}-{request.identity[:12]}"
    fault: DamagedTransferError | None = None
    for name in remote.documents(folder, rf"{request.kind}-[0-9a-f]+", first=exact):
        try:
            facts = _received_facts(remote, name)
            if facts is not None and fits(facts, request, keys):
                content = remote.get_object(facts["sha256"])
                _check_arrays(remote, name, content)
                with named_errors(records.root):
                    records.write(Record(facts, content))
                return Moved(1, len(content))
        except DamagedTransferError as error:  # another file may still be the wanted record
            fault = fault or error
    if fault:
        raise fault
    return None


def _manifest_name(key: str) -> str:
    return f"trajectories/{key}.json"


def _records_name(recipe_digest: str, seed: int) -> str:
    return f"records/{recipe_digest[:12]}-{seed}"


def _sent(remote: Remote, content: bytes) -> Moved:
    size = remote.put_object(content)
    return Moved(1, size) if size else Moved()


def _received_manifest(remote: Remote, text: bytes, incoming: Path, recipe: Recipe, seed: int, key: str) -> Manifest:
    """Write the manifest of the wanted trajectory.

    Its recipe is compared as text, before anything is built from it.

    Raises:
        DamagedTransferError: it is not a manifest, or belongs to another trajectory.
    """
    try:
        content = parse(text)
        tables = {name: table for name, table in content["recipe"].items() if name != "name"}
        known = (content["key"], tables, content["seed"]) == (key, parse(json.dumps(recipe.to_dict()).encode()), seed)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedTransferError(_unusable(remote, _manifest_name(key), f"no manifest ({error})")) from error
    if not known:
        raise DamagedTransferError(_unusable(remote, _manifest_name(key), "the manifest of another trajectory"))
    write_atomically(incoming / MANIFEST, text)
    try:
        return read_manifest(incoming)
    except StoreError as error:
        raise DamagedTransferError(_unusable(remote, _manifest_name(key), str(error))) from error


def _received_tensors(remote: Remote, incoming: Path, name: str, digest: str) -> Moved:
    with contextlib.suppress(OSError, ValueError):
        if hashlib.sha256(read_file(incoming / name)).hexdigest() == digest:
            return Moved()
    content = remote.get_object(digest)
    write_atomically(incoming / name, content)
    try:
        read_tensors(incoming, name, digest)
    except StoreError as error:
        (incoming / name).unlink()
        raise DamagedTransferError(_unusable(remote, f"objects/{digest}", f"no checkpoint ({error})")) from error
    return Moved(1, len(content))


def _received_facts(remote: Remote, name: str) -> dict[str, Any] | None:
    """Return the description of a record; None if a newer version of featdyn wrote it.

    Raises:
        DamagedTransferError: it is not a description, or leads out of the store.
    """
    try:
        facts = read_facts(remote.get_document(name) or b"", Path(name), "push it again")
    except DamagedRecordError as error:
        raise DamagedTransferError(_unusable(remote, name, str(error))) from error
    if facts is not None and not re.fullmatch(PLAIN_NAME, facts["recipe"]):  # its folder is called after it
        raise DamagedTransferError(
            _unusable(remote, name, f"a description of {facts['file']!r}, which is not a valid path in a store")
        )
    return facts


def _check_arrays(remote: Remote, name: str, content: bytes) -> None:
    """Refuse content that does not unpack to a record, or would fill the memory.

    Raises:
        DamagedTransferError: it is refused.
    """
    try:
        dict(Archive(io.BytesIO(content), LARGEST_OBJECT))
    except UNREADABLE as error:
        raise DamagedTransferError(_unusable(remote, name, f"no record ({error})")) from error


def _unusable(remote: Remote, name: str, what: str) -> str:
    """Return the message for remote content that cannot be used."""
    return f"{remote.url}: {name} is {one_line(what)}; nothing of it was taken"
