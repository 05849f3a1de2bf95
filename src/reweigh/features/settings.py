"""Settings of backbones and of the extraction of features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reweigh.errors import ReweighError

FORBIDDEN_ARGUMENTS = ("num_classes", "pretrained", "pretrained_cfg", "img_size", "in_chans", "checkpoint_path")


@dataclass(frozen=True, kw_only=True)
class BackboneSettings:
    """The network that turns images into features."""

    name: str = "auto"
    """A timm name (`resnet50`, `resnet50.a1_in1k`), `hf-hub:OWNER/MODEL`, `local-dir:FOLDER`, `pixels` (the resized
    image itself), or `auto`: tf_efficientnet_lite0.in1k on a CPU, on a GPU vit_small_patch14_dinov2.lvd142m at 224."""
    input_size: int = 0
    """Side of the square input in pixels; 0 takes the network's own (`pixels`: 16)."""
    memory_format: Literal["auto", "contiguous", "channels_last"] = "auto"
    """Order of a batch in memory; `auto` measures it together with the precision, else takes channels_last for
    convolutional networks."""
    arguments: dict[str, bool | int | float | str] = field(default_factory=dict)
    """Further arguments of timm's create_model, such as global_pool = "max"."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ReweighError(
                "backbone.name is empty; give a timm name, hf-hub:..., local-dir:FOLDER, pixels or auto."
            )
        if self.input_size < 0:
            raise ReweighError(
                f"backbone.input_size must be 0 (the network's own) or more pixels, found {self.input_size}."
            )
        for key in FORBIDDEN_ARGUMENTS:
            if key in self.arguments:
                hint = "; set backbone.input_size" if key == "img_size" else ""
                raise ReweighError(f"backbone.arguments.{key} is decided by reweigh and cannot be given{hint}.")


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """How features are extracted and stored."""

    batch_size: int = 64
    """Images a forward pass. A finished block never depends on where an earlier run was stopped."""
    block_rows: int = 1024
    """Rows a block: what is written, synced and marked at once; a killed extraction loses at most one block."""
    workers: int = 0
    """Threads that read and decode; 0 takes one for each core, at most 16."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ReweighError(f"features.batch_size must be 1 or more, found {self.batch_size}.")
        if self.block_rows < 1:
            raise ReweighError(f"features.block_rows must be 1 or more, found {self.block_rows}.")
        if self.workers < 0:
            raise ReweighError(f"features.workers must be 0 (chosen) or more, found {self.workers}.")
