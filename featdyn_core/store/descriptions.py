"""Descriptions of records: their fields, checked when read, and whether a record answers a request."""

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from featdyn_core.errors import DamagedRecordError
from featdyn_core.records.kinds import KINDS
from featdyn_core.records.request import Request, record_identity
from featdyn_core.store.documents import parse, unseal
from featdyn_core.store.factories import factory_source
from featdyn_core.store.source import measuring_source
from featdyn_core.trajectories.recipe import Recipe

SCHEMA = 1

_TEXTS = ("kind", "recipe", "recipe_digest", "key", "file", "sha256", "source")
_TABLES = {
    "parameters": (),
    "data": ("digest", "description"),
    "checkpoints": ("key", "sha256"),
    "measured": (),
}
"""Fields that are tables, with the texts that each must have."""


def read_facts(text: bytes, where: Path, mend: str) -> dict[str, Any] | None:
    """Read the description of a single record (see ``check_facts``).

    Returns:
        The description; None where it is one of a newer schema, or of a kind that this version does not know.

    Raises:
        DamagedRecordError: it is not a description, or not what was written.
    """
    try:
        content = parse(text)  # before the seal, which a newer version may make otherwise
        schema = content.get("schema") if isinstance(content, dict) else None
        if type(schema) is int and schema > SCHEMA:
            return None
        facts, called = unseal(text), where.name.rpartition("-")[0]
        foreign = called == facts.get("kind") and called not in KINDS
        return None if foreign else check_facts(facts, where, mend)
    except ValueError as error:
        raise DamagedRecordError(f"{where} cannot be read ({error}); {mend}") from error


def check_facts(facts: Any, where: Path, mend: str) -> dict[str, Any]:
    """Return the description of a record of this or another version, after checking it.

    Args:
        facts: content that was read.
        where: file that it was read from.
        mend: what to do if it is not a description.

    Raises:
        DamagedRecordError: a field is missing or of another type, or the file's name does not follow from its content,
            so the description was changed.
    """
    partner = facts.get("partner") if isinstance(facts, dict) else None
    good = (
        isinstance(facts, dict)
        and facts.get("schema") == SCHEMA
        and all(isinstance(facts.get(name), str) for name in _TEXTS)
        and all(type(facts.get(name)) is int for name in ("seed", "version"))
        and facts["kind"] in KINDS
        and all(_is_table(facts.get(name), texts) for name, texts in _TABLES.items())
        and (partner is None or (_is_table(partner, _TABLES["checkpoints"]) and type(partner.get("seed")) is int))
    )
    if not good:
        raise DamagedRecordError(f"{where} does not describe a record; {mend}")
    if not is_place(facts["file"]):
        raise DamagedRecordError(f"{where} describes {facts['file']!r}, which is not a valid path in a store; {mend}")
    if not _is_called_so(facts):
        raise DamagedRecordError(
            f"{where} describes {facts['file']!r}, but a record of this content has another file name: the "
            f"description was changed; {mend}"
        )
    return dict(facts)


def is_newer(facts: Mapping[str, Any]) -> bool:
    """Whether a record has a schema, kind or version that this version of featdyn does not know yet."""
    schema, kind, version = facts.get("schema"), facts.get("kind"), facts.get("version")
    known = KINDS.get(kind) if isinstance(kind, str) else None
    return (
        (type(schema) is int and schema > SCHEMA)
        or (isinstance(kind, str) and known is None)
        or (known is not None and type(version) is int and version > known.version)
    )


def is_place(file: str) -> bool:
    """Whether a record may have this file name: an ``.npz`` file in one subfolder of the folder of records."""
    parts = Path(file).parts
    return len(parts) == 2 and not {"..", "/"} & set(parts) and file.endswith(".npz")


def fits(facts: Mapping[str, Any], request: Request, keys: Mapping[int, str]) -> bool:
    """Whether a record answers a request, measured by the present code on the present trajectories.

    Args:
        facts: its description.
        request: the request.
        keys: seed to the key of its trajectory, for each seed of the request.
    """
    partner = facts.get("partner")
    made_of = {facts["seed"]: facts["key"]} | ({} if partner is None else {partner["seed"]: partner["key"]})
    present = Request(request.recipe, facts["seed"], facts["kind"], facts["parameters"])
    of_this = facts["recipe_digest"] == request.recipe.digest and made_of == dict(keys)
    of_now = facts["version"] == KINDS[request.kind].version and is_of_present_code(facts, request.recipe)
    return of_this and of_now and present.covers(request)


def is_of_present_code(facts: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether a record was measured by the code that would measure it now, that of a network of one's own included.

    A record of such a network that does not name its code may be of any.
    """
    network = factory_source(recipe.network.name)
    return facts["source"] == measuring_source(facts["kind"]) and (not network or facts.get("factory") == network)


def _is_table(value: Any, texts: Collection[str]) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in texts)


def _is_called_so(facts: Mapping[str, Any]) -> bool:
    """Whether the file of a record is called after what it holds."""
    with contextlib.suppress(RecursionError):  # of parameters that are nested deeper than any
        return bool(facts["file"] == file_name(facts))
    return False


def file_name(facts: Mapping[str, Any]) -> str:
    """Return the file name of a record in its folder of records; it follows from the content."""
    names = ("recipe_digest", "seed", "kind", "version", "parameters")
    identity = record_identity(**{name: facts[name] for name in names})
    return f"{facts['recipe']}-{facts['seed']}-{facts['recipe_digest'][:8]}/{facts['kind']}-{identity[:12]}.npz"
