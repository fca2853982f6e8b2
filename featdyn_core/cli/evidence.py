"""Read evidence files for commands; if a key is given, the files must be signed."""

import argparse
import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

from featdyn_core.cli.options import path
from featdyn_core.store.signatures import verify_signature
from featdyn_core.verdicts.documents import Document, read_document


def add_public_key(command: argparse.ArgumentParser) -> None:
    """Add the option for the public key that verifies signatures of evidence."""
    command.add_argument(
        "--public-key",
        metavar="FILE",
        type=path,
        help="minisign public key of the evidence's signer; the signature is verified before the file is read",
    )


def read_signed(file: Path, key: Path | None) -> Document:
    """Read an evidence file; if there is a key, verify the signature first.

    A file that is not evidence is an ``EvidenceError``. A file that is not what was signed is a ``SignatureError``.
    """
    if key is not None:
        verify_signature(file, key)
    with without_collecting():
        return read_document(file)


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Keep the garbage collector from the objects made inside; rows of evidence stay until a command ends.

    Looking at them again and again, and once more at the end, takes a quarter of the time.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if before:
            gc.enable()
