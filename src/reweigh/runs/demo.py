"""`demo`: scikit-learn's handwritten digits as a folder of images whose labels are partly wrong, and a run on them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, is_catalog, plain_classes
from reweigh.catalog.writing import write_catalog
from reweigh.progress import Progress, silent
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import RunResult, run
from reweigh.runs.source import Source
from reweigh.whole_files import whole_folder

WRONG_SHARE = 0.3
TEST_SHARE = 0.2
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def run_demo(
    output: Path, *, seed: int = 0, progress: Progress = silent, say: Callable[[str], None] = lambda line: None
) -> RunResult:
    """The digits with `WRONG_SHARE` of the training labels flipped at random, and the recipe `demo` on them.

    The images and their catalog lie in `output`.data; done again with the same seed, everything is used again.
    """
    data = output.with_name(f"{output.name}.data") / f"seed-{seed}"
    if not is_catalog(data / "digits.catalog"):
        data.mkdir(parents=True, exist_ok=True)
        write_digits(data, seed=seed, progress=progress)
    return run(Source(path=data / "digits.catalog"), read_recipe("demo"), output=output, progress=progress, say=say)


def write_digits(folder: Path, *, seed: int, progress: Progress = silent) -> Catalog:
    """scikit-learn's 1,797 digits as PNGs in `folder`/images, and their catalog, with the truth, in `folder`/digits.catalog."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    truth = digits.target.astype(np.int32)
    generator = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    is_test = generator.random(len(truth)) < TEST_SHARE
    label = np.where(is_test, truth, flip(truth, share=WRONG_SHARE, k=10, generator=generator))
    if not (folder / "images").exists():
        with whole_folder(folder / "images") as partial:
            for number, pixels in enumerate(digits.images):
                data = io.BytesIO()
                Image.fromarray(np.minimum(pixels * 16, 255).astype(np.uint8)).save(data, "PNG")
                (partial / f"{number:04d}.png").write_bytes(data.getvalue())
    files = [f"{number:04d}.png" for number in range(len(truth))]
    batch = pa.record_batch(
        {
            "uid": files,
            "split": np.where(is_test, "test", "train").tolist(),
            "file": files,
            "label": label,
            "truth": truth,
        }
    )
    options = {"wrong": WRONG_SHARE, "seed": seed}
    return write_catalog(
        folder / "digits.catalog", [batch], plain_classes(NAMES), layout="digits", options=options, root=folder / "images", with_truth=True,
        progress=progress,
    )  # fmt: skip


def flip(labels: NDArray[np.int32], *, share: float, k: int, generator: np.random.Generator) -> NDArray[np.int32]:
    """(n,) labels of which each is, with probability `share`, replaced by one of the k - 1 others, all alike probable."""
    wrong = generator.random(len(labels)) < share
    other = (labels + generator.integers(1, k, size=len(labels))) % k
    return np.where(wrong, other, labels).astype(np.int32)
