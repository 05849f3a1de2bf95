"""Made-up held-out probabilities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest


def made_up(
    n: int = 400, k: int = 5, *, seed: int = 0, noise: float = 0.3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(probabilities, labels, truth) of unclear images with uniform noise."""
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % k
    labels = np.where(generator.random(n) < noise, generator.integers(0, k, n), truth)
    logits = generator.standard_normal((n, k)) + 2.5 * np.eye(k)[truth]
    clear = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return ((1 - noise) * clear + noise / k).astype(np.float32), labels, truth


@pytest.fixture
def noisy() -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """noisy(n, k, seed=, noise=) -> (probabilities, labels, truth)."""
    return made_up
