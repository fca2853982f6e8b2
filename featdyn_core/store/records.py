"""Records on disk: one measurement each, compressed, described, and verified when read.

Layout of a folder of records::

    <recipe name>-<seed>-<recipe digest, 8 digits>/<kind>-<identity, 12 digits>.npz    the arrays
    <recipe name>-<seed>-<recipe digest, 8 digits>/<kind>-<identity, 12 digits>.json   their description and sha256

Nothing that reads a record imports torch.
"""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from featdyn_core.arrays import UNREADABLE
from featdyn_core.errors import DamagedRecordError
from featdyn_core.files import LARGEST_DOCUMENT, read_file, write_atomically
from featdyn_core.records.kind import Kind
from featdyn_core.records.kinds import KINDS
from featdyn_core.records.request import Request
from featdyn_core.store.descriptions import SCHEMA, file_name, fits, read_facts
from featdyn_core.store.documents import seal
from featdyn_core.store.keys import DataDigests
from featdyn_core.store.layout import sweep
from featdyn_core.store.listing import Listing
from featdyn_core.store.unpacking import RecordArchive
from featdyn_core.trajectories.recipe import Recipe


@dataclass(frozen=True)
class Record:
    """A measurement.

    Attributes:
        facts: its description: kind, version, parameters, recipe, recipe_digest, seed, key, data, checkpoints, partner,
            source, measured (see ``provenance.environment``), seconds, file, sha256; and factory, the source of the
            network's function, if a user wrote it.
        content: bytes of the compressed arrays.
    """

    facts: dict[str, Any]
    content: bytes

    @cached_property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays, by name.

        Raises:
            DamagedRecordError: the bytes are not those of a record.
        """
        try:
            return dict(RecordArchive(io.BytesIO(self.content)))
        except UNREADABLE as error:
            raise DamagedRecordError(f"the record {self.facts['file']} cannot be unpacked: {error}") from error

    @property
    def kind(self) -> Kind:
        """Its kind."""
        return KINDS[self.facts["kind"]]

    @cached_property
    def view(self) -> Any:
        """The view that claims read (see ``records.kinds``).

        Raises:
            DamagedRecordError: the arrays are not those of its kind.
        """
        try:
            return self.kind.read(self.arrays, self.facts["parameters"])
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise DamagedRecordError(f"the record {self.facts['file']} cannot be read: {error!r}") from error

    def view_of(self, request: Request) -> Any:
        """Return the part of the view that a request asks for; raises as ``view``."""
        return self.kind.part(self.view, request.parameters)

    @property
    def remarks(self) -> Mapping[str, float | str]:
        """Remarks of the evidence on its measurement (see ``records.kind``); raises as ``view``."""
        return self.kind.remarks(self.view, self.facts["parameters"])

    def request(self, recipe: Recipe) -> Request:
        """Return the request that the record answers."""
        return Request(recipe, self.facts["seed"], self.facts["kind"], self.facts["parameters"])


def pack(request: Request, arrays: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> Record:
    """Return the record of arrays; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(arrays))  # type: ignore[arg-type]
    content = buffer.getvalue()
    described = {
        "schema": SCHEMA,
        "kind": request.kind,
        "version": KINDS[request.kind].version,
        "parameters": dict(request.parameters),
        "recipe": request.recipe.name,
        "recipe_digest": request.recipe.digest,
        "seed": request.seed,
        "sha256": hashlib.sha256(content).hexdigest(),
        **facts,
    }
    return Record(described | {"file": file_name(described)}, content)


def read_record(path: Path, facts: dict[str, Any], mend: str) -> Record:
    """Read the record that ``facts`` describe from its file.

    Raises:
        DamagedRecordError: its file is missing, or its bytes are not what was written.
    """
    try:
        content = read_file(path)
    except OSError as error:
        raise DamagedRecordError(f"the record {path} cannot be read ({error.strerror or error}); {mend}") from error
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise DamagedRecordError(f"the record {path} is damaged: its bytes do not match its sha256; {mend}")
    return Record(facts, content)


class RecordFolder:
    """Records that were measured here, each with a description file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._trainings, self._inside = Listing(_training_of), Listing(_kind_of)

    def find(self, request: Request, keys: Mapping[int, str]) -> Record | None:
        """Return a record that answers a request, measured by the present code on the present trajectories.

        Damage of other records is ignored if such a record is found; if none is found, it is a
        ``DamagedRecordError``. Records of a newer version of featdyn are skipped.

        Args:
            request: the request.
            keys: seed to the key of its trajectory, for each seed of the request.
        """
        fault: DamagedRecordError | None = None
        exact = f"{request.kind}-{request.identity[:12]}.json"
        for folder in self._folders(request):
            listed = self._inside.of(folder)
            # A folder may hold thousands of records, and mostly the exact one is wanted.
            for name in sorted(listed.groups.get(request.kind, ()), key=lambda name: (name != exact, name)):
                try:
                    if name not in listed.known:
                        listed.known[name] = _read_description(folder / name)
                except DamagedRecordError as error:
                    fault = fault or error
                    continue
                facts = listed.known[name]
                if facts is not None and fits(facts, request, keys):
                    return self.read(facts)
        if fault:
            raise fault
        return None

    def description(self, path: Path) -> dict[str, Any] | None:
        """Return the description in a file of the folder; None if only another version of featdyn can read it.

        Raises:
            DamagedRecordError: it is not what was written there.
        """
        facts = _read_description(path)
        if facts is not None and path != (self.root / facts["file"]).with_suffix(".json"):
            raise DamagedRecordError(f"{path} describes {facts['file']}; {_mend_of(path)}")
        return facts

    def read(self, facts: dict[str, Any]) -> Record:
        """Return the described record; a record that is not what was written is a ``DamagedRecordError``."""
        path = self.root / facts["file"]
        return read_record(path, facts, _mend_of(path))

    def known(self, request: Request, digests: DataDigests) -> Record | None:
        """Do the same as ``find`` if the keys are known without reading images; else return None."""
        keys = {seed: digests.key(request.recipe, seed) for seed in request.seeds}
        found = {seed: key for seed, key in keys.items() if key is not None}
        return self.find(request, found) if len(found) == len(keys) else None

    def write(self, record: Record) -> None:
        """Store a record. Its description is written last, so every described record exists.

        A full disk and a folder that cannot be written are an ``OSError``.
        """
        path = self.root / record.facts["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        write_atomically(path, record.content)
        write_atomically(path.with_suffix(".json"), seal(record.facts))

    def _folders(self, request: Request) -> list[Path]:
        """Folders with records of a training, under any name of its recipe."""
        training = f"{request.seed}-{request.recipe.digest[:8]}"
        return [self.root / name for name in self._trainings.of(self.root).groups.get(training, ())]


def _training_of(folder: str) -> str:
    """Return the seed and the digits of the recipe from the name of a folder of records."""
    return "-".join(folder.rsplit("-", 2)[1:])


def _kind_of(file: str) -> str:
    """Return the kind from the name of a description file; empty for any other file."""
    return file.rpartition("-")[0] if file.endswith(".json") else ""


def _read_description(path: Path) -> dict[str, Any] | None:
    try:
        text = read_file(path, LARGEST_DOCUMENT)
    except OSError as error:
        raise DamagedRecordError(f"{path} cannot be read ({error}); {_mend_of(path)}") from error
    return read_facts(text, path, _mend_of(path))


def _mend_of(path: Path) -> str:
    """Return the mend of a damaged record of a store, which has two files."""
    return f"remove {path.with_suffix('')}.*, and it is measured again"
