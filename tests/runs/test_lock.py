"""The lock: one process at a time; a dead holder is replaced, a living or foreign one is named."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from reweigh.errors import ReweighError
from reweigh.runs.lock import locked


def test_a_lock_is_gone_after_the_block_also_when_it_fails(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert (tmp_path / "run.lock").exists()
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_living_holder_is_named(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(ReweighError, match=f"is used by process {os.getpid()} of this machine"),
        locked(tmp_path),
    ):
        raise AssertionError("two processes hold one lock")


def test_the_lock_of_a_process_that_ended_is_taken_over(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    holder = {"host": socket.gethostname(), "process": ended.pid, "started": "1"}
    (tmp_path / "run.lock").write_text(json.dumps(holder))
    with locked(tmp_path):
        assert json.loads((tmp_path / "run.lock").read_text())["process"] == os.getpid()


def test_a_lock_of_another_host_is_refused_with_the_way_to_clear_it(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text(json.dumps({"host": "elsewhere", "process": 1, "started": "1"}))
    with pytest.raises(ReweighError, match=r"process 1 on host elsewhere.*remove .*run\.lock"), locked(tmp_path):
        raise AssertionError("took a lock of another host")


def test_a_broken_lock_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("{")
    with locked(tmp_path):
        assert (tmp_path / "run.lock").exists()
