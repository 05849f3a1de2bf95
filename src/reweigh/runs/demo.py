"""`demo`: scikit-learn's handwritten digits made like the web, and a run on them with and without weights."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from reweigh.catalog.tables import Catalog, is_catalog, plain_classes
from reweigh.catalog.writing import write_catalog
from reweigh.progress import Progress, silent
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import RunResult, run
from reweigh.runs.source import Source
from reweigh.runs.webified import run_webify
from reweigh.webify.settings import WebifySettings
from reweigh.whole_files import whole_folder

TEST_SHARE = 0.35
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LIKE_THE_WEB = WebifySettings(ratio=5.0, noise=0.4)
"""Wrong labels near and far, classes of uneven size, ranks and side text."""
BACKBONE = ("backbone.name=pixels", "backbone.input_size=8")


def run_demo(
    output: Path, *, seed: int = 0, progress: Progress = silent, say: Callable[[str], None] = lambda line: None
) -> RunResult:
    """The digits webified with `LIKE_THE_WEB`, and the recipe `demo` on them.

    The images and their catalogs lie in `output`.data; done again with the same seed, everything is used again.
    """
    data = output.with_name(f"{output.name}.data") / f"seed-{seed}"
    clean, web = data / "clean.catalog", data / "digits.catalog"
    if not is_catalog(clean):
        data.mkdir(parents=True, exist_ok=True)
        write_digits(data, seed=seed, progress=progress)
    if not is_catalog(web):
        run_webify(
            Source(path=clean), web, LIKE_THE_WEB, seed=seed, near="confusion", changes=BACKBONE, progress=progress
        )
    return run(Source(path=web), read_recipe("demo"), output=output, progress=progress, say=say)


def write_digits(folder: Path, *, seed: int, progress: Progress = silent) -> Catalog:
    """scikit-learn's 1,797 digits as PNGs in `folder`/images, and their catalog, rightly labelled, in `folder`/clean.catalog."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    generator = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    is_test = generator.random(len(digits.target)) < TEST_SHARE
    if not (folder / "images").exists():
        with whole_folder(folder / "images") as partial:
            for number, pixels in enumerate(digits.images):
                data = io.BytesIO()
                Image.fromarray(np.minimum(pixels * 16, 255).astype(np.uint8)).save(data, "PNG")
                (partial / f"{number:04d}.png").write_bytes(data.getvalue())
    files = [f"{number:04d}.png" for number in range(len(digits.target))]
    batch = pa.record_batch(
        {
            "uid": files,
            "split": np.where(is_test, "test", "train").tolist(),
            "file": files,
            "label": digits.target.astype(np.int32),
        }
    )
    return write_catalog(
        folder / "clean.catalog", [batch], plain_classes(NAMES), layout="digits", options={"seed": seed}, root=folder / "images",
        progress=progress,
    )  # fmt: skip
