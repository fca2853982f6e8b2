"""Check every byte of the trajectories and records of the store, or of a tier, and of the published records.

The command prints a line for each trajectory: it is good, has these problems, or was not checked for this reason. It
also prints a line for each record that is damaged or contradicts another record of the same network, and at the end how
many items it checked. If there is a public key, it also verifies the signatures of published records. Its status is 1
if something is damaged or if there is nothing to check.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from featdyn_core.cli.options import add_choice, add_json, add_scale, path
from featdyn_core.cli.selection import trainings_of
from featdyn_core.errors import SignatureError
from featdyn_core.files import visible
from featdyn_core.project import records_folder
from featdyn_core.store.agreement import Agreement
from featdyn_core.store.published import MANIFEST
from featdyn_core.store.records import RecordFolder
from featdyn_core.store.signatures import PUBLIC_KEY, tool, verify_signature
from featdyn_core.store.supply import Store
from featdyn_core.store.verification import (
    Check,
    verify_published,
    verify_records,
    verify_store,
    verify_trainings,
)
from featdyn_core.trajectories.training import Training


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "verify",
        help="check every byte of the trajectories and records of the store, or of a tier",
        description=__doc__,
        epilog="Example: featdyn verify --tier full",
    )
    command.set_defaults(run=verify)
    add_scale(command)
    add_choice(command)
    add_json(command)
    command.add_argument(
        "--public-key",
        metavar="FILE",
        type=path,
        help="minisign public key of the publisher; default: fixtures/records/minisign.pub, if it exists",
    )


def verify(options: argparse.Namespace) -> int:
    """Check what the options ask for, or the whole store; a check of nothing is not a success."""
    store = Store(options.store, device=options.device, download=False)
    asked = options.tier or options.only or options.seeds or options.claims
    chosen = trainings_of(options) if asked else None
    found = []
    for item in verify_store(store) if chosen is None else verify_trainings(store, chosen):
        found.append(item)
        if not options.json and not item.unchecked:
            _tell(item)
    for item in chain(_records(store, chosen), _signatures(options.public_key)):
        found.append(item)
        if not options.json and item.problems:
            _tell(item)
    unchecked = {item.name: item.unchecked for item in found if item.unchecked}
    for name, reason in unchecked.items():
        print(f"{name}: not checked: {reason}", file=sys.stderr)
    checked = {item.name: item.problems for item in found if not item.unchecked}
    damaged = sum(map(bool, checked.values()))
    if options.json:
        counts = {"store": str(store.root), "checked": len(checked), "damaged": damaged}
        print(json.dumps(counts | {"problems": checked, "not checked": unchecked}, indent=1))
    else:
        print(f"{len(checked)} checked, {damaged} damaged")
    return 1 if damaged or not checked else 0


def _records(store: Store, chosen: list[Training] | None) -> Iterator[Check]:
    """Yield checks of the local and the published records, only of the chosen trainings if some are chosen."""
    trainings = None if chosen is None else {(recipe.digest, seed) for recipe, seed in chosen}
    agreement = Agreement()
    groups = [verify_records(RecordFolder(store.root / "records"), agreement)]
    groups += [verify_published(folder, agreement) for folder in visible(records_folder(), "*") if folder.is_dir()]
    for item, facts in (pair for group in groups for pair in group):
        # A record that cannot be read may belong to any training.
        if trainings is None or not facts or (facts["recipe_digest"], facts["seed"]) in trainings:
            yield item


def _signatures(key: Path | None) -> Iterator[Check]:
    """Yield checks of the signature of each published manifest, if there is a key.

    Raises:
        SignatureError: a key is given, and minisign is not installed.
    """
    found = key or records_folder() / PUBLIC_KEY
    if key is None and not found.is_file():
        return
    without = ""
    try:
        tool()
    except SignatureError as error:
        if key is not None:
            raise
        without = str(error)  # the user gave no key, so everything else is still checked
    for manifest in visible(records_folder(), f"*/{MANIFEST}"):
        name = f"published/{manifest.parent.name}/{manifest.name}"
        problems = []
        try:
            if not without:
                verify_signature(manifest, found)
        except SignatureError as error:
            problems.append(str(error))
        yield Check(name, problems, without)


def _tell(item: Check) -> None:
    print(f"{item.name}: {'; '.join(item.problems) if item.problems else 'good'}", flush=True)
