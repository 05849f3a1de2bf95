"""Vectors of sentences by an encoder of the transformers library (the extra `text`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.progress import Progress, silent
from reweigh.timm_import import torchvision_part

if TYPE_CHECKING:
    import torch

BATCH = 32
Opened = TypeVar("Opened")


def sentence_vectors(
    texts: Sequence[str], encoder: str, *, device: str = "cpu", progress: Progress = silent
) -> NDArray[np.float32]:
    """(k, t) of length 1: mean of the encoder's last layer over a text's tokens, as sentence-transformers pools; zero for an empty text.

    encoder: a folder with the model and its tokenizer, or the name of one that was loaded from the hub before; nothing is fetched.
    Raises ReweighError where transformers or the encoder is missing.
    """
    import torch

    tokenizer, model = _loaded(encoder)
    model = model.to(device).eval()
    filled = [row for row, text in enumerate(texts) if text.strip()]
    parts: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, len(filled), BATCH):
            progress("sentences", start, len(filled))
            tokens = tokenizer(
                [texts[row] for row in filled[start : start + BATCH]],
                padding=True,
                truncation=True,
                return_tensors="pt",
            )
            tokens = {name: value.to(device) for name, value in tokens.items()}
            parts.append(mean_of_tokens(model(**tokens).last_hidden_state, tokens["attention_mask"]).cpu().numpy())
    size = parts[0].shape[1] if parts else model.config.hidden_size
    result = np.zeros((len(texts), size), np.float32)
    if parts:
        result[filled] = np.concatenate(parts)
    return result


def check_encoder(encoder: str) -> None:
    """Return where transformers and the encoder's settings are there; nothing large is read. Raises ReweighError as `sentence_vectors`."""
    _opened(encoder, lambda library: library.AutoConfig.from_pretrained(encoder, local_files_only=True))


def mean_of_tokens(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(b, t) of length 1: mean of states (b, length, t) over the tokens that mask (b, length), 1 or 0, keeps."""
    kept = mask[:, :, None].to(states.dtype)
    mean = (states * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)
    return mean.float() / mean.float().norm(dim=1, keepdim=True).clamp(min=1e-12)


def _loaded(encoder: str) -> tuple[Any, Any]:
    return _opened(
        encoder,
        lambda library: (
            library.AutoTokenizer.from_pretrained(encoder, local_files_only=True),
            library.AutoModel.from_pretrained(encoder, local_files_only=True),
        ),
    )


def _opened(encoder: str, load: Callable[[Any], Opened]) -> Opened:
    """What transformers loads, without its bar. Raises ReweighError where the library or the encoder is missing."""
    torchvision_part("transforms")  # transformers imports torchvision where there is one, by whose door it loads at all
    try:
        import transformers
        from transformers.utils import logging
    except ImportError as cause:
        raise ReweighError("A sentence encoder needs the package transformers; install reweigh[text].") from cause
    has_bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # only the command line writes to the screen
    try:
        return load(transformers)
    except (OSError, ValueError, ImportError) as cause:
        raise ReweighError(
            f"No sentence encoder {encoder!r}: neither a folder with a model and its tokenizer nor one that was loaded before ({str(cause).splitlines()[0]})"
        ) from cause
    finally:
        if has_bar:
            logging.enable_progress_bar()
