"""Evidence files that commands read, which must be signed where a key is given."""

import argparse
import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

from featdyn_core.cli.options import path
from featdyn_core.store.signatures import verify_signature
from featdyn_core.verdicts.documents import Document, read_document


def add_public_key(command: argparse.ArgumentParser) -> None:
    """Add the key that signatures of evidence are verified with."""
    command.add_argument(
        "--public-key",
        metavar="FILE",
        type=path,
        help="minisign's, of whoever signed the evidence, which is then verified first",
    )


def read_signed(file: Path, key: Path | None) -> Document:
    """Read an evidence file, and verify its signature before, where there is a key.

    A file that is none is an ``EvidenceError``; one that is not what was signed, a ``SignatureError``.
    """
    if key is not None:
        verify_signature(file, key)
    with _without_collecting():
        return read_document(file)


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Look for no garbage while thousands of rows are made, none of which is: it takes a quarter of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
