"""Published image sets, from small files in exactly the published forms.

torchvision's own code reads them; only its table of checksums is replaced, by those of the small files.
"""

import errno
import gzip
import hashlib
import io
import json
import multiprocessing
import os
import pickle
import shutil
import socket
import struct
import sys
import tarfile
import time
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import scipy.io
import torch
from torchvision import datasets

from featdyn_core.data import published
from featdyn_core.data.formats import Arrays
from featdyn_core.data.published import CLASSES, MNIST_RAW, load_published
from featdyn_core.errors import AbsentDataError, DataError

TRAIN, TEST = 10, 4


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def made_up(shape: tuple[int, int, int], classes: int = 10) -> Arrays:
    """Return random images; every label occurs at most once, the highest one does."""
    rng = np.random.default_rng(0)
    images = [torch.from_numpy(rng.integers(0, 256, (n, *shape), dtype=np.uint8)) for n in (TRAIN, TEST)]
    labels = [torch.from_numpy(rng.permutation(classes)[:n].copy()) for n in (TRAIN, TEST)]
    labels[0][0] = classes - 1
    return Arrays(images[0], labels[0], images[1], labels[1])


def packed(files: dict[str, bytes]) -> bytes:
    """Return a gzipped tar of the files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class OldPickler(pickle._Pickler):
    """Pickles arrays as the NumPy of 2009 did: protocol 2, its old module path, integers for flags."""

    def reducer_override(self, value: object) -> object:
        """Reduce types in the old way, anything else as usual."""
        if not isinstance(value, np.dtype):
            return NotImplemented
        kind, (code, *_), state = value.__reduce__()
        # (0, 1) was written; NumPy 2.4.0 to 2.4.4 warns of it, and later versions only of (0, True).
        return kind, (code, 0, True), state


def old_pickle(value: object) -> bytes:
    buffer = io.BytesIO()
    OldPickler(buffer, 2).dump(value)
    return buffer.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def publish_mnist(patch: pytest.MonkeyPatch) -> tuple[Arrays, dict[str, bytes]]:
    """Make idx files: big-endian sizes, then bytes row by row; each gzipped."""
    arrays = made_up((1, 28, 28))
    raw = {}
    for name, array in zip(MNIST_RAW, arrays, strict=True):
        sizes = (len(array), 28, 28) if "images" in name else (len(array),)
        content = array.to(torch.uint8).numpy().tobytes()
        raw[name] = struct.pack(f">{1 + len(sizes)}i", 0x0800 + len(sizes), *sizes) + content
    files = {f"MNIST/raw/{name}.gz": gzip.compress(content, mtime=0) for name, content in raw.items()}
    patch.setattr(published, "MNIST_RAW", {name: (len(c), md5(c)) for name, c in raw.items()})
    patch.setattr(datasets.MNIST, "resources", [(Path(name).name, md5(c)) for name, c in files.items()])
    return arrays, files


def publish_cifar(
    patch: pytest.MonkeyPatch,
    kind: type[datasets.CIFAR10],
    classes: int,
    key: str,
    meta: dict[str, list[str]],
) -> tuple[Arrays, dict[str, bytes]]:
    """Make a tar of pickled batches, each with rows of 3,072 bytes: red, green, blue plane."""
    arrays = made_up((3, 32, 32), classes)

    def batches(images: torch.Tensor, labels: torch.Tensor, files: list[list[str]]) -> dict[str, bytes]:
        parts = zip(images.flatten(1).chunk(len(files)), labels.chunk(len(files)), strict=True)
        return {
            name: old_pickle({"data": rows.numpy(), key: numbers.tolist()})
            for (name, _), (rows, numbers) in zip(files, parts, strict=True)
        }

    train = batches(arrays.train_images, arrays.train_labels, kind.train_list)
    test = batches(arrays.test_images, arrays.test_labels, kind.test_list)
    described = old_pickle(meta)
    files = train | test | {kind.meta["filename"]: described}
    archive = packed({f"{kind.base_folder}/{name}": content for name, content in files.items()})
    patch.setattr(kind, "train_list", [[name, md5(content)] for name, content in train.items()])
    patch.setattr(kind, "test_list", [[name, md5(content)] for name, content in test.items()])
    patch.setattr(kind, "meta", kind.meta | {"md5": md5(described)})
    patch.setattr(kind, "tgz_md5", md5(archive))
    return arrays, {kind.filename: archive}


def publish_cifar10(patch: pytest.MonkeyPatch) -> tuple[Arrays, dict[str, bytes]]:
    return publish_cifar(patch, datasets.CIFAR10, 10, "labels", {"label_names": [str(i) for i in range(10)]})


def publish_cifar100(patch: pytest.MonkeyPatch) -> tuple[Arrays, dict[str, bytes]]:
    names = {"fine_label_names": [str(i) for i in range(100)]}
    return publish_cifar(patch, datasets.CIFAR100, 100, "fine_labels", names)


def publish_svhn(patch: pytest.MonkeyPatch) -> tuple[Arrays, dict[str, bytes]]:
    """Make MATLAB files: X of shape (32, 32, 3, N), y of shape (N, 1) with 10 for the digit 0."""
    arrays = made_up((3, 32, 32))
    urls, files = {}, {}
    parts = {
        "train": (arrays.train_images, arrays.train_labels),
        "test": (arrays.test_images, arrays.test_labels),
    }
    for part, (images, labels) in parts.items():
        buffer = io.BytesIO()
        digits = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        scipy.io.savemat(buffer, {"X": images.numpy().transpose(2, 3, 1, 0), "y": digits})
        url, name, _ = datasets.SVHN.split_list[part]
        files[name], urls[part] = buffer.getvalue(), [url, name, md5(buffer.getvalue())]
    patch.setattr(datasets.SVHN, "split_list", datasets.SVHN.split_list | urls)
    return arrays, files


def publish_stl10(patch: pytest.MonkeyPatch) -> tuple[Arrays, dict[str, bytes]]:
    """Make a tar of raw bytes: planes column by column, labels from 1."""
    arrays, kind = made_up((3, 96, 96)), datasets.STL10
    files = {
        "train_X.bin": arrays.train_images.transpose(2, 3).numpy().tobytes(),
        "train_y.bin": (arrays.train_labels + 1).to(torch.uint8).numpy().tobytes(),
        "unlabeled_X.bin": bytes(3 * 96 * 96),
        "test_X.bin": arrays.test_images.transpose(2, 3).numpy().tobytes(),
        "test_y.bin": (arrays.test_labels + 1).to(torch.uint8).numpy().tobytes(),
    }
    archive = packed({f"{kind.base_folder}/{name}": content for name, content in files.items()})
    for table in ("train_list", "test_list"):
        patch.setattr(kind, table, [[name, md5(files[name])] for name, _ in getattr(kind, table)])
    patch.setattr(kind, "tgz_md5", md5(archive))
    return arrays, {kind.filename: archive}


PUBLISHERS: dict[str, Callable[[pytest.MonkeyPatch], tuple[Arrays, dict[str, bytes]]]] = {
    "mnist": publish_mnist,
    "cifar10": publish_cifar10,
    "cifar100": publish_cifar100,
    "svhn": publish_svhn,
    "stl10": publish_stl10,
}


def place(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def same(read: Arrays, expected: Arrays) -> bool:
    return all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(read, expected, strict=True))


class Answer(io.BytesIO):
    """Result of ``urlopen`` for a file."""

    def __init__(self, url: str, content: bytes) -> None:
        super().__init__(content)
        self.url, self.length = url, len(content)


class Host:
    """The network of a test: it has the given files, and is unreachable for others."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.timeouts: set[float | None] = set()

    def urlopen(self, request: urllib.request.Request) -> Answer:
        """Replace the function of this name."""
        self.timeouts.add(socket.getdefaulttimeout())
        name = request.full_url.rsplit("/", 1)[1]
        if name not in self.files:
            raise URLError("no route to host")
        return Answer(request.full_url, self.files[name])


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host()
    monkeypatch.setattr(urllib.request, "urlopen", made.urlopen)
    return made


@pytest.mark.parametrize("name", CLASSES)
def test_files_in_the_published_form_are_read_exactly(monkeypatch, tmp_path, name):
    expected, files = PUBLISHERS[name](monkeypatch)
    place(tmp_path, files)
    assert same(load_published(name, tmp_path), expected)
    # What was converted is enough from now on.
    for file in files:
        (tmp_path / file).unlink()
    monkeypatch.setattr(published, "_obtain", None)
    read = load_published(name, tmp_path)
    assert same(read, expected)
    assert all(array.is_contiguous() for array in read)


@pytest.mark.parametrize("name", CLASSES)
def test_missing_files_are_downloaded_with_a_timeout(monkeypatch, tmp_path, host, name):
    expected, files = PUBLISHERS[name](monkeypatch)
    host.files = {Path(file).name: content for file, content in files.items()}
    assert same(load_published(name, tmp_path), expected)
    assert host.timeouts == {published.SILENCE}
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize("name", CLASSES)
def test_nothing_is_fetched_where_that_is_not_allowed(monkeypatch, tmp_path, host, name):
    expected, files = PUBLISHERS[name](monkeypatch)
    host.files = {Path(file).name: content for file, content in files.items()}
    with pytest.raises(
        AbsentDataError, match=f"{name} is not in .*nothing is fetched here. Let featdyn train"
    ) as caught:
        load_published(name, tmp_path, download=False)
    assert "host" not in str(caught.value)
    assert not host.timeouts
    assert same(load_published(name, tmp_path), expected)
    assert same(load_published(name, tmp_path, download=False), expected)


@pytest.mark.parametrize(
    ("name", "place_named", "wanted"),
    [
        ("mnist", "ossci-datasets.s3.amazonaws.com", "t10k-labels-idx1-ubyte.gz"),
        ("cifar10", "www.cs.toronto.edu", "cifar-10-python.tar.gz"),
        ("cifar100", "www.cs.toronto.edu", "cifar-100-python.tar.gz"),
        ("svhn", "ufldl.stanford.edu", "test_32x32.mat"),
        ("stl10", "ai.stanford.edu", "stl10_binary.tar.gz"),
    ],
)
def test_unreachable_host_gives_the_host_the_file_and_the_mend(tmp_path, name, place_named, wanted):
    with pytest.raises(AbsentDataError) as caught:
        load_published(name, tmp_path)
    message = str(caught.value)
    assert f"{name} could not be had from {place_named}: " in message
    assert "no route to host" in message
    assert f"{wanted} (MD5 " in message
    assert f"or {name}.npz into {tmp_path}" in message
    assert "\n" not in message
    assert "Delete" not in message


def test_half_a_download_is_named_and_mended_by_the_next_run(monkeypatch, tmp_path, host):
    expected, files = publish_cifar10(monkeypatch)
    (name, archive), *_ = files.items()
    host.files[name] = archive[: len(archive) // 2]
    with pytest.raises(
        DataError, match=rf"Delete {tmp_path / name}: not as published, perhaps cut off\. Run again"
    ) as caught:
        load_published("cifar10", tmp_path)
    assert not isinstance(caught.value, AbsentDataError)
    assert not list((tmp_path / "featdyn").glob("*.safetensors"))
    host.files[name] = archive
    assert same(load_published("cifar10", tmp_path), expected)


def test_only_the_damaged_one_of_two_files_is_asked_for(monkeypatch, tmp_path):
    _, files = publish_svhn(monkeypatch)
    place(tmp_path, files | {"test_32x32.mat": b"half"})
    with pytest.raises(DataError, match=r"Delete .*/test_32x32\.mat: not as published") as caught:
        load_published("svhn", tmp_path)
    assert "train_32x32.mat" not in str(caught.value)


def test_damaged_unpacked_batch_is_unpacked_again(monkeypatch, tmp_path):
    expected, files = publish_cifar10(monkeypatch)
    place(tmp_path, files | {"cifar-10-batches-py/data_batch_3": b"half"})
    assert same(load_published("cifar10", tmp_path), expected)


@pytest.mark.parametrize("damage", ["short", "flipped"])
def test_damaged_unpacked_mnist_is_refused_by_name(monkeypatch, tmp_path, damage):
    _, files = publish_mnist(monkeypatch)
    raw = {name.removesuffix(".gz"): gzip.decompress(content) for name, content in files.items()}
    file = "MNIST/raw/train-images-idx3-ubyte"
    content = raw[file]
    changed = content[:-5] if damage == "short" else content[:-1] + bytes([content[-1] ^ 1])
    place(tmp_path, raw | {file: changed})
    with pytest.raises(DataError, match=rf"{tmp_path / file} is not the published file: .*delete it and run again"):
        load_published("mnist", tmp_path)


def test_published_checksums_of_mnist_are_the_known_ones():
    assert {size for size, _ in MNIST_RAW.values()} == {
        16 + 60_000 * 784,
        8 + 60_000,
        16 + 10_000 * 784,
        8 + 10_000,
    }
    assert all(len(digest) == 32 for _, digest in MNIST_RAW.values())


@pytest.fixture
def converted(monkeypatch, tmp_path) -> tuple[Path, Arrays]:
    expected, files = publish_svhn(monkeypatch)
    place(tmp_path, files)
    load_published("svhn", tmp_path)
    return tmp_path, expected


def test_manifest_vouches_for_the_tensors(converted):
    folder = converted[0] / "featdyn"
    record = json.loads((folder / "svhn.json").read_bytes())
    content = (folder / "svhn.safetensors").read_bytes()
    assert record == {"name": "svhn", "schema": 1, "sha256": hashlib.sha256(content).hexdigest()}
    assert sorted(path.name for path in folder.iterdir()) == ["svhn.json", "svhn.lock", "svhn.safetensors"]


def test_damaged_tensors_are_refused_and_mended_by_deleting_them(converted):
    root, expected = converted
    tensors = root / "featdyn" / "svhn.safetensors"
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(DataError, match=rf"{tensors} is damaged: .* svhn\.json; delete it and run again"):
        load_published("svhn", root)
    tensors.unlink()
    assert same(load_published("svhn", root), expected)


@pytest.mark.parametrize("manifest", [None, b"{", b"[]", b"{}", b'{"schema": 0, "sha256": ""}'])
def test_cut_off_or_outdated_conversion_is_done_again(converted, manifest):
    root, expected = converted
    (root / "featdyn" / "svhn.safetensors").write_bytes(b"half")
    path = root / "featdyn" / "svhn.json"
    path.unlink() if manifest is None else path.write_bytes(manifest)
    assert same(load_published("svhn", root), expected)
    assert json.loads(path.read_bytes())["schema"] == 1


def test_no_manifest_vouches_while_a_set_is_converted_anew(monkeypatch, converted):
    root, _ = converted
    manifest, tensors = root / "featdyn" / "svhn.json", root / "featdyn" / "svhn.safetensors"
    tensors.unlink()

    def cut_off(_path: Path, _content: bytes) -> None:
        assert not manifest.exists(), "the manifest of before vouches for a set that is being written"
        raise KeyboardInterrupt

    monkeypatch.setattr(published, "write_atomically", cut_off)
    with pytest.raises(KeyboardInterrupt):
        load_published("svhn", root)


def test_tar_warning_of_python_3_12_and_3_13_is_let_pass(monkeypatch, tmp_path):
    expected, files = publish_stl10(monkeypatch)
    place(tmp_path, files)
    extractall = tarfile.TarFile.extractall

    def warning(*args: object, **options: object) -> None:
        text = "Python 3.14 will, by default, filter extracted tar archives and reject files"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        extractall(*args, **options)

    monkeypatch.setattr(tarfile.TarFile, "extractall", warning)
    assert same(load_published("stl10", tmp_path), expected)


def test_full_disk_at_the_conversion_leaves_no_half_file(monkeypatch, tmp_path):
    expected, files = publish_svhn(monkeypatch)
    place(tmp_path, files)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match=r"svhn\.safetensors: No space left on device; free some space"):
            load_published("svhn", tmp_path)
    assert [path.name for path in (tmp_path / "featdyn").iterdir()] == ["svhn.lock"]
    assert same(load_published("svhn", tmp_path), expected)


def unwritable(number: int) -> Callable[..., None]:
    def refuse(path: Path, *_args: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    return refuse


REFUSED = {"lock": (Path, "mkdir"), "copy": (published, "write_atomically")}
"""What may be refused: the first thing that is made in the folder, or the last."""


@pytest.mark.parametrize("refused", REFUSED)
@pytest.mark.parametrize("number", published.UNWRITABLE)
@pytest.mark.parametrize("name", CLASSES)
def test_complete_set_is_read_where_nothing_may_be_written(monkeypatch, tmp_path, name, number, refused):
    expected, files = PUBLISHERS[name](monkeypatch)
    place(tmp_path / "elsewhere", files)
    load_published(name, tmp_path / "elsewhere")  # which unpacks them
    (tmp_path / "elsewhere").rename(tmp_path / "read-only")
    shutil.rmtree(tmp_path / "read-only" / "featdyn")
    before = sorted((tmp_path / "read-only").rglob("*"))
    monkeypatch.setattr(*REFUSED[refused], unwritable(number))
    for download in (True, False):
        assert same(load_published(name, tmp_path / "read-only", download=download), expected), f"download = {download}"
    if refused == "lock":
        assert sorted((tmp_path / "read-only").rglob("*")) == before


def test_incomplete_data_in_a_read_only_folder_is_absent(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "mkdir", unwritable(errno.EROFS))
    for name in CLASSES:
        message = rf"{name} cannot be read from {tmp_path} as it is .*; make the folder writable, or set FEATDYN_DATA"
        with pytest.raises(AbsentDataError, match=message):
            load_published(name, tmp_path)


def test_damage_is_reported_where_nothing_may_be_written(monkeypatch, tmp_path):
    _, files = publish_mnist(monkeypatch)
    place(tmp_path, files)
    load_published("mnist", tmp_path)
    shutil.rmtree(tmp_path / "featdyn")
    (tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte").write_bytes(b"half")
    monkeypatch.setattr(Path, "mkdir", unwritable(errno.EROFS))
    with pytest.raises(DataError, match="train-labels-idx1-ubyte is not the published file"):
        load_published("mnist", tmp_path)


def test_full_disk_at_the_download_is_not_taken_for_the_host(monkeypatch, tmp_path, host):
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    _, files = publish_cifar10(monkeypatch)
    host.files = dict(files)
    monkeypatch.setattr(Answer, "read", full)
    with pytest.raises(DataError, match="No space left on device; free some space") as caught:
        load_published("cifar10", tmp_path)
    assert "toronto" not in str(caught.value)


def test_root_that_is_no_folder_is_an_error_of_the_disk(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot read or write .*: (Not a directory|File exists)"):
        load_published("mnist", tmp_path / "file")


def test_torchvision_that_cannot_be_imported_names_the_mend(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(DataError, match=r"cannot be imported: .*; install .*, or put mnist\.npz into"):
        load_published("mnist", tmp_path)


def load_at_once(root: Path, gate: multiprocessing.Barrier) -> None:
    """Load in one of two processes that start together, and note which one converts."""
    with pytest.MonkeyPatch.context() as patch:
        expected, _ = publish_mnist(patch)
        convert = published._convert

        def noted(*args: object) -> None:
            with (root / "conversions").open("a") as file:
                file.write("converted\n")
            time.sleep(0.5)  # long enough that the other process asks too
            convert(*args)

        patch.setattr(published, "_convert", noted)
        gate.wait(60)
        assert same(load_published("mnist", root), expected)


def test_two_processes_convert_once(monkeypatch, tmp_path):
    _, files = publish_mnist(monkeypatch)
    place(tmp_path, files)
    spawn = multiprocessing.get_context("spawn")
    gate = spawn.Barrier(2)
    other = spawn.Process(target=load_at_once, args=(tmp_path, gate))
    other.start()
    load_at_once(tmp_path, gate)
    other.join(60)
    assert other.exitcode == 0
    assert (tmp_path / "conversions").read_text() == "converted\n"
