"""Arrays of records in MATLAB's files, as scipy writes and reads them; no file can crash the reader."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from reweigh.errors import ReweighError
from reweigh.layouts import matlab_records
from reweigh.layouts.matlab_records import read_records

ROWS: list[tuple[Any, ...]] = [
    (1, "n01440764", "tench, Tinca tinca", 0.5, np.arange(4.0)), (300, "n02", "crâne ñ", -7.0, np.zeros((0, 0))), (70000, "x", "", 3.0, 2.0),
]  # fmt: skip


def write(path: Path, *, packed: bool = True, rows: list[tuple[Any, ...]] = ROWS) -> None:
    kinds: list[Any] = [(name, "O") for name in ("number", "WNID", "words", "share", "children")]
    savemat(
        path, {"before": np.arange(9), "synsets": np.array(rows, dtype=kinds).reshape(-1, 1)}, do_compression=packed
    )


@pytest.mark.parametrize("packed", [True, False])
def test_records_are_those_that_scipy_reads(tmp_path: Path, packed: bool) -> None:
    write(tmp_path / "x.mat", packed=packed)
    found = read_records(tmp_path / "x.mat", "synsets")
    theirs = loadmat(tmp_path / "x.mat", squeeze_me=True)["synsets"]
    for ours, row, own in zip(found, theirs, ROWS, strict=True):
        assert ours["number"] == row["number"] == own[0]
        assert ours["WNID"] == row["WNID"] and (ours["words"] or "") == own[2]
        assert ours["share"] == row["share"] == own[3]
    assert [row["children"] for row in found] == [None, None, 2]


def test_a_file_without_the_array_or_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    write(path)
    with pytest.raises(ReweighError, match="has no array of records named before"):
        read_records(path, "before")
    path.write_bytes(b"MATLAB 7.3 MAT-file" + path.read_bytes()[19:128] + b"\x89HDF\r\n")
    with pytest.raises(ReweighError, match=r"is no MATLAB file of version 5 to 7\.2, or a broken one"):
        read_records(path, "synsets")
    path.write_bytes(b"")
    with pytest.raises(ReweighError, match="no header of level 5"):
        read_records(path, "synsets")


def test_an_element_that_unpacks_to_absurdly_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.mat"
    write(path)
    bomb = zlib.compress(bytes(1 << 16))
    path.write_bytes(path.read_bytes()[:128] + struct.pack("<II", 15, len(bomb)) + bomb)
    monkeypatch.setattr(matlab_records, "LARGEST", 1 << 12)
    with pytest.raises(ReweighError, match="a packed element that is cut or absurdly large"):
        read_records(path, "synsets")


@settings(max_examples=150, deadline=None)
@given(
    packed=st.booleans(),
    at=st.integers(126, 1500),
    byte=st.integers(0, 255),
    cut=st.integers(0, 2000),
    more=st.binary(max_size=20),
)
def test_damaged_files_give_records_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, packed: bool, at: int, byte: int, cut: int, more: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.mat"
    write(path, packed=packed)
    damaged = bytearray(path.read_bytes())
    damaged[at % len(damaged)] = byte
    path.write_bytes(bytes(damaged[: 2000 - cut]) + more)
    try:
        assert isinstance(read_records(path, "synsets"), list)
    except ReweighError as error:
        assert "\n" not in str(error)
