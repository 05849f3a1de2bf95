"""The ways of training, one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reweigh.training.finetune_training import train_finetuned
from reweigh.training.probe_training import train_probe

TRAINERS: dict[str, Callable[..., dict[str, Any]]] = {
    "probe": train_probe,
    "finetune": train_finetuned,
}
"""Each writes `model` (and a baseline) into a folder: (inputs, folder, workspace, *, key, progress) -> what was done, as JSON."""
