"""Pickles give arrays and plain containers, and run nothing."""

from __future__ import annotations

import io
import os
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.layouts import restricted_pickle
from reweigh.layouts.restricted_pickle import read_pickle

LABELS = {"clean_label": np.arange(5), "worse_label": [0, 1, 2, 3, 4], "one": np.int64(3)}


class Runs:
    """Would make a folder when it is unpickled by the standard library."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


def zipped(path: Path, data: bytes, name: str = "archive/data.pkl") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, data)
    return path


def forms(folder: Path, value: Any) -> list[Path]:
    """The value as a plain pickle, as torch's zip, as torch's form before, and as a .npy."""
    plain, old, array = folder / "x.pkl", folder / "old.pt", folder / "x.npy"
    plain.write_bytes(pickle.dumps(value, protocol=2))
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    old.write_bytes(b"".join(pickle.dumps(part, protocol=2) for part in [*head, value]))
    np.save(array, np.array(value, dtype=object), allow_pickle=True)
    return [plain, old, array, zipped(folder / "x.pt", pickle.dumps(value, protocol=2))]


def test_every_form_gives_the_object(tmp_path: Path) -> None:
    for path in forms(tmp_path, LABELS):
        found = read_pickle(path)
        assert sorted(found) == sorted(LABELS), path
        assert np.array_equal(found["clean_label"], LABELS["clean_label"]) and found["one"] == 3


def test_the_old_batches_texts_are_readable(tmp_path: Path) -> None:
    # {'data': 'caf\xe9'} as Python 2 wrote it: a str of bytes
    (tmp_path / "x").write_bytes(b"\x80\x02}q\x00U\x04dataq\x01U\x04caf\xe9q\x02s.")
    assert read_pickle(tmp_path / "x") == {"data": "café"}


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    for path in forms(tmp_path, {"clean_label": Runs(str(tmp_path / "made"))}):
        with pytest.raises(
            ReweighError, match=r"is refused or broken as a pickle of arrays: it asks for (posix|nt)\.mkdir"
        ):
            read_pickle(path)
    assert not (tmp_path / "made").exists()


def test_an_empty_file_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "CIFAR-10_human_ordered.npy").write_bytes(b"")
    with pytest.raises(ReweighError, match=r"is empty \(0 bytes\): it was published or downloaded so"):
        read_pickle(tmp_path / "CIFAR-10_human_ordered.npy")


def test_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"No file .*x"):
        read_pickle(tmp_path / "x")


def test_a_file_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restricted_pickle, "LARGEST", 100)
    (tmp_path / "x").write_bytes(bytes(200))
    with pytest.raises(ReweighError, match="has 200 bytes; no file of labels or batch of CIFAR is over 100"):
        read_pickle(tmp_path / "x")
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", bytes(5000))
    monkeypatch.setattr(restricted_pickle, "LARGEST", 1000)
    with pytest.raises(ReweighError, match="over 1,000 bytes"):
        read_pickle(path)


def test_a_huge_array_that_is_not_there_is_refused(tmp_path: Path) -> None:
    # numpy.ndarray((2 ** 60,)) by name: a few bytes that ask for all memory
    shape = pickle.dumps(1 << 60, protocol=2)[2:-1]
    (tmp_path / "x").write_bytes(b"\x80\x02cnumpy\nndarray\n" + shape + b"\x85\x85R.")
    with pytest.raises(ReweighError, match="is refused or broken"):
        read_pickle(tmp_path / "x")


def test_bytes_changed_anywhere_give_an_object_or_one_error(tmp_path: Path) -> None:
    generator = random.Random(0)
    whole = pickle.dumps(LABELS, protocol=2)
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(generator.randint(1, 3)):
            broken[generator.randrange(len(broken))] = generator.randrange(256)
        (tmp_path / "x").write_bytes(broken[: generator.randint(1, len(broken))])
        try:
            read_pickle(tmp_path / "x")
        except ReweighError as error:
            assert str(tmp_path / "x") in str(error)


def test_a_plain_npy_needs_no_pickle(tmp_path: Path) -> None:
    data = io.BytesIO()
    np.save(data, np.arange(3))
    (tmp_path / "x.npy").write_bytes(data.getvalue())
    assert read_pickle(tmp_path / "x.npy").tolist() == [0, 1, 2]


def test_a_number_in_a_pickle_allots_nothing(tmp_path: Path) -> None:
    # \x80\x02 protocol 2, ] empty list, r + four bytes: number it 2^31 - 1 (room for as many objects), . stop
    (tmp_path / "memo").write_bytes(b"\x80\x02]r\xff\xff\xff\x7f.")
    with pytest.raises(ReweighError, match="object 2 numbered 2,147,483,647"):
        read_pickle(tmp_path / "memo")
    # numpy's _reconstruct(ndarray, (2^31 - 1,), 'd'), and ndarray called by itself
    for call in (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n", b"cnumpy\nndarray\n"):
        (tmp_path / "shape").write_bytes(b"\x80\x02" + call + b"J\xff\xff\xff\x7f\x85U\x01d\x87R.")
        with pytest.raises(ReweighError, match="is refused or broken as a pickle of arrays"):
            read_pickle(tmp_path / "shape")
    np.save(tmp_path / "x.npy", np.zeros(4))
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole.replace(b"(4,), }     ", b"(99999999,)}"))
    with pytest.raises(ReweighError, match=r"an array of shape \(99999999,\) in 160 bytes"):
        read_pickle(tmp_path / "x.npy")
