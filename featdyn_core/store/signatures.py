"""Signatures of published manifests and of evidence files, which the tool minisign makes and verifies.

A seal finds accidents. A signature beside a file, ``<file>.minisig``, says who wrote it, to whoever has the writer's
public key.
"""

import shutil
import subprocess
from pathlib import Path

from featdyn_core.errors import SignatureError
from featdyn_core.files import LARGEST_TEXT, open_file

TOOL = "minisign"

PUBLIC_KEY = "minisign.pub"
"""Name of the file in ``fixtures/records`` with the key that a project signs with; it need not be there."""


def tool() -> str:
    """Return the path of the tool.

    Raises:
        SignatureError: it is not installed.
    """
    found = shutil.which(TOOL)
    if found is None:
        raise SignatureError(f"{TOOL}, which signs and verifies, is not installed; install it, or leave out the key")
    return found


def signature_of(path: Path) -> Path:
    """Return where the signature of a file is."""
    return path.with_name(f"{path.name}.minisig")


def check_signing(key: Path) -> None:
    """Find out, before anything is written, what would keep it from being signed; without the tool, as ``tool``.

    Args:
        key: file of the secret key.

    Raises:
        SignatureError: there is no key.
    """
    if not key.is_file():
        raise SignatureError(f"{key} is not a secret key file; make one with {TOOL} -G")
    tool()


def sign(path: Path, key: Path) -> None:
    """Sign a file; the tool asks for the key's password, where it has one.

    Args:
        path: the file.
        key: file of the secret key.

    What ``check_signing`` finds is a ``SignatureError``.

    Raises:
        SignatureError: the tool did not sign.
    """
    check_signing(key)
    if _run("-S", "-s", key, "-m", path, quiet=False).returncode:
        raise SignatureError(f"{TOOL} did not sign {path} with {key}")


def verify_signature(path: Path, key: Path) -> None:
    """Verify that a file is what somebody signed.

    Args:
        path: the file.
        key: file of the public key.

    Raises:
        SignatureError: there is no key or no tool; the file cannot be read; or it has no signature, or that of another
            key or text.
    """
    if not key.is_file():
        raise SignatureError(f"{key} is not a public key file; give the one that the signer published")
    _check_file(path)
    if not signature_of(path).is_file():
        raise SignatureError(f"{path} has no signature {signature_of(path).name}; get the signed file, or sign it")
    if _run("-V", "-q", "-p", key, "-m", path).returncode:
        raise SignatureError(f"{path} is not what was signed by the key {key}; get the signed file, or sign it again")


def _check_file(path: Path) -> None:
    """Refuse what the tool would read for ever.

    Raises:
        SignatureError: it cannot be read, is no file or too large.
    """
    try:
        with open_file(path, LARGEST_TEXT):
            return
    except OSError as error:
        raise SignatureError(f"{path} cannot be read ({error.strerror or error}); take what was signed") from error


def _run(*arguments: object, quiet: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run the tool; its questions and answers are shown unless it is to be quiet. Without it, as ``tool``.

    Raises:
        SignatureError: it cannot be run.
    """
    command, silent = [tool(), *map(str, arguments)], subprocess.DEVNULL if quiet else None
    try:
        return subprocess.run(command, check=False, stdin=silent, stdout=silent, stderr=silent)
    except OSError as error:
        raise SignatureError(f"{command[0]} cannot be run ({error.strerror or error}); install it again") from error
