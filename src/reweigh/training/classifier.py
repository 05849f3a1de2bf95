"""The network that is trained: a backbone, dropout and a linear last layer; and its input from bytes of colour."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from reweigh.errors import ReweighError
from reweigh.features.networks import create_network, is_convolutional
from reweigh.features.settings import BackboneSettings
from reweigh.images.views import EvaluationView
from reweigh.training.bags import BAG_HEAD, BagHead
from reweigh.training.settings import BagSettings

HEAD = "head"
"""Name of the last layer in the classifier's tensors."""


class Classifier(nn.Module):
    """Normalised images (b, 3, s, s), or features (b, d), to logits (b, k): backbone, dropout, linear head; and a head for bags."""

    def __init__(
        self, backbone: nn.Module, *, d: int, k: int, dropout: float, frozen_statistics: bool = False, bags: BagSettings | None = None
    ) -> None:  # fmt: skip
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(d, k)
        self.bag = BagHead(d=d, k=k, settings=bags) if bags is not None and bags.size else None
        self.frozen_statistics = frozen_statistics

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Logits of the images; with bags those of the bags (b / size, k) and each image's share in its bag (b,), else None."""
        features = self.dropout(self.backbone(images))
        of_bags, shares = (None, None) if self.bag is None else self.bag(features)
        return self.head(features), of_bags, shares

    def train(self, mode: bool = True) -> Classifier:
        """As of any module; with `frozen_statistics`, batch normalisation stays as in evaluation."""
        super().train(mode)
        if self.frozen_statistics:
            for part in self.modules():
                if isinstance(part, _NormBase):
                    part.eval()
        return self


def make_classifier(
    network: BackboneSettings,
    *,
    k: int,
    dropout: float,
    frozen_statistics: bool,
    is_pretrained: bool,
    seed: int,
    bags: BagSettings | None = None,
) -> tuple[Classifier, EvaluationView]:
    """A classifier around the network of resolved settings, float32 on the CPU, and its evaluation view.

    The last layer is drawn from the seed, and so is the network unless it is pretrained.
    Raises ReweighError for a network that has nothing to train, and for features that are not (b, d).
    """
    backbone, view = create_network(network, is_pretrained=is_pretrained, seed=seed)
    d = _feature_size(backbone, view, network.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Classifier(backbone, d=d, k=k, dropout=dropout, frozen_statistics=frozen_statistics, bags=bags)
    if network.memory_format == "channels_last" or (network.memory_format == "auto" and is_convolutional(backbone)):
        made = made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made, view


def put_head(classifier: Classifier, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Let the last layer be this one, (k, d) and (k,)."""
    with torch.no_grad():
        classifier.head.weight.copy_(weight)
        classifier.head.bias.copy_(bias)


def put_tensors(classifier: Classifier, tensors: Mapping[str, torch.Tensor]) -> None:
    """Let the network start from these tensors. Raises ReweighError where they are of another network or other classes."""
    own = {name: value for name, value in classifier.state_dict().items() if not name.startswith(f"{BAG_HEAD}.")}
    given = {name: value for name, value in tensors.items() if not name.startswith(f"{BAG_HEAD}.")}
    wrong = [name for name, value in own.items() if name not in given or given[name].shape != value.shape]
    if wrong or len(given) != len(own):
        raise ReweighError(
            f"The weights to start from are of another network: {len(wrong)} of {len(own)} tensors do not fit"
            f"{f', first {wrong[0]}' if wrong else ''}. Start from a round with the same finetune.network and classes."
        )
    classifier.load_state_dict(given, strict=False)  # a bag's part starts anew


def normaliser(view: EvaluationView, device: str, memory_format: torch.memory_format) -> nn.Module:
    """uint8 (b, 3, s, s) on any device -> float32 on `device`, less the view's mean, over its deviation."""
    return _Normaliser(view, memory_format).to(device)


def memory_format_of(module: nn.Module) -> torch.memory_format:
    """The order that the network's convolutions have their weights in."""
    weights = (part.weight for part in module.modules() if isinstance(part, nn.Conv2d))
    last = any(w.is_contiguous(memory_format=torch.channels_last) and not w.is_contiguous() for w in weights)
    return torch.channels_last if last else torch.contiguous_format


class _Normaliser(nn.Module):
    def __init__(self, view: EvaluationView, memory_format: torch.memory_format) -> None:
        super().__init__()
        self.memory_format = memory_format
        self.mean: torch.Tensor
        self.scale: torch.Tensor
        self.register_buffer("mean", torch.tensor(view.mean).mul(255).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(view.std).mul(255).reciprocal().view(3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        moved = pixels.to(self.mean.device, non_blocking=True)
        return moved.to(torch.float32, memory_format=self.memory_format).sub_(self.mean).mul_(self.scale)


def _feature_size(backbone: nn.Module, view: EvaluationView, name: str) -> int:
    with torch.inference_mode():
        features = backbone.eval()(torch.zeros(1, 3, view.size, view.size))
    if features.ndim != 2:
        raise ReweighError(
            f"Network {name!r} gives features of shape {tuple(features.shape)}, not (b, d); set finetune.network.arguments.global_pool."
        )
    return int(features.shape[1])
