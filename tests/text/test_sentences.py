"""Vectors of sentences: pooling by hand; an encoder of transformers where there is one."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reweigh.errors import ReweighError
from reweigh.text.sentences import mean_of_tokens, sentence_vectors
from reweigh.timm_import import torchvision_part

HAS_TRANSFORMERS = importlib.util.find_spec("transformers") is not None
needs_transformers = pytest.mark.skipif(not HAS_TRANSFORMERS, reason="the extra `text` (transformers) is not installed")


def test_the_mean_is_over_the_tokens_that_are_not_padding() -> None:
    """States (3, 0), (3, 8) and padding: mean (3, 4), of length 1 (.6, .8)."""
    states = torch.tensor([[[3.0, 0.0], [3.0, 8.0], [99.0, 99.0]]])
    assert mean_of_tokens(states, torch.tensor([[1, 1, 0]]))[0].tolist() == pytest.approx([0.6, 0.8])
    assert mean_of_tokens(states, torch.tensor([[0, 0, 0]]))[0].tolist() == [0, 0]


@pytest.mark.skipif(HAS_TRANSFORMERS, reason="transformers is installed")
def test_without_transformers_the_extra_is_named() -> None:
    with pytest.raises(ReweighError, match=r"install reweigh\[text\]"):
        sentence_vectors(["a cat"], "somewhere")


@needs_transformers
def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match="No sentence encoder"):
        sentence_vectors(["a cat"], str(tmp_path))


@needs_transformers
def test_a_small_encoder_gives_each_text_its_own_vector_whatever_stands_beside_it(tmp_path: Path) -> None:
    torchvision_part("transforms")
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    BertModel(
        BertConfig(vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_position_embeddings=16)
    ).save_pretrained(tmp_path)  # fmt: skip
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ncat\ndog\n")
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "model_max_length": 16})
    )
    both = sentence_vectors(["a cat", "", "a dog a dog a dog"], str(tmp_path))
    assert np.linalg.norm(both, axis=1).tolist() == pytest.approx([1, 0, 1])
    assert both[0] == pytest.approx(sentence_vectors(["a cat"], str(tmp_path))[0], abs=1e-5)
    assert np.abs(both[0] - both[2]).max() > 1e-3
