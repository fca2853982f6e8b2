"""The official CIFAR-10-C files: CIFAR-10's test images under corruptions, as published.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations"
(2019); Zenodo record 2535967, CC BY 4.0.
"""

import os
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from filelock import FileLock

from featdyn_core.data.disk import disk_refusal
from featdyn_core.data.names import SEVERITIES
from featdyn_core.errors import DataError
from featdyn_core.files import md5_of, open_file
from featdyn_core.project import data_root

FOLDER = "CIFAR-10-C"
TAR_MD5 = "56bf5dcef84df0e2308c6dcbcbbd8499"
PER_SEVERITY = 10_000  # number of images: the test set of CIFAR-10, in its order
CORRUPTION_KINDS = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"),
    *("snow", "frost", "fog", "brightness", "spatter"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression", "saturate"),
)


def load_official_corruption(
    kind: str, severity: int, *, root: str | os.PathLike[str] | None = None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the official images of one corruption at one severity, or None if they are absent.

    The function looks in ``CIFAR-10-C`` under ``root``. If only ``CIFAR-10-C.tar`` is there, one process checks its MD5
    and unpacks it for all. In a folder that somebody else unpacked, only shapes and types are checked, because the
    published MD5 is that of the tar file.

    Args:
        kind: one of ``CORRUPTION_KINDS``.
        severity: 1 … 5; severity ``s`` is in the rows ``(s - 1) * 10⁴`` to ``s * 10⁴`` of a file.
        root: folder of image sets, see ``data_root``.

    Returns:
        Images, ``(10000, 32, 32, 3)`` uint8, memory-mapped and read-only, and labels, ``(10000,)`` int64;
        None if there is neither the folder nor the tar file.

    Raises:
        DataError: the kind or the severity is unknown, the folder lacks ``<kind>.npy`` or ``labels.npy``, a file has
            another form, the tar file has another checksum, or the disk is full.
    """
    if kind not in CORRUPTION_KINDS:
        raise DataError(f"unknown CIFAR-10-C corruption {kind!r}; the kinds are {', '.join(CORRUPTION_KINDS)}")
    if not isinstance(severity, int | np.integer) or severity not in SEVERITIES:
        raise DataError(f"corruption severity {severity!r}; it must be 1, 2, 3, 4 or 5")
    folder = data_root(root) / FOLDER
    if not folder.exists():
        if not folder.with_suffix(".tar").exists():
            return None
        _unpack(folder)
    rows = slice((severity - 1) * PER_SEVERITY, severity * PER_SEVERITY)
    images = _open(folder / f"{kind}.npy", (len(SEVERITIES) * PER_SEVERITY, 32, 32, 3))[rows]
    labels = _open(folder / "labels.npy", (len(SEVERITIES) * PER_SEVERITY,))[rows]
    return images, np.array(labels, dtype=np.int64)


def _open(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return a memory-mapped uint8 array of the published shape.

    Raises:
        DataError: the file is missing, cannot be read, or has another shape or type.
    """
    mend = (
        f"delete the folder {path.parent}; with {FOLDER}.tar (Zenodo record 2535967) beside it, the next call "
        "unpacks it again"
    )
    try:
        with open_file(path):  # it is a file, not a pipe, whose reading would wait
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing, perhaps an unpacking that was cut off; {mend}") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}; {mend}") from error
    if array.shape != shape or array.dtype != np.uint8:
        raise DataError(f"{path} holds {array.dtype} {array.shape}, published as uint8 {shape}; {mend}")
    return array


def _unpack(folder: Path) -> None:
    """Unpack the tar file beside ``folder``; the folder appears only once it is whole.

    Raises:
        DataError: it is not the published file, cannot be unpacked, or the disk fails.
    """
    tar = folder.with_suffix(".tar")
    try:
        with FileLock(folder.with_suffix(".lock")):
            if folder.exists():  # another process has unpacked it in the meantime
                return
            if md5_of(tar) != TAR_MD5:
                raise DataError(
                    f"{tar} is not the published file (MD5 {TAR_MD5}), perhaps half a download; "
                    "delete it, and get it from Zenodo record 2535967"
                )
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{FOLDER}.") as temporary:
                with tarfile.open(tar) as archive:
                    archive.extractall(temporary, filter="data")
                (Path(temporary) / FOLDER).replace(folder)
    except OSError as error:
        raise DataError(disk_refusal(folder, error)) from error
    except tarfile.TarError as error:
        raise DataError(f"{tar} cannot be unpacked: {error}; delete it, and get it again") from error
