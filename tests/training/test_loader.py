"""Batches of images: the same bytes whoever decodes them, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reweigh.catalog.tables import ImageLocation
from reweigh.errors import ReweighError
from reweigh.images.settings import AugmentationSettings, ImageSettings
from reweigh.images.views import EvaluationView
from reweigh.training.loader import Item, TrainingBatch, training_batches

VIEW = EvaluationView(size=16)
CHANGED = AugmentationSettings(augment="trivial", erasing=0.3)
N = 12


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for number in range(N):
        Image.fromarray(generator.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(folder / f"{number}.jpg")
    (folder / "3.jpg").write_bytes(b"no image")
    return folder


def items(photos: Path, batches: list[list[int]], epoch: int = 0) -> list[Item]:
    return [
        Item(epoch=epoch, rows=np.array(rows), locations=[ImageLocation(path=photos / f"{row}.jpg") for row in rows])
        for rows in batches
    ]


def read(of: list[Item], workers: int) -> list[TrainingBatch]:
    return list(training_batches(of, VIEW, CHANGED, seed=5, images=ImageSettings(), workers=workers, pinned=False))


def by_row(batches: list[TrainingBatch]) -> dict[int, np.ndarray]:
    return {int(row): image for batch in batches for row, image in zip(batch.rows, batch.images.numpy(), strict=True)}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_image_is_the_same_whoever_decodes_it_in_whatever_batch(photos: Path, workers: int) -> None:
    expected = by_row(read(items(photos, [list(range(N))]), 0))
    made = read(items(photos, [[7, 2, 11, 0, 1], [3, 4], [5, 6, 8, 9, 10]]), workers)
    assert [batch.rows.tolist() for batch in made] == [[7, 2, 11, 0, 1], [3, 4], [5, 6, 8, 9, 10]]
    for row, image in by_row(made).items():
        assert np.array_equal(image, expected[row]), row
    assert made[1].failures == ((0, "not an image"),) and not made[1].images[0].any()
    assert made[0].failures == () and made[0].images.shape == (5, 3, 16, 16)


def test_the_next_epoch_changes_images_in_other_ways(photos: Path) -> None:
    one, other = (by_row(read(items(photos, [[0, 1, 2]], epoch), 0)) for epoch in (0, 1))
    assert not any(np.array_equal(one[row], other[row]) for row in one)


def _left(mark: str) -> list[int]:
    """Processes that carry this mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"LOADER_TEST={mark}".encode() in text.split(b"\0"):
                found.append(int(entry.name))
    return found


DRIVER = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_loader import items, CHANGED, VIEW
from reweigh.images.settings import ImageSettings
from reweigh.training.loader import training_batches

batches = training_batches(items(Path(sys.argv[1]), [[0, 1]] * 1000), VIEW, CHANGED, seed=0, images=ImageSettings(), workers=2, pinned=False)
next(batches)
print("ready", flush=True)
if sys.argv[3] == "wait":
    sys.stdin.read()
del batches
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("ending", ["wait", "close"], ids=["killed", "closed early"])
def test_no_process_is_left_when_the_training_ends(photos: Path, ending: str) -> None:
    """Killed by the system, or the iterator thrown away before its end."""
    mark = f"{os.getpid()}-{ending}"
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(photos), str(Path(__file__).parent), ending], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "LOADER_TEST": mark},
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        if ending == "wait":
            process.send_signal(signal.SIGKILL)
        process.wait(60)
    ends = time.monotonic() + 30
    while (left := _left(mark)) and time.monotonic() < ends:
        time.sleep(0.1)
    assert not left


def test_a_worker_that_dies_is_said_in_one_line(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADER_TEST", "dies")
    batches = training_batches(
        items(photos, [[0, 1]] * 500), VIEW, CHANGED, seed=0, images=ImageSettings(), workers=1, pinned=False
    )
    next(batches)
    from multiprocessing import active_children

    for child in active_children():
        os.kill(child.pid or 0, signal.SIGKILL)
    with pytest.raises(ReweighError, match=r"A process that decodes images has died.*finetune\.workers"):
        list(batches)
