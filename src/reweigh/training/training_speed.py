"""How long training will take, from a few steps on images of the data."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from reweigh.training.finetuning import FinetuneTask, new_stepper, part_of, schedule_of

SPEED_ROWS = 32
"""Images a measured step; small, as only the ratio counts. On stored features the step's own batch: there a step costs more than its rows."""
STEPS = 3


def seconds_per_image(task: FinetuneTask) -> float:
    """Seconds an image and epoch, decoding included: the fastest of three short steps, without workers beside it.

    On a GPU workers decode beside the network, which this does not count on: the estimate is high there.
    """
    few = replace(task, settings=replace(task.settings, compile=False, workers=0), weights=None)
    schedule = schedule_of(few)
    stepper, read = new_stepper(few, schedule)
    n = min(task.settings.micro_batch or schedule.batch, schedule.batch if task.stored else SPEED_ROWS)
    bag = max(task.settings.bags.size, 1)
    n = max(n // bag, 1) * bag
    chosen = task.rows[np.linspace(0, len(task.rows) - 1, n).astype(np.int64)]
    batches = read((epoch, chosen) for epoch in range(STEPS))
    seconds = []
    for step in range(STEPS):
        begun = time.perf_counter()
        part = part_of(few, next(batches), np.ones(len(task.rows)))
        stepper.step([part], step=step, seed=task.seed, n_steps=STEPS, weight=float(n)).cpu()
        seconds.append(time.perf_counter() - begun)
    return min(seconds) / n
