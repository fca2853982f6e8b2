"""The official CIFAR-10-C files."""

import tarfile

import numpy as np
import pytest

from featdyn_core.data import official
from featdyn_core.data.official import CORRUPTION_KINDS, load_official_corruption
from featdyn_core.errors import DataError
from featdyn_core.files import md5_of


def publish(folder, per_severity: int) -> np.ndarray:
    """Write one kind and the labels in the published form; image i is filled with i modulo 251."""
    folder.mkdir()
    count = 5 * per_severity
    images = np.broadcast_to((np.arange(count) % 251).astype(np.uint8)[:, None, None, None], (count, 32, 32, 3))
    np.save(folder / "fog.npy", images)
    np.save(folder / "labels.npy", (np.arange(count) % per_severity % 10).astype(np.uint8))
    return images


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Make a folder in the published form, with 20 images per severity instead of 10,000."""
    monkeypatch.setattr(official, "PER_SEVERITY", 20)
    publish(tmp_path / "CIFAR-10-C", 20)
    return tmp_path


@pytest.fixture
def packed(monkeypatch, small):
    """Make the same as a tar file; its checksum replaces the published one."""
    folder = small / "CIFAR-10-C"
    with tarfile.open(small / "CIFAR-10-C.tar", "w") as tar:
        tar.add(folder, "CIFAR-10-C")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    monkeypatch.setattr(official, "TAR_MD5", md5_of(small / "CIFAR-10-C.tar"))
    return small


def test_there_are_nineteen_kinds():
    assert len(CORRUPTION_KINDS) == len(set(CORRUPTION_KINDS)) == 19


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_severity_picks_its_rows(small, severity):
    images, labels = load_official_corruption("fog", severity, root=small)
    assert images.shape == (20, 32, 32, 3)
    assert images[:, 5, 7, 1].tolist() == list(range(20 * (severity - 1), 20 * severity))
    assert labels.tolist() == [i % 10 for i in range(20)]
    assert labels.dtype == np.int64
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_published_sizes_are_read_in_place(tmp_path):
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    # Sparse files: only the last image takes room on the disk.
    images = np.lib.format.open_memmap(folder / "frost.npy", "w+", np.uint8, (50_000, 32, 32, 3))
    images[-1] = 9
    np.save(folder / "labels.npy", np.zeros(50_000, np.uint8))
    read, labels = load_official_corruption("frost", 5, root=tmp_path)
    assert read.shape == (10_000, 32, 32, 3)
    assert (read[-1] == 9).all()
    assert len(labels) == 10_000


def test_neither_folder_nor_tar_file_gives_none(tmp_path):
    assert load_official_corruption("snow", 1, root=tmp_path) is None
    assert load_official_corruption("snow", 1, root=tmp_path / "absent") is None


@pytest.mark.parametrize("with_tar", [True, False])
def test_folder_without_the_kind_is_refused(small, with_tar):
    if with_tar:  # it is not unpacked over a folder that is there
        (small / "CIFAR-10-C.tar").touch()
    with pytest.raises(
        DataError, match=r"snow\.npy is missing, .*; delete the folder .*CIFAR-10-C; with CIFAR-10-C\.tar .* beside it"
    ):
        load_official_corruption("snow", 1, root=small)


def test_the_mend_of_a_half_unpacked_folder_works(packed):
    (packed / "CIFAR-10-C").mkdir()
    with pytest.raises(DataError, match=r"fog\.npy is missing"):
        load_official_corruption("fog", 1, root=packed)
    (packed / "CIFAR-10-C").rmdir()
    assert load_official_corruption("fog", 1, root=packed) is not None


def test_array_that_was_cut_off_is_refused(small):
    file = small / "CIFAR-10-C" / "fog.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"fog\.npy cannot be read: .*; delete the folder"):
        load_official_corruption("fog", 1, root=small)


def test_tar_file_is_unpacked_once(packed):
    images, _ = load_official_corruption("fog", 2, root=packed)
    assert images[0, 0, 0, 0] == 20
    (packed / "CIFAR-10-C.tar").unlink()
    assert load_official_corruption("fog", 2, root=packed) is not None
    assert sorted(path.name for path in packed.iterdir()) == ["CIFAR-10-C", "CIFAR-10-C.lock"]


def test_tar_file_with_another_checksum_is_refused(packed):
    with (packed / "CIFAR-10-C.tar").open("ab") as tar:
        tar.write(b"more")
    with pytest.raises(
        DataError, match=r"CIFAR-10-C.tar is not the published file .* delete it, and get it from Zenodo"
    ):
        load_official_corruption("fog", 1, root=packed)
    assert not (packed / "CIFAR-10-C").exists()


def test_a_member_outside_the_folder_is_refused_and_nothing_kept(monkeypatch, tmp_path):
    (tmp_path / "evil").write_bytes(b"evil")
    root = tmp_path / "root"
    root.mkdir()
    with tarfile.open(root / "CIFAR-10-C.tar", "w") as tar:
        tar.add(tmp_path / "evil", "../escaped")
    monkeypatch.setattr(official, "TAR_MD5", md5_of(root / "CIFAR-10-C.tar"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        load_official_corruption("fog", 1, root=root)
    assert sorted(path.name for path in root.iterdir()) == ["CIFAR-10-C.lock", "CIFAR-10-C.tar"]
    assert not (tmp_path / "escaped").exists()


def test_full_disk_leaves_no_half_folder(monkeypatch, packed):
    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extractall", full)
    with pytest.raises(DataError, match="No space left on device; free some space"):
        load_official_corruption("fog", 1, root=packed)
    assert sorted(path.name for path in packed.iterdir()) == ["CIFAR-10-C.lock", "CIFAR-10-C.tar"]


@pytest.mark.parametrize(
    ("file", "array"),
    [
        ("fog.npy", np.zeros((99, 32, 32, 3), np.uint8)),
        ("fog.npy", np.zeros((100, 32, 32, 3))),
        ("labels.npy", np.zeros(99, np.uint8)),
    ],
)
def test_file_of_another_form_is_refused(small, file, array):
    np.save(small / "CIFAR-10-C" / file, array)
    with pytest.raises(DataError, match=f"{file} holds .* published as uint8 .*; delete the folder"):
        load_official_corruption("fog", 1, root=small)


@pytest.mark.parametrize(
    ("content", "fault"), [(None, "is missing"), (b"", "cannot be read"), (b"no array", "cannot be read")]
)
def test_missing_or_damaged_labels_are_refused(small, content, fault):
    labels = small / "CIFAR-10-C" / "labels.npy"
    labels.unlink()
    if content is not None:
        labels.write_bytes(content)
    with pytest.raises(DataError, match=rf"labels\.npy {fault}"):
        load_official_corruption("fog", 1, root=small)


@pytest.mark.parametrize("severity", [0, 6, 2.0])
def test_severity_out_of_range_is_refused(small, severity):
    with pytest.raises(DataError, match=f"severity {severity}; it must be 1, 2, 3, 4 or 5"):
        load_official_corruption("fog", severity, root=small)


def test_unknown_kind_is_refused(small):
    with pytest.raises(DataError, match="unknown CIFAR-10-C corruption 'rain'; the kinds are gaussian_noise"):
        load_official_corruption("rain", 1, root=small)
