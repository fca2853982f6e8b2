"""Records on disk: one measurement each, compressed, described, and verified when read.

Layout of a folder of records::

    <recipe name>-<seed>-<recipe digest, 8 digits>/<kind>-<identity, 12 digits>.npz    the arrays
    <recipe name>-<seed>-<recipe digest, 8 digits>/<kind>-<identity, 12 digits>.json   what they are, with their sha256

Nothing that reads a record imports torch.
"""

import functools
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import DamagedRecordError
from featdyn_core.files import write_atomically
from featdyn_core.measures.kinds import KINDS, Request
from featdyn_core.trajectories.recipe import Recipe

SCHEMA = 1

MEASURING = ("measures", "networks", "trajectories", "data", "numerics.py", "seeds.py")
"""What a measurement is computed by."""

_TEXTS = ("kind", "recipe", "recipe_digest", "key", "file", "sha256", "source")


@functools.cache
def source_digest(root: Path = Path(__file__).parents[1]) -> str:
    """Hex sha256 over the source of all that measures, so that an edit never meets a record of before it."""
    files = [path for name in MEASURING for path in _sources(root / name)]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(b"%s\0%s\0" % (path.relative_to(root).as_posix().encode(), path.read_bytes()))
    return digest.hexdigest()


def _sources(place: Path) -> list[Path]:
    return [place] if place.is_file() else list(place.rglob("*.py"))


@dataclass(frozen=True)
class Record:
    """A measurement that was made.

    Attributes:
        facts: what it is: kind, version, parameters, recipe, recipe_digest, seed, key, data, checkpoints, partner,
            source, measured (see ``provenance.environment``), seconds, file, sha256.
        content: bytes of the compressed arrays.
    """

    facts: dict[str, Any]
    content: bytes

    @cached_property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays, by name.

        Raises:
            DamagedRecordError: the bytes are none of a record.
        """
        try:
            with np.load(io.BytesIO(self.content), allow_pickle=False) as packed:
                return {name: packed[name] for name in packed.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise DamagedRecordError(f"the record {self.facts['file']} cannot be unpacked: {error}") from error

    @property
    def view(self) -> Any:
        """What claims look at: see ``measures.kinds``."""
        return KINDS[self.facts["kind"]].read(self.arrays, self.facts["parameters"])

    def request(self, recipe: Recipe) -> Request:
        """Return what was asked for."""
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
        "file": f"{_folder_name(request)}/{request.kind}-{request.identity[:12]}.npz",
        "sha256": hashlib.sha256(content).hexdigest(),
        **facts,
    }
    return Record(described, content)


def check_facts(facts: Any, where: Path) -> dict[str, Any]:
    """Return the description of a record, if it is one.

    Raises:
        DamagedRecordError: a field is missing or of another kind, or the file would lie outside the folder.
    """
    good = (
        isinstance(facts, dict)
        and facts.get("schema") == SCHEMA
        and all(isinstance(facts.get(name), str) for name in _TEXTS)
        and type(facts.get("seed")) is int
        and facts["kind"] in KINDS
        and facts.get("version") == KINDS[facts["kind"]].version
        and all(isinstance(facts.get(name), dict) for name in ("parameters", "data", "checkpoints", "measured"))
    )
    if not good:
        raise DamagedRecordError(f"{where} does not describe a record of this version; {_MEND}")
    parts = Path(facts["file"]).parts
    if len(parts) != 2 or ".." in parts or Path(facts["file"]).is_absolute():
        raise DamagedRecordError(f"{where} names the file {facts['file']!r}, which is outside its folder; {_MEND}")
    return facts


def read_record(root: Path, facts: dict[str, Any]) -> Record:
    """Read the record that ``facts`` describe from a folder of records.

    Raises:
        DamagedRecordError: its file is missing, or its bytes are not those that were written.
    """
    path = root / facts["file"]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedRecordError(f"the record {path} cannot be read ({error.strerror or error}); {_MEND}") from error
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise DamagedRecordError(f"the record {path} is damaged: its bytes do not match its sha256; {_MEND}")
    return Record(facts, content)


class RecordFolder:
    """Records that were measured here, each with its description beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, request: Request, keys: Mapping[int, str]) -> Record | None:
        """Return a record that holds all that is asked for, made by the present code of the present trajectories.

        Args:
            request: what is asked for.
            keys: seed to the key of its trajectory, for each seed of the request.

        Raises:
            DamagedRecordError: there is one, and it is not what was written.
        """
        for facts in self._described(request):
            same = facts["key"] == keys[request.seed] and facts["source"] == source_digest()
            partner = facts.get("partner")
            if partner is not None:
                same = same and partner.get("key") == keys.get(partner.get("seed"))
            present = Request(request.recipe, facts["seed"], facts["kind"], facts["parameters"])
            if same and facts["recipe_digest"] == request.recipe.digest and present.covers(request):
                return read_record(self.root, facts)
        return None

    def write(self, record: Record) -> None:
        """Keep a record; its description goes last, so that what is described is there.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        path = self.root / record.facts["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, record.content)
        write_atomically(path.with_suffix(".json"), json.dumps(record.facts, allow_nan=False, indent=1).encode())

    def _described(self, request: Request) -> Iterator[dict[str, Any]]:
        folder = _folder_name(request).removeprefix(request.recipe.name)  # a renamed recipe finds its records
        for path in sorted(self.root.glob(f"*{folder}/{request.kind}-*.json")):
            try:
                facts = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError) as error:
                raise DamagedRecordError(f"{path} cannot be read ({error}); {_MEND}") from error
            if isinstance(facts, dict) and facts.get("version") != KINDS[request.kind].version:
                continue  # of an earlier or a later version, which asks for another measurement
            yield check_facts(facts, path)


_MEND = "remove it, and it is measured again"


def _folder_name(request: Request) -> str:
    return f"{request.recipe.name}-{request.seed}-{request.recipe.digest[:8]}"
