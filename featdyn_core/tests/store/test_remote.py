"""What a remote store keeps, returns and refuses, at every kind of address."""

import contextlib
import hashlib
import uuid

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer

from featdyn_core.errors import DamagedTransferError, StoreError
from featdyn_core.store import remote as module
from featdyn_core.store.remote import Remote
from featdyn_core.tests.special import SPECIAL, without_waiting

DIGEST = hashlib.sha256(b"content").hexdigest()


@pytest.fixture(scope="session")
def s3():
    """Address of a bucket of a server that speaks S3."""
    server = ThreadedMotoServer(port=0)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    access = {"endpoint_url": endpoint, "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    boto3.client("s3", region_name="us-east-1", **access).create_bucket(Bucket="featdyn")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        yield "s3://featdyn"
    server.stop()


@pytest.fixture(params=["path", "file", "memory", "s3"])
def url(request, tmp_path):
    """Address of an empty folder that is not there yet."""
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/{uuid.uuid4()}"
    if request.param == "memory":
        return f"memory://{uuid.uuid4()}"
    return f"file://{tmp_path}/remote" if request.param == "file" else str(tmp_path / "remote")


@contextlib.contextmanager
def edited(url, name):
    """Open a file of a remote store for an edit by hand."""
    system, root = fsspec.core.url_to_fs(url)
    yield lambda content: system.pipe_file(f"{root}/{name}", content)


def test_an_object_is_sent_once(url):
    remote = Remote(url)
    assert [remote.put_object(b"content") for _ in range(2)] == [7, 0]
    assert Remote(url).put_object(b"content") == 0
    assert Remote(url).get_object(DIGEST) == b"content"


def test_documents_are_listed_and_replaced(url):
    remote = Remote(url)
    assert remote.documents("records/a-0") == []
    assert remote.get_document("records/a-0/x.json") is None
    for name, content in (("y.json", b"1"), ("x.json", b"2"), ("x.json", b"3"), ("other", b"4")):
        remote.put_document(f"records/a-0/{name}", content)
    assert remote.documents("records/a-0") == ["records/a-0/x.json", "records/a-0/y.json"]
    assert remote.get_document("records/a-0/x.json") == b"3"


@pytest.mark.parametrize("content", [b"cont", b"", b"CONTENT", b"content and more"])
def test_an_object_that_was_cut_off_or_changed_is_no_object(url, content):
    remote = Remote(url)
    remote.put_object(b"content")
    with edited(url, f"objects/{DIGEST}") as write:
        write(content)
    with pytest.raises(DamagedTransferError, match=f"{DIGEST} is damaged.*push it again"):
        remote.get_object(DIGEST)


def test_what_was_cut_off_is_sent_again(url):
    remote = Remote(url)
    remote.put_object(b"content")
    with edited(url, f"objects/{DIGEST}") as write:
        write(b"cont")
    assert remote.put_object(b"content") == 7
    assert remote.get_object(DIGEST) == b"content"


def test_an_object_that_is_not_there(url):
    with pytest.raises(DamagedTransferError, match=f"{DIGEST} is missing"):
        Remote(url).get_object(DIGEST)


def test_what_is_larger_than_anything_is_not_read(url, monkeypatch):
    remote = Remote(url)
    remote.put_object(b"content")
    remote.put_document("trajectories/a.json", b"content")
    for limit, get in (
        ("LARGEST_OBJECT", lambda: remote.get_object(DIGEST)),
        ("LARGEST_DOCUMENT", lambda: remote.get_document("trajectories/a.json")),
    ):
        monkeypatch.setattr(module, limit, 0)
        with pytest.raises(DamagedTransferError, match=r"7 bytes; the limit is 0"):
            get()


def test_of_many_documents_the_one_that_is_meant_comes_first(url, monkeypatch):
    monkeypatch.setattr(module, "MOST_DOCUMENTS", 2)
    remote = Remote(url)
    for name in ("a-1", "a-2", "a-3", "b-1", "stray"):
        remote.put_document(f"records/{name}.json", b"{}")
    assert remote.documents("records", "a-.", first="a-3") == ["records/a-3.json", "records/a-1.json"]


def test_a_damaged_object_is_sent_again_once_it_was_found(url):
    remote = Remote(url)
    remote.put_object(b"content")
    with edited(url, f"objects/{DIGEST}") as write:
        write(b"CONTENT")
    with pytest.raises(DamagedTransferError, match=f"{DIGEST} is damaged.*--verify"):
        remote.get_object(DIGEST)
    assert [Remote(url).put_object(b"content") for _ in range(2)] == [7, 0]
    assert Remote(url).get_object(DIGEST) == b"content"


def test_a_report_of_what_was_sent_again_goes_at_the_next_push(url):
    """The sender was killed before, or a pull has reported the damage again."""
    Remote(url).put_object(b"content")
    Remote(url).put_document(f"damaged/{DIGEST}", b"")
    remote = Remote(url)
    assert [remote.put_object(b"content") for _ in range(2)] == [0, 0]
    assert not Remote(url)._reported


def test_who_may_not_remove_a_report_still_sends(url, monkeypatch):
    Remote(url).put_document(f"damaged/{DIGEST}", b"")
    remote = Remote(url)
    system = type(remote._system)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(system, "rm_file", refuse)
    monkeypatch.setattr(system, "_rm_file", refuse, raising=False)
    assert remote.put_object(b"content") == 7
    assert Remote(url).get_object(DIGEST) == b"content"


def test_a_damaged_object_is_found_by_who_verifies(url):
    Remote(url).put_object(b"content")
    with edited(url, f"objects/{DIGEST}") as write:
        write(b"CONTENT")
    assert Remote(url).put_object(b"content") == 0
    assert [Remote(url, verify=True).put_object(b"content") for _ in range(2)] == [7, 0]


def test_who_may_not_write_there_still_learns_of_the_damage(url, monkeypatch):
    Remote(url).put_object(b"content")
    with edited(url, f"objects/{DIGEST}") as write:
        write(b"CONTENT")

    def refuse(*_: object) -> None:
        raise StoreError("you may not")

    monkeypatch.setattr(Remote, "_put", refuse)
    with pytest.raises(DamagedTransferError, match=f"{DIGEST} is damaged"):
        Remote(url).get_object(DIGEST)


def test_a_place_that_is_not_there_is_named(url, tmp_path):
    Remote(url).check_place()  # the folder that it will lie in is there
    with pytest.raises(StoreError, match="there is no remote store; check the address"):
        Remote(url).check_store()
    Remote(url).put_object(b"content")
    Remote(url).check_store()
    Remote(url).check_place()
    with pytest.raises(StoreError, match=rf"{tmp_path}/no does not exist; check the address, or create it first"):
        Remote(str(tmp_path / "no/store")).check_place()


def test_a_misspelt_bucket_is_not_made(s3):
    for check in (Remote("s3://faetdyn/store").check_place, Remote("s3://faetdyn/store").check_store):
        with pytest.raises(StoreError, match=r"(faetdyn does not exist|there is no remote store); check the address"):
            check()
    with pytest.raises(StoreError, match="cannot be used"):
        Remote("s3://faetdyn/store").put_object(b"content")
    assert [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]] == ["featdyn"]
    assert s3


@pytest.mark.parametrize("name", ["a::b", "memory::x", "a b", "s3:", "ü"])
def test_a_folder_may_be_called_anything(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for url in (name, str(tmp_path / name), f"file://{tmp_path / name}"):
        assert Remote(url).put_object(b"content") == (7 if url == name else 0)
    assert (tmp_path / name / "objects" / DIGEST).read_bytes() == b"content"


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_what_is_no_file_is_neither_read_nor_written(tmp_path, make):
    remote = Remote(str(tmp_path / "remote"))
    (tmp_path / "remote/objects").mkdir(parents=True)
    make(tmp_path / "remote/objects" / DIGEST)
    with without_waiting(), pytest.raises(DamagedTransferError, match=r"is not a file|the limit is"):
        remote.get_object(DIGEST)
    if make is not SPECIAL["sparse file of 4 TB"]:
        with without_waiting(), pytest.raises(DamagedTransferError, match="is not a file; remove it"):
            remote.put_object(b"content")


def test_addresses_that_cannot_be_used(tmp_path, s3):
    with pytest.raises(StoreError, match=r"what://x cannot be used .*what.* check the address"):
        Remote("what://x")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used"):
        Remote(str(tmp_path / "file")).put_object(b"content")
    with pytest.raises(StoreError, match="cannot be used"):
        Remote("http://127.0.0.1:9/store").put_object(b"content")
    assert s3


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    def lacking(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", lacking)
    with pytest.raises(StoreError, match=r"s3://bucket: Install s3fs to access S3; .*featdyn\[s3\]"):
        Remote("s3://bucket")
