"""The ways of training, one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reweigh.training.finetune_training import train_finetuned
from reweigh.training.hidden_training import train_hidden_layer
from reweigh.training.probe_training import train_probe

TRAINERS: dict[str, Callable[..., dict[str, Any]]] = {
    "probe": train_probe,
    "hidden_layer": train_hidden_layer,
    "finetune": train_finetuned,
}
"""Each writes `model` (and a baseline) into a folder: (inputs, folder, workspace, *, key, progress) -> what was done, as JSON.
`hidden_layer` is the mode probe with `hidden_layer.width` above 0."""
