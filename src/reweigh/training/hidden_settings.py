"""Settings of a hidden layer between stored features and the last layer, in mode probe."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

from reweigh.errors import ReweighError
from reweigh.training.settings import BagSettings, FinetuneSettings, check_loop

GROUP = "hidden_layer"
"""Where these settings stand in a recipe."""


@dataclass(frozen=True, kw_only=True)
class HiddenLayerSettings:
    """A hidden layer of the probe, trained by steps on the stored features; the network stays as it is. Held-out predictions stay linear."""

    width: int = 0
    """Units of the layer; 0: none, the probe is linear and nothing below is read."""
    epochs: int = 10
    """How often each image is seen, 1 or more."""
    batch: int = 0
    """Images a step, of all processes together; 0: chosen, about a sixteenth of the images, 16 to 256."""
    learning_rate: float = 0.003
    """Of 256 images a step, scaled in proportion to the batch, for AdamW on features of mean 0 and deviation 1. Above 0."""
    weight_decay: float = 0.01
    """Of all but biases, 0 or more."""
    dropout: float = 0.5
    """Share of the hidden units left out in training, 0 to below 1."""
    weights_on: Literal["loss", "sampling"] = "loss"
    """Weights multiply the loss, or how often an image is drawn (anew each epoch)."""
    loss: Literal["cross_entropy", "generalised_cross_entropy", "symmetric_cross_entropy", "bootstrapping"] = (
        "cross_entropy"
    )
    """Of one image; the others bear wrong labels better."""
    q: float = 0.7
    """Of the generalised cross-entropy, as `finetune.q`."""
    beta: float = 0.8
    """Of `bootstrapping`, as `finetune.beta`."""
    label_smoothing: float = 0.0
    """Share of a target that is spread over all classes, 0 to below 1."""
    averaging: float = 0.0
    """Decay of the moving average of the weights that becomes the model, below 1; 0: none."""
    bags: BagSettings = field(default_factory=BagSettings)
    """Images of one class that are also classified together."""
    checkpoint_steps: int = 0
    """Steps after which the state is kept for a resume, and at each epoch's end; 0: every minute."""

    def __post_init__(self) -> None:
        if self.width < 0:
            raise ReweighError(f"{GROUP}.width must be 0 (none) or more, found {self.width}.")
        if self.bags.size and not self.width:
            raise ReweighError(f"{GROUP}.bags need a hidden layer: set {GROUP}.width, such as 512.")
        check_loop(self, GROUP)


def loop_settings(settings: HiddenLayerSettings) -> FinetuneSettings:
    """The same as the training loop reads them; what a hidden layer has no setting for stands as it suits features."""
    own = {one.name: getattr(settings, one.name) for one in fields(settings) if one.name != "width"}
    return FinetuneSettings(start="random", head="random", optimizer="adamw", autocast="float32", **own)
