"""Files and folders are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from reweigh.whole_files import read_json, whole_folder, write_bytes, write_json


def test_a_failing_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), whole_folder(tmp_path / "a") as partial:
        (partial / "x").write_text("half")
        raise ValueError("no")
    assert not list(tmp_path.iterdir())


def test_what_an_earlier_process_left_is_not_mixed_in(tmp_path: Path) -> None:
    (tmp_path / "a.partial").mkdir()
    (tmp_path / "a.partial" / "old").write_text("old")
    with whole_folder(tmp_path / "a") as partial:
        (partial / "new").write_text("new")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["new"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f", b"one")
    write_bytes(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_json_keeps_the_order_and_refuses_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "f.json", {"b": 1, "a": "é"})
    assert list(read_json(tmp_path / "f.json")) == ["b", "a"]
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "g.json", {"x": float("nan")})
    assert not (tmp_path / "g.json").exists()
