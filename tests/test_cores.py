"""How many cores there are, on systems that bind processes to some and on those that do not."""

from __future__ import annotations

import os

import pytest

from reweigh.cores import available_cores


def test_the_cores_that_this_process_may_use_are_counted() -> None:
    assert available_cores() == len(os.sched_getaffinity(0))


def test_a_system_without_affinity_gives_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_cores() == os.cpu_count()
