"""Trajectories and records pushed to a remote store and pulled from it: each file once, verified on arrival.

Only what is asked for by its recipe and seed is pulled, so that no recipe, no name of a file and no code comes from
there; what comes is tensors and numbers, under the digests that its manifest has.
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
from featdyn_core.store.documents import one_line, parse, seal
from featdyn_core.store.folder import read_tensors
from featdyn_core.store.layout import MANIFEST, named_errors
from featdyn_core.store.manifest import Manifest, read_manifest
from featdyn_core.store.records import Record, RecordFolder, fits, read_facts
from featdyn_core.store.remote import LARGEST_OBJECT, Remote
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.recipe import PLAIN_NAME, Recipe


@dataclass(frozen=True)
class Moved:
    """What went over the line: none of it where all was there already."""

    files: int = 0
    size: int = 0

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(self.files + other.files, self.size + other.size)


def push_trajectory(store: Store, remote: Remote, recipe: Recipe, seed: int) -> Moved:
    """Send a finished trajectory; its manifest goes last, so that what is listed there is there.

    One that is not in the store is a ``MissingTrajectoryError``. Of one that is not what was written, a
    ``DamagedTrajectoryError``, nothing is listed there. A remote store that cannot be written is a ``StoreError``.
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
    """Fetch a trajectory that is not here; what was fetched before an interruption is not fetched again.

    What is there and is not this trajectory, or not what its manifest says, is a ``DamagedTransferError``.

    Returns:
        What was fetched; None where the remote store does not have it.

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
    """Fetch a record that holds what is asked for, made by the present code of the present trajectories.

    Something else in its place, that is no record or not what its description says, is a ``DamagedTransferError``. A
    remote store that cannot be reached is a ``StoreError``, and so is one here that cannot be written.

    Args:
        records: where it goes.
        remote: where it is looked for.
        request: what is asked for.
        keys: seed to the key of its trajectory, for each seed of the request.

    Returns:
        What was fetched; None where the remote store has none.

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
        except DamagedTransferError as error:  # which keeps no other from being the one that is asked for
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
    """Write a manifest that is that of the trajectory asked for.

    Its recipe is compared as it stands there, before anything is built from it.

    Raises:
        DamagedTransferError: it is no manifest, or another trajectory's.
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
    """Return the description of a record; None where it is one of a newer version of featdyn.

    Raises:
        DamagedTransferError: it is none, or leads out of the store.
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
    """Refuse what would not be a record when it is unpacked, or would fill the memory.

    Raises:
        DamagedTransferError: it is such.
    """
    try:
        dict(Archive(io.BytesIO(content), LARGEST_OBJECT))
    except UNREADABLE as error:
        raise DamagedTransferError(_unusable(remote, name, f"no record ({error})")) from error


def _unusable(remote: Remote, name: str, what: str) -> str:
    """Return what is said of something at a remote store that cannot be taken."""
    return f"{remote.url}: {name} is {one_line(what)}; nothing of it was taken"
