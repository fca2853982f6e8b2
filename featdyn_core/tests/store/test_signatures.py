"""Signatures of files: by the tool, of the text that was signed, and one clear error without it."""

import pytest

from featdyn_core.errors import SignatureError
from featdyn_core.store.signatures import sign, signature_of, verify_signature
from featdyn_core.tests.signing import install, uninstall


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
