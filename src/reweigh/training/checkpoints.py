"""Checkpoints: what a killed training goes on from. Tensors as safetensors, all else as JSON; whole or not there."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reweigh.errors import ReweighError
from reweigh.whole_files import read_json, whole_folder, write_json

CHECKPOINTS = "step-*"
"""Pattern of their folders' names: step-EPOCH-STEP."""
TENSORS, RECORD = "tensors.safetensors", "checkpoint.json"
FORMAT = 1
PARTIAL = ".partial"
"""What `whole_folder` adds to the name of a folder that is being written."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The state after a step."""

    epoch: int
    step: int
    """Last step of that epoch that is consumed, from 0."""
    tensors: dict[str, torch.Tensor]
    record: dict[str, Any]
    """JSON"""


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, key: str) -> None:
    """Write the checkpoint into `folder`; earlier ones are removed once it is whole.

    `key`: hash of settings and data. Raises ReweighError on a full disk; the earlier checkpoint is then still there.
    Tensors on the CPU in their plain order of memory are written from where they lie; others are copied first.
    """
    from safetensors.torch import save_file

    _remove_partial(folder)
    place = folder / f"step-{checkpoint.epoch:05d}-{checkpoint.step:07d}"
    tensors = _unshared({name: value.detach().contiguous().cpu() for name, value in checkpoint.tensors.items()})
    try:
        with whole_folder(place) as partial:
            save_file(tensors, str(partial / TENSORS))
            write_json(partial / RECORD, {"format": FORMAT, "key": key, **_without_tensors(checkpoint)})
            shutil.copymode(
                partial / RECORD, partial / TENSORS
            )  # safetensors 0.8 lets nobody but the owner read its files
            if place.exists():
                shutil.rmtree(place)
    except Exception as cause:
        if not _is_full(cause):
            raise
        _remove_partial(folder)
        raise ReweighError(
            f"No space left on the disk for a checkpoint of {_megabytes(tensors):,} MB in {folder}; {_said_intact(folder)}. "
            "Free some and run the same command again."
        ) from cause
    _sync_entries(folder)
    for path in _whole(folder):
        if path != place:
            shutil.rmtree(path)


def last_checkpoint(folder: Path, *, key: str) -> Checkpoint | None:
    """The newest whole checkpoint; None where there is none. Raises ReweighError for one of another `key`, or a broken one."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found = _whole(folder)
    if not found:
        return None
    place = found[-1]
    stored = _read_record(place)
    if stored["format"] > FORMAT:
        raise ReweighError(f"{place} has format {stored['format']}; this reweigh reads up to {FORMAT}. Update it.")
    if stored["key"] != key:
        raise ReweighError(
            f"The checkpoint in {place} is of other settings or other data. Go on with those, or remove {folder} to begin anew."
        )
    try:
        tensors = dict(load_file(place / TENSORS))
    except (SafetensorError, FileNotFoundError) as cause:
        raise ReweighError(
            f"The checkpoint {place / TENSORS} is no whole safetensors file ({cause}); remove {place} to begin anew."
        ) from cause
    return Checkpoint(epoch=stored["epoch"], step=stored["step"], tensors=tensors, record=stored["record"])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """An optimiser's state as named tensors, and the numbers beside them as JSON.

    Tensors are PARAMETER.KEY, or group-GROUP.KEY: timm's LAMB counts its steps in its groups.
    """
    state = optimizer.state_dict()
    of = {str(p): own for p, own in state["state"].items()}
    of |= {f"group-{number}": group for number, group in enumerate(state["param_groups"])}
    tensors = {f"{name}.{key}": v for name, own in of.items() for key, v in own.items() if torch.is_tensor(v)}
    numbers = {name: {k: v for k, v in own.items() if isinstance(v, bool | int | float)} for name, own in of.items()}
    return tensors, numbers


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], record: dict[str, Any]
) -> None:
    """Put back what `optimizer_tensors` gave, into an optimiser over the same parameters, bit for bit."""
    found = {name: dict(numbers) for name, numbers in record.items()}
    for name, value in tensors.items():
        of, _, key = name.partition(".")
        found[of][key] = value
    whole = optimizer.state_dict()
    groups = [{**own, **found.pop(f"group-{number}")} for number, own in enumerate(whole["param_groups"])]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = {int(name): _laid_out(own, parameters[int(name)]) for name, own in found.items()}
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _laid_out(state: dict[str, Any], parameter: torch.Tensor) -> dict[str, Any]:
    """The state in its parameter's own order of memory: norms over it then add up in the same order as before."""
    return {key: _like(value, parameter) if torch.is_tensor(value) else value for key, value in state.items()}


def _like(value: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A copy, for the stored one lies in the checkpoint's file."""
    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def _without_tensors(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"epoch": checkpoint.epoch, "step": checkpoint.step, "record": checkpoint.record}


def _read_record(place: Path) -> dict[str, Any]:
    try:
        stored = read_json(place / RECORD)
    except ValueError as cause:
        raise ReweighError(f"{place / RECORD} is no JSON ({cause}); remove {place} to begin anew.") from cause
    missing = {"format", "key", "epoch", "step", "record"} - set(stored if isinstance(stored, dict) else ())
    if missing:
        raise ReweighError(f"{place / RECORD} lacks {', '.join(sorted(missing))}; remove {place} to begin anew.")
    found: dict[str, Any] = stored
    return found


def _whole(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    return sorted(path for path in folder.glob(CHECKPOINTS) if path.suffix != PARTIAL and (path / RECORD).is_file())


def _remove_partial(folder: Path) -> None:
    """Remove what a killed process left half written: it may be the very space that is missing."""
    for path in folder.glob(CHECKPOINTS + PARTIAL):
        shutil.rmtree(path)


def _sync_entries(folder: Path) -> None:
    """The new name must reach the disk before the old checkpoint goes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unshared(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """safetensors refuses tensors that share memory, such as tied weights; each after the first is copied."""
    seen: set[int] = set()
    made = {}
    for name, value in tensors.items():
        made[name] = value.clone() if value.numel() and value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    return made


def _is_full(cause: BaseException) -> bool:
    """Whether a disk without space is the reason; safetensors says so in words only."""
    if isinstance(cause, OSError):
        return cause.errno in NO_SPACE
    return any(f"(os error {number})" in str(cause) for number in NO_SPACE)


def _said_intact(folder: Path) -> str:
    found = _whole(folder)
    if not found:
        return "there is none before it"
    epoch, step = (int(part) for part in found[-1].name.split("-")[1:])
    return f"the checkpoint of epoch {epoch + 1}, step {step + 1} is intact"


def _megabytes(tensors: dict[str, torch.Tensor]) -> int:
    return -(-sum(value.numel() * value.element_size() for value in tensors.values()) // 1_000_000)
