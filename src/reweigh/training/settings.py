"""Settings of the last step: what is trained, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from reweigh.errors import ReweighError
from reweigh.features.settings import BackboneSettings
from reweigh.images.settings import AugmentationSettings

OWN_BACKBONE = "backbone"
"""In the place of a network's name: the run's own backbone."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How the classifier is made from features or images, labels and weights."""

    mode: Literal["probe", "finetune"] = "probe"
    """`probe`: a linear head on the stored features, the backbone stays as it is; `finetune`: the network itself, on the images."""
    baseline: bool = True
    """Where there are weights, train without them as well, for comparison; in mode finetune that takes as long again."""


@dataclass(frozen=True, kw_only=True)
class BagSettings:
    """Images of one class that are also classified together, beside each for itself (URNet 4.4)."""

    size: int = 0
    """Images of a bag, 2 or more; 0: no bags. URNet used 3."""
    pooling: Literal["attention", "mean"] = "attention"
    """`attention`: learnt shares; `mean`: equal ones, the control. Most of the gain of bags is that of `mean`."""
    hidden: int = 128
    """Width of the layer that attention is computed by, 1 or more."""
    weight: float = 1.0
    """Of the bags' loss beside the images' own, 0 or more."""
    test: Literal["auto", "instance", "bag"] = "auto"
    """The last layer of the model: that of single images or that of bags; `auto`: of bags where nothing is weighed, else of images."""

    def __post_init__(self) -> None:
        if self.size < 0 or self.size == 1:
            raise ReweighError(
                f"finetune.bags.size, or hidden_layer.bags.size, must be 0 (no bags), or 2 or more; found {self.size}."
            )
        if self.hidden < 1:
            raise ReweighError(
                f"finetune.bags.hidden, or hidden_layer.bags.hidden, must be 1 or more, found {self.hidden}."
            )
        if not 0 <= self.weight < float("inf"):
            raise ReweighError(
                f"finetune.bags.weight, or hidden_layer.bags.weight, must be a number of 0 or more, found {self.weight}."
            )


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """How a network is trained on the images; read in mode finetune, and by `evidence.cross_fit`."""

    network: BackboneSettings = field(default_factory=lambda: BackboneSettings(name=OWN_BACKBONE))
    """The network to train: `backbone`, the run's own, or any name that a backbone may have."""
    start: Literal["backbone", "random", "baseline", "previous"] = "backbone"
    """Its first weights: `backbone` its pretrained ones; `random`; `baseline` those trained without weights; `previous` the last round's."""
    head: Literal["auto", "probe", "random"] = "auto"
    """The first last layer: `probe` fitted on the stored features; `auto` does so where the run's own backbone starts, else `random`."""
    epochs: int = 10
    """How often each image is seen, 1 or more."""
    batch: int = 0
    """Images a step, of all processes together; 0: chosen, about a sixteenth of the images, 16 to 256, so that few images make
    steps enough. Lowered to the number of images where there are fewer."""
    micro_batch: int = 0
    """Images that go through the network at once, on each process; gradients of a step add up. 0: all of the step's."""
    weights_on: Literal["loss", "sampling"] = "loss"
    """Weights multiply the loss, or how often an image is drawn (anew each epoch)."""
    optimizer: Literal["sgd", "adamw", "lars", "lamb"] = "sgd"
    """SGD with Nesterov momentum, AdamW; LARS and LAMB for batches of thousands."""
    learning_rate: float = 0.01
    """Of 256 images a step; scaled in proportion to the batch. Above 0."""
    head_rate: float = 1.0
    """How many times the learning rate the last layer gets, above 0."""
    momentum: float = 0.9
    """Of SGD and LARS, 0 to below 1."""
    weight_decay: float = 1e-4
    """Of all but biases and normalisation, 0 or more."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """How the learning rate falls after the warm-up: `cosine` to 0; `step` to a tenth at half and at three quarters."""
    warmup_epochs: float = 1.0
    """Epochs in which the learning rate rises from near 0, 0 or more; at most half of all."""
    loss: Literal["cross_entropy", "generalised_cross_entropy", "symmetric_cross_entropy", "bootstrapping"] = (
        "cross_entropy"
    )
    """Of one image; the others bear wrong labels better (Zhang and Sabuncu 2018; Wang et al. 2019; Reed et al. 2014)."""
    q: float = 0.7
    """Of the generalised cross-entropy: near 0 the cross-entropy, at 1 the mean absolute error."""
    beta: float = 0.8
    """Of `bootstrapping`: the label's share, above 0 to 1; the rest goes to the class that the network finds most probable just now."""
    label_smoothing: float = 0.0
    """Share of a target that is spread over all classes, 0 to below 1."""
    dropout: float = 0.0
    """Share of the features left out before the last layer, 0 to below 1; SINet used .25."""
    frozen_statistics: bool = False
    """Batch normalisation keeps the statistics that it starts with."""
    clip: float = 0.0
    """Largest norm of a step's gradient; 0: not clipped."""
    averaging: float = 0.0
    """Decay of the moving average of the network's weights that becomes the model, below 1; 0: none."""
    autocast: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Arithmetic of the products; `auto`: as `precision`. Weights, losses and steps stay float32."""
    compile: bool = False
    """Let torch.compile make the network faster; the first step then takes a minute."""
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    """How an image is changed each time it is seen."""
    bags: BagSettings = field(default_factory=BagSettings)
    """Images of one class that are also classified together."""
    workers: int = -1
    """Processes that decode images; -1: chosen (none on a CPU, else one a core, at most 16); 0: none, threads of this process."""
    checkpoint_steps: int = 0
    """Steps after which the state is kept for a resume; 0: every ten minutes and at each epoch's end."""
    log_steps: int = 20
    """Steps a line of log.jsonl, 1 or more."""
    tensorboard: bool = False
    """Write TensorBoard's files beside log.jsonl (needs the extra `tensorboard`)."""

    @property
    def needs_pretrained(self) -> bool:
        """Whether the network's published weights are its first ones."""
        return self.start in ("backbone", "baseline")

    def __post_init__(self) -> None:
        check_loop(self, "finetune")
        if self.bags.size and (self.augmentation.mixup or self.augmentation.cutmix):
            raise ReweighError(
                "finetune.bags and mixup or cutmix do not go together: a mixed image has two classes, a bag has one."
            )
        if self.bags.size and 0 < self.micro_batch < self.bags.size:
            raise ReweighError(
                f"finetune.micro_batch must hold a whole bag of {self.bags.size} images, found {self.micro_batch}."
            )
        if self.workers < -1:
            raise ReweighError(f"finetune.workers must be -1 (chosen) or more, found {self.workers}.")
        if self.network.name == "auto":
            raise ReweighError(
                "finetune.network.name must be a name or backbone, the run's own; auto is what backbone.name means."
            )


def check_loop(settings: object, group: str) -> None:
    """Refuses numbers of the training loop that are out of range, those that these settings have; `group` names them."""

    def refuse(names: str, fits: Callable[[float], bool], said: str) -> None:
        for name in names.split():
            value = getattr(settings, name, None)
            if value is not None and not fits(value):
                raise ReweighError(f"{group}.{name} must {said}, found {value}.")

    refuse("epochs log_steps", lambda value: value >= 1, "be 1 or more")
    refuse(
        "batch micro_batch checkpoint_steps weight_decay warmup_epochs clip", lambda value: value >= 0, "be 0 or more"
    )
    refuse("learning_rate head_rate", lambda value: 0 < value < float("inf"), "be a number above 0")
    refuse("momentum label_smoothing dropout averaging", lambda value: 0 <= value < 1, "be 0 or more and below 1")
    refuse("q beta", lambda value: 0 < value <= 1, "lie above 0 and at most at 1")
