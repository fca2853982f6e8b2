"""Published image sets: fetched by torchvision, converted once to plain tensors, verified at every load.

torchvision hashes the archives at every construction, downloads to the final name, and does not check unpacked MNIST at
all. So it runs once, behind a lock. Its result is kept as ``featdyn/<name>.safetensors`` beside a manifest with its
SHA-256.
"""

import contextlib
import errno
import hashlib
import http.client
import json
import socket
import tarfile
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import safetensors.torch
import torch
from filelock import BaseFileLock, FileLock

from featdyn_core.data.disk import disk_errors, disk_refusal
from featdyn_core.data.formats import Arrays
from featdyn_core.errors import AbsentDataError, DataError
from featdyn_core.files import FULL_DISK, LARGEST_DOCUMENT, md5_of, read_file, sha256_of, write_atomically

SCHEMA = 1
SILENCE = 60.0  # seconds without a byte after which a download counts as failed
CLASSES = {"mnist": "MNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100", "svhn": "SVHN", "stl10": "STL10"}

# Size in bytes and MD5 of the unpacked files of yann.lecun.com/exdb/mnist, in the order of ``Arrays``.
MNIST_RAW = {
    "train-images-idx3-ubyte": (47_040_016, "6bbc9ace898e44ae57da46a324031adb"),
    "train-labels-idx1-ubyte": (60_008, "a25bea736e30d166cdddb491f175f624"),
    "t10k-images-idx3-ubyte": (7_840_016, "2646ac647ad5339dbf082846283269ea"),
    "t10k-labels-idx1-ubyte": (10_008, "27ae3e4e09519cfbb04c329615203637"),
}

UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)

# Exceptions from torchvision when a host, a download or an archive fails.
FETCH_ERRORS = (RuntimeError, EOFError, OSError, http.client.HTTPException, tarfile.TarError, zlib.error)


class _Archive(NamedTuple):
    """A published file: its place on the disk, its MD5, and its source."""

    path: Path
    md5: str
    url: str


def load_published(name: str, root: Path, *, download: bool = True) -> Arrays:
    """Return a published image set; the first call fetches it (if ``download`` allows it) and converts it.

    Any number of processes may call at once: one converts, and the others wait. In a read-only folder each process
    reads the published files directly.

    A set that is absent and cannot be fetched is an ``AbsentDataError``, which is a ``DataError``.

    Args:
        name: one of ``CLASSES``.
        root: folder of torchvision's files.
        download: whether torchvision may download files into it.

    Raises:
        DataError: a file differs from the published one, the disk is full, or the converted file is damaged.
    """
    tensors = root / "featdyn" / f"{name}.safetensors"
    manifest = tensors.with_suffix(".json")
    if not _is_converted(tensors, manifest):
        try:
            with _lock(tensors):
                if not _is_converted(tensors, manifest):  # converted by the process that held the lock before
                    _convert(name, root, tensors, manifest, download)
        except DataError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in UNWRITABLE:
                raise
            return _as_published(name, root)
    return _read_converted(tensors, manifest)


def _lock(tensors: Path) -> contextlib.AbstractContextManager[BaseFileLock]:
    """Acquire and return the lock on a converted file; leaving its context releases it.

    Raises:
        DataError: its file cannot be created.
    """
    try:
        tensors.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(tensors.with_suffix(".lock")).acquire()
    except OSError as error:
        raise DataError(disk_refusal(tensors, error)) from error


def _is_converted(tensors: Path, manifest: Path) -> bool:
    """Say whether both files are there and the manifest is of this schema.

    The manifest is written last and removed first: without one, a conversion was cut off.
    """
    try:
        return tensors.exists() and json.loads(read_file(manifest, LARGEST_DOCUMENT))["schema"] == SCHEMA
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _convert(name: str, root: Path, tensors: Path, manifest: Path, download: bool) -> None:
    """Write a set's tensors, then the manifest that vouches for them."""
    datasets = _torchvision_datasets(name, root)
    arrays = _obtain(datasets, name, root, download)
    content = safetensors.torch.save({key: array.contiguous() for key, array in arrays._asdict().items()})
    record = {"name": name, "schema": SCHEMA, "sha256": hashlib.sha256(content).hexdigest()}
    with disk_errors(tensors):
        manifest.unlink(missing_ok=True)
        write_atomically(tensors, content)
        write_atomically(manifest, json.dumps(record, sort_keys=True, indent=1).encode())


def _as_published(name: str, root: Path) -> Arrays:
    """Return a set from a read-only folder with its unpacked published files.

    Raises:
        AbsentDataError: the files are missing or still packed.
    """
    datasets = _torchvision_datasets(name, root)
    try:
        return _read(datasets, name, root)
    except FETCH_ERRORS as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise AbsentDataError(
            f"{name} cannot be read from {root} as it is ({reason}), and nothing may be written there to fetch or "
            "unpack it; make the folder writable, or set FEATDYN_DATA to another, and run again"
        ) from error


def _read_converted(tensors: Path, manifest: Path) -> Arrays:
    try:
        record = json.loads(read_file(manifest, LARGEST_DOCUMENT))
        if sha256_of(tensors) != record["sha256"]:
            raise DataError(
                f"{tensors} is damaged: its SHA-256 is not that of {manifest.name}; delete it and run again"
            )
        return Arrays(**safetensors.torch.load_file(tensors))
    except OSError as error:
        raise DataError(f"cannot read {tensors}: {error.strerror or error}; delete it and run again") from error


def _torchvision_datasets(name: str, root: Path) -> ModuleType:
    """Import torchvision only here, because its import fails beside a torch of another build and is rarely needed.

    Raises:
        DataError: torchvision cannot be imported.
    """
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError, OSError) as error:
        raise DataError(
            f"torchvision, which fetches {name}, cannot be imported: {error}; install the torchvision that "
            f"matches torch {torch.__version__}, or put {name}.npz into {root}"
        ) from error
    return datasets


def _obtain(datasets: ModuleType, name: str, root: Path, download: bool) -> Arrays:
    """Read a set's published files, after a download if they are absent and ``download`` allows it.

    An unavailable set is an ``AbsentDataError``, or a ``DataError`` if damaged files are the cause.
    """
    try:
        if download:
            with contextlib.suppress(RuntimeError):  # files are missing or not the published ones
                return _read(datasets, name, root)
            with _no_endless_wait():
                _construct(datasets, name, root, download=True)
        return _read(datasets, name, root)
    except FETCH_ERRORS as error:
        failure = _not_obtained(datasets, name, root, error, asked=download)
        raise failure from error


def _read(datasets: ModuleType, name: str, root: Path) -> Arrays:
    """Return the two parts of a set whose published files are in ``root``, or raise RuntimeError."""
    if name == "mnist":
        return _read_mnist(datasets, root / "MNIST" / "raw")
    arrays = []
    for part in _construct(datasets, name, root, download=False):
        if name in ("cifar10", "cifar100"):
            images, labels = part.data.transpose(0, 3, 1, 2), part.targets
        else:
            images, labels = part.data, part.labels
        arrays += [torch.from_numpy(np.ascontiguousarray(images)), torch.as_tensor(labels, dtype=torch.int64)]
    return Arrays(*arrays)


def _construct(datasets: ModuleType, name: str, root: Path, *, download: bool) -> list[Any]:
    """Return torchvision's objects for the training and the test part."""
    kind = getattr(datasets, CLASSES[name])
    parts: list[dict[str, Any]] = (
        [{"split": "train"}, {"split": "test"}] if name in ("svhn", "stl10") else [{"train": True}, {"train": False}]
    )
    with warnings.catch_warnings():
        # The CIFAR batches were pickled by a NumPy that wrote flags as integers; 2.4.0 to 2.4.4 warn of it.
        warnings.filterwarnings("ignore", r"dtype\(\): align should be passed", np.exceptions.VisibleDeprecationWarning)
        # torchvision unpacks without naming a tar filter, of which Python 3.12 and 3.13 warn; the MD5 of the
        # archive has been checked by then.
        warnings.filterwarnings("ignore", r"Python 3\.14 will, by default, filter", DeprecationWarning)
        return [kind(root, download=download, **part) for part in parts]


def _read_mnist(datasets: ModuleType, folder: Path) -> Arrays:
    """Return MNIST from its unpacked files, checked here because torchvision does not check them.

    Raises:
        RuntimeError: a file is missing, as torchvision says it of other sets.
        DataError: a file is not the published one.
    """
    paths = [folder / file for file in MNIST_RAW]
    if missing := [path.name for path in paths if not path.exists()]:
        raise RuntimeError(f"{folder} has no {', '.join(missing)}")
    for path, (size, md5) in zip(paths, MNIST_RAW.values(), strict=True):
        if path.stat().st_size != size or md5_of(path) != md5:
            raise DataError(
                f"{path} is not the published file: it has {path.stat().st_size:,} bytes, published are "
                f"{size:,} with MD5 {md5}; delete it and run again"
            )
    read_images, read_labels = datasets.mnist.read_image_file, datasets.mnist.read_label_file
    return Arrays(
        read_images(paths[0])[:, None],
        read_labels(paths[1]),
        read_images(paths[2])[:, None],
        read_labels(paths[3]),
    )


@contextlib.contextmanager
def _no_endless_wait() -> Iterator[None]:
    """Make a silent host fail: torchvision sets no timeout, and only the process-wide default is available."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _archives(datasets: ModuleType, name: str, root: Path) -> list[_Archive]:
    """Return the files that torchvision downloads for a set."""
    kind = getattr(datasets, CLASSES[name])
    if name == "mnist":
        return [_Archive(root / "MNIST" / "raw" / file, md5, kind.mirrors[0] + file) for file, md5 in kind.resources]
    if name == "svhn":
        return [_Archive(root / file, md5, url) for url, file, md5 in map(kind.split_list.get, ("train", "test"))]
    return [_Archive(root / kind.filename, kind.tgz_md5, kind.url)]


def _not_obtained(datasets: ModuleType, name: str, root: Path, error: Exception, *, asked: bool) -> DataError:
    """Return the error with failure, place and remedy; ``asked``: whether the host was contacted."""
    # Only errors of the disk carry a number and a file; those of a connection lack one or the other.
    if isinstance(error, OSError) and (error.errno in FULL_DISK or (error.errno and error.filename)):
        return DataError(disk_refusal(Path(error.filename or root), error))
    archives = _archives(datasets, name, root)
    damaged = [a.path for a in archives if a.path.exists() and md5_of(a.path) != a.md5]
    wanted = [a for a in archives if a.path in damaged or not a.path.exists()] or archives
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    damage = f"Delete {', '.join(map(str, damaged))}: not as published, perhaps cut off. " if damaged else ""
    files = ", ".join(f"{a.path.name} (MD5 {a.md5})" for a in wanted)
    if not asked and not damaged:
        return AbsentDataError(
            f"{name} is not in {root}, and nothing is fetched here. Let featdyn train download it, or put the "
            f"published {files} into {archives[0].path.parent}, or {name}.npz into {root}"
        )
    kind = DataError if damaged else AbsentDataError
    return kind(
        f"{name} could not be had from {urlsplit(archives[0].url).hostname}: {reason}. {damage}"
        f"Run again when the host can be reached, or put the published {files} into "
        f"{archives[0].path.parent}, or {name}.npz into {root}"
    )
