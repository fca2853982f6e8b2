"""Signatures of files: made and checked by the tool, and one clear error without it."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from featdyn_core.errors import SignatureError
from featdyn_core.store.signatures import TOOL, sign, signature_of, verify_signature
from featdyn_core.tests.signing import install, uninstall
from featdyn_core.tests.special import SPECIAL, without_waiting


@pytest.fixture
def signed(tmp_path, monkeypatch):
    """Return a file that was signed, and the key."""
    install(tmp_path / "bin", monkeypatch)
    file, key = tmp_path / "evidence.json", tmp_path / "key"
    file.write_text("{}")
    key.write_text("mine")
    sign(file, key)
    return file, key


def test_what_was_signed_is_verified(signed):
    file, key = signed
    assert signature_of(file).name == "evidence.json.minisig"
    verify_signature(file, key)


HARMS = {
    "edited": (lambda file, _: file.write_text("{ }"), "evidence.json is not what was signed by the key .*key; get"),
    "another key": (lambda _, key: key.write_text("another's"), "is not what was signed by the key"),
    "no signature": (lambda file, _: signature_of(file).unlink(), "has no signature evidence.json.minisig; get the"),
    "no key": (lambda _, key: key.unlink(), "key is not a public key file; give the one that the signer"),
}


@pytest.mark.parametrize(("harm", "message"), HARMS.values(), ids=HARMS)
def test_what_was_not_signed_is_refused(signed, harm, message):
    harm(*signed)
    with pytest.raises(SignatureError, match=message):
        verify_signature(*signed)


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_the_tool_is_given_nothing_that_it_would_wait_for(signed, make):
    file, key = signed
    file.unlink()
    make(file)
    with (
        without_waiting(),
        pytest.raises(SignatureError, match=r"evidence\.json cannot be read .*; take what was signed"),
    ):
        verify_signature(file, key)


def test_what_the_tool_does_not_sign_is_an_error(signed):
    file, key = signed
    key.write_text("refuse")
    with pytest.raises(SignatureError, match=r"minisign did not sign .*evidence\.json with .*key"):
        sign(file, key)
    key.unlink()
    with pytest.raises(SignatureError, match="key is not a secret key file; make one with minisign -G"):
        sign(file, key)


def test_without_the_tool_there_is_one_clear_error(signed, tmp_path, monkeypatch):
    uninstall(tmp_path / "empty", monkeypatch)
    for act in (sign, verify_signature):
        with pytest.raises(
            SignatureError, match="minisign, which signs and verifies, is not installed; install it, or"
        ):
            act(*signed)


def test_a_tool_that_cannot_be_run_is_named(signed, tmp_path):
    (tmp_path / "bin" / "minisign").write_bytes(b"\x7fELF")
    with pytest.raises(SignatureError, match="minisign cannot be run"):
        verify_signature(*signed)


# The tool itself, and another implementation of its format


class Keys(NamedTuple):
    """Files of a pair of keys."""

    secret: Path
    public: Path


@pytest.fixture
def real(tmp_path):
    """Return a function that makes keys with the tool itself, without a password."""
    if shutil.which(TOOL) is None:
        pytest.skip(f"{TOOL} is not installed")

    def make(name: str) -> Keys:
        keys = Keys(tmp_path / f"{name}.key", tmp_path / f"{name}.pub")
        command = [TOOL, "-G", "-W", "-s", keys.secret, "-p", keys.public]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return keys

    return make


@pytest.fixture
def file(tmp_path):
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a folder" / "-evidence é.json").write_text("{}")
    return tmp_path / "a folder" / "-evidence é.json"


def spoil_the_trusted_comment(file: Path) -> None:
    text = signature_of(file).read_text()
    assert "trusted comment: timestamp" in text
    signature_of(file).write_text(text.replace("timestamp", "timestomp"))


SPOILED = {
    "text": lambda file: file.write_text("{ }"),
    "trusted comment": spoil_the_trusted_comment,
    "signature": lambda file: signature_of(file).write_text("untrusted comment: a\nAAAA\n"),
    "nothing": lambda file: signature_of(file).write_bytes(b""),
}


def test_the_tool_verifies_what_it_signed_and_its_key_alone(real, file):
    mine, other = real("mine"), real("other")
    sign(file, mine.secret)
    verify_signature(file, mine.public)
    for key in (other.public, mine.secret):
        with pytest.raises(SignatureError, match="is not what was signed by the key"):
            verify_signature(file, key)


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_the_tool_refuses_what_was_changed(real, file, spoil):
    mine = real("mine")
    sign(file, mine.secret)
    spoil(file)
    with pytest.raises(SignatureError, match="is not what was signed by the key"):
        verify_signature(file, mine.public)


def test_the_tool_signs_with_secret_keys_only(real, file):
    with pytest.raises(SignatureError, match="minisign did not sign"):
        sign(file, real("mine").public)
    assert not signature_of(file).exists()


def test_another_implementation_reads_and_writes_the_same(real, tmp_path):
    other = pytest.importorskip("minisign")
    mine, file = real("mine"), tmp_path / "evidence.json"
    file.write_text("{}")
    sign(file, mine.secret)
    other.PublicKey.from_file(mine.public).verify_file(file, other.Signature.from_file(signature_of(file)))
    pair = other.KeyPair.generate()
    mine.public.write_bytes(bytes(pair.public_key))
    signature_of(file).write_bytes(bytes(pair.secret_key.sign_file(file)))
    verify_signature(file, mine.public)
