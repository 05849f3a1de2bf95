"""Checkpoints: whole or not there, of one training only, and optimisers that go on to the same bits."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from torch import nn

from reweigh.errors import ReweighError
from reweigh.optimization.optimizers import OPTIMIZERS, make_optimizer, parameter_groups, set_rate
from reweigh.training.checkpoints import (
    Checkpoint,
    last_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    write_checkpoint,
)


def checkpoint(step: int, *, epoch: int = 0, value: float = 1.0) -> Checkpoint:
    return Checkpoint(epoch=epoch, step=step, tensors={"a": torch.full((3, 2), value)}, record={"step": step})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_is_read_and_the_earlier_one_is_gone(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path, key="k") is None
    write_checkpoint(tmp_path, checkpoint(7), key="k")
    write_checkpoint(tmp_path, checkpoint(2, epoch=1, value=2.0), key="k")
    assert names(tmp_path) == ["step-00001-0000002"]
    assert names(tmp_path / "step-00001-0000002") == ["checkpoint.json", "tensors.safetensors"]
    found = last_checkpoint(tmp_path, key="k")
    assert found is not None and (found.epoch, found.step, found.record) == (1, 2, {"step": 2})
    assert torch.equal(found.tensors["a"], torch.full((3, 2), 2.0))


def test_whoever_may_read_other_new_files_may_read_it(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, checkpoint(1), key="k")
    (tmp_path / "another").touch()
    modes = {path.stat().st_mode for path in (tmp_path / "step-00000-0000001").iterdir()}
    assert modes == {(tmp_path / "another").stat().st_mode}


def test_both_there_the_newer_one_counts(tmp_path: Path) -> None:
    """A process killed after the new one was whole, and before the old one was removed."""
    write_checkpoint(tmp_path, checkpoint(1), key="k")
    shutil.copytree(tmp_path / "step-00000-0000001", tmp_path / "kept")
    write_checkpoint(tmp_path, checkpoint(2), key="k")
    (tmp_path / "kept").rename(tmp_path / "step-00000-0000001")
    found = last_checkpoint(tmp_path, key="k")
    assert found is not None and found.step == 2


def test_killed_while_writing_the_earlier_one_is_read_and_the_half_one_goes_with_the_next(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, checkpoint(1), key="k")
    half = tmp_path / "step-00000-0000002.partial"
    half.mkdir()
    (half / "tensors.safetensors").write_bytes(b"half")
    (half / "checkpoint.json").write_text("{}")
    found = last_checkpoint(tmp_path, key="k")
    assert found is not None and found.step == 1
    write_checkpoint(tmp_path, checkpoint(3), key="k")
    assert names(tmp_path) == ["step-00000-0000003"]


def test_the_same_step_written_again_replaces_the_first(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, checkpoint(1), key="k")
    write_checkpoint(tmp_path, checkpoint(1, value=5.0), key="k")
    found = last_checkpoint(tmp_path, key="k")
    assert found is not None and found.tensors["a"].max() == 5


FULL = "Error while serializing: I/O error: No space left on device (os error 28)"


@pytest.mark.parametrize("where", ["tensors", "record", "flush"])
def test_a_full_disk_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Full while safetensors writes, which says so in words only; while the record is flushed; when the folder is."""
    write_checkpoint(tmp_path, checkpoint(6, epoch=1), key="k")
    real, calls = os.fsync, []

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == (1 if where == "record" else 2):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    def save_file(tensors: Any, path: str) -> None:
        Path(path).write_bytes(b"half")
        raise SafetensorError(FULL)

    with monkeypatch.context() as patched:
        if where == "tensors":
            patched.setattr(safetensors.torch, "save_file", save_file)
        else:
            patched.setattr(os, "fsync", fsync)
        with pytest.raises(
            ReweighError, match=r"^No space left .* 1 MB .*; the checkpoint of epoch 2, step 7 is intact"
        ):
            write_checkpoint(tmp_path, checkpoint(9, epoch=1), key="k")
    assert names(tmp_path) == ["step-00001-0000006"]
    found = last_checkpoint(tmp_path, key="k")
    assert found is not None and found.step == 6


def test_a_disk_full_at_the_first_checkpoint_says_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReweighError, match="there is none before it"):
        write_checkpoint(tmp_path, checkpoint(0), key="k")
    assert names(tmp_path) == []


SMALL_DISK = """
import sys, torch
from pathlib import Path
from reweigh.errors import ReweighError
from reweigh.training.checkpoints import Checkpoint, last_checkpoint, write_checkpoint
folder = Path(sys.argv[1])
write_checkpoint(folder, Checkpoint(epoch=0, step=0, tensors={"a": torch.ones(100_000)}, record={}), key="k")
try:
    write_checkpoint(folder, Checkpoint(epoch=0, step=1, tensors={"a": torch.ones(200_000)}, record={}), key="k")
except ReweighError as error:
    print(error)
print(float(last_checkpoint(folder, key="k").tensors["a"].sum()), len(list(folder.iterdir())))
"""


def test_on_a_disk_of_one_megabyte(tmp_path: Path) -> None:
    mount = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    disk = f"mount -t tmpfs -o size=1m none '{tmp_path}'"
    if shutil.which("unshare") is None or subprocess.run([*mount, disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk in a namespace of its own")
    found = subprocess.run(
        [*mount, f'{disk} && exec "$0" -c "$1" \'{tmp_path}\'', sys.executable, SMALL_DISK],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said, state = found.stdout.splitlines()
    assert said.startswith("No space left") and "the checkpoint of epoch 1, step 1 is intact" in said
    assert state == "100000.0 1"


def test_another_error_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    wrong = Checkpoint(epoch=0, step=0, tensors={"a": torch.zeros(2).to_sparse()}, record={})
    with pytest.raises(Exception) as raised:
        write_checkpoint(tmp_path, wrong, key="k")
    assert not isinstance(raised.value, ReweighError)


def test_a_checkpoint_of_other_settings_is_refused_with_what_to_do(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, checkpoint(1), key="k")
    with pytest.raises(ReweighError, match=r"other settings or other data\. Go on with those, or remove .* anew") as e:
        last_checkpoint(tmp_path, key="other")
    assert "\n" not in str(e.value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda place: cut(place / "tensors.safetensors"), "tensors.safetensors is no whole safetensors file"),
        (
            lambda place: (place / "tensors.safetensors").write_bytes(b""),
            "tensors.safetensors is no whole safetensors file",
        ),
        (lambda place: (place / "tensors.safetensors").unlink(), "tensors.safetensors is no whole safetensors file"),
        (lambda place: cut(place / "checkpoint.json"), "checkpoint.json is no JSON"),
        (lambda place: (place / "checkpoint.json").write_text("[]"), "checkpoint.json lacks epoch, format, key"),
    ],
    ids=["cut", "empty", "gone", "record cut", "record of something else"],
)
def test_a_broken_one_is_named(tmp_path: Path, break_it: Any, said: str) -> None:
    write_checkpoint(tmp_path, checkpoint(1), key="k")
    break_it(tmp_path / "step-00000-0000001")
    with pytest.raises(ReweighError, match=f"step-00000-0000001/{said}"):
        last_checkpoint(tmp_path, key="k")


def test_one_of_a_later_format_asks_for_an_update(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, checkpoint(1), key="k")
    record = tmp_path / "step-00000-0000001" / "checkpoint.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"format": 99}))
    with pytest.raises(ReweighError, match=r"has format 99; this reweigh reads up to 1\. Update it"):
        last_checkpoint(tmp_path, key="k")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None)
@given(
    record=st.dictionaries(st.text(), json_values, max_size=4),
    epoch=st.integers(0, 99_999),
    step=st.integers(0, 9_999_999),
)
def test_a_record_comes_back_as_it_was(record: dict[str, Any], epoch: int, step: int) -> None:
    with TemporaryDirectory() as folder:
        given_one = Checkpoint(epoch=epoch, step=step, tensors={}, record=record)
        write_checkpoint(Path(folder), given_one, key="k")
        assert last_checkpoint(Path(folder), key="k") == given_one


def test_tensors_of_every_kind_come_back_to_the_bit(tmp_path: Path) -> None:
    tied = torch.randn(4, 4)
    stored = {
        "bfloat16": torch.randn(5).bfloat16(), "float64": torch.randn(2, 2, dtype=torch.float64), "count": torch.tensor(7),
        "empty": torch.zeros(0, 3), "nan": torch.tensor([float("nan"), float("inf"), -0.0]), "is_it": torch.tensor([True, False]),
        "last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last), "tied": tied, "tied too": tied, "part": tied[0],
    }  # fmt: skip
    write_checkpoint(tmp_path, Checkpoint(epoch=0, step=0, tensors=stored, record={}), key="k")
    found = last_checkpoint(tmp_path, key="k")
    assert found is not None and set(found.tensors) == set(stored)
    for name, value in stored.items():
        assert found.tensors[name].dtype == value.dtype, name
        torch.testing.assert_close(found.tensors[name], value, rtol=0, atol=0, equal_nan=True)


class Network(nn.Module):
    """Convolution, normalisation, a single number and a last layer: every shape that a state may have."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.norm = nn.GroupNorm(2, 8)
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.unused = nn.Parameter(torch.zeros(3, 3))  # it never has a gradient, so the optimiser keeps no state of it
        self.head = nn.Linear(8, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.norm(self.first(images)).mean(dim=(2, 3)) * self.scale)
        return found


def training(name: str, dtype: torch.dtype, layout: torch.memory_format) -> tuple[Network, torch.optim.Optimizer]:
    torch.manual_seed(3)
    network = Network().to(dtype).to(memory_format=layout)
    groups = parameter_groups(network, weight_decay=0.05, head=("head",), head_rate=10.0)
    return network, make_optimizer(name, groups, rate=0.01, momentum=0.9, weight_decay=0.05)


def take_steps(network: Network, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        images = torch.randn(8, 3, 6, 6, generator=generator).to(network.head.weight.dtype)
        set_rate(optimizer, 0.01 / (step + 1))
        nn.functional.cross_entropy(network(images), torch.arange(8) % 4).backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["plain", "channels last"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_three_steps_stored_and_three_more_are_six_in_one_go(
    tmp_path: Path, name: str, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    whole, optimizer = training(name, dtype, layout)
    take_steps(whole, optimizer, range(6))
    first, optimizer_of_first = training(name, dtype, layout)
    take_steps(first, optimizer_of_first, range(3))
    tensors, numbers = optimizer_tensors(optimizer_of_first)
    stored = {f"network.{n}": v for n, v in first.state_dict().items()} | {
        f"optimizer.{n}": v for n, v in tensors.items()
    }
    write_checkpoint(tmp_path, Checkpoint(epoch=0, step=2, tensors=stored, record=numbers), key="k")
    del first, optimizer_of_first

    found = last_checkpoint(tmp_path, key="k")
    assert found is not None
    resumed, resumed_optimizer = training(name, dtype, layout)
    resumed.load_state_dict({n.partition(".")[2]: v for n, v in found.tensors.items() if n.startswith("network.")})
    of_optimizer = {n.partition(".")[2]: v for n, v in found.tensors.items() if n.startswith("optimizer.")}
    restore_optimizer(resumed_optimizer, of_optimizer, found.record)
    take_steps(resumed, resumed_optimizer, range(3, 6))
    for parameter, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[parameter], value), parameter
    states = [{n: v.clone() for n, v in optimizer_tensors(o)[0].items()} for o in (optimizer, resumed_optimizer)]
    assert set(states[0]) == set(states[1])
    assert all(torch.equal(value, states[1][n]) for n, value in states[0].items())


def test_what_is_put_back_does_not_share_memory_with_what_was_stored(tmp_path: Path) -> None:
    network, optimizer = training("adamw", torch.float32, torch.contiguous_format)
    take_steps(network, optimizer, range(2))
    tensors, numbers = optimizer_tensors(optimizer)
    kept = {name: value.clone() for name, value in tensors.items()}
    other, restored = training("adamw", torch.float32, torch.contiguous_format)
    restore_optimizer(restored, kept, numbers)
    before = {name: value.clone() for name, value in kept.items()}
    take_steps(other, restored, range(2, 4))
    assert all(torch.equal(value, before[name]) for name, value in kept.items())
