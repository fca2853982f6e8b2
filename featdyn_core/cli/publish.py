"""Write a tier's records into fixtures/records, where anyone can judge them again.

The command prints how many records it published, in which folder, and how many are not measured. Its status is 1 if
some are not measured.
"""

import argparse
from typing import Any

from featdyn_core.cli.options import add_scale, path
from featdyn_core.cli.selection import place_of, register_of, rows_to_publish, scale_of
from featdyn_core.launch.measuring import publish_records
from featdyn_core.project import records_folder
from featdyn_core.store.published import MANIFEST
from featdyn_core.store.signatures import check_signing, sign


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "publish",
        help="write a tier's records into fixtures/records, where anyone can judge them again",
        description=__doc__,
        epilog="Example: featdyn publish --tier full",
    )
    command.set_defaults(run=publish)
    # Always a whole scale with its sweeps: records that a narrower choice leaves out would be removed.
    add_scale(command, tiers=("fast", "full"))
    command.add_argument(
        "--sign", metavar="FILE", type=path, help="minisign secret key that signs the published manifest"
    )


def publish(options: argparse.Namespace) -> int:
    """Publish the records of the scale that the options name, and sign them with ``--sign``."""
    folder = records_folder() / scale_of(options, register_of(options))
    rows = [row for row in rows_to_publish(options) if not row.lacking]
    read = [request for row in rows for seed in row.seeds for request in row.requests(seed).values()]
    wanted = list({request.identity: request for request in read}.values())
    if options.sign:
        check_signing(options.sign)  # before anything is published
    published, missing = publish_records(place_of(options), wanted, folder, print)
    print(f"published {published} records in {folder}; {missing} are not measured")
    if options.sign and published:
        sign(folder / MANIFEST, options.sign)
        print(f"signed {folder / MANIFEST}")
    return 1 if missing else 0
