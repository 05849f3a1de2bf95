"""A judged run made by hand: a folder of small files, a catalog of them, and verdicts chosen by the test."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reweigh.catalog.tables import plain_classes
from reweigh.catalog.writing import write_catalog
from reweigh.evidence.held_out import HeldOut, save_held_out
from reweigh.probes.log_probabilities import compact
from reweigh.whole_files import write_json

JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An image and its verdict."""

    file: str
    label: int = 0
    suggested: int | None = None
    is_none: bool = False
    split: str = "train"
    is_unreadable: bool = False
    in_tar: bool = False
    also: int | None = None

    @property
    def is_wrong(self) -> bool:
        return self.suggested is not None

    @property
    def content(self) -> bytes:
        return JPEG + self.file.encode()


MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Make `photos` and a run on it, `run`; held-out predictions are of the readable, labelled training rows."""

    def make(rows: Sequence[Row], names: Sequence[str] = ("cat", "dog", "owl")) -> Path:
        photos = tmp_path / "photos"
        places = write_images(photos, rows)
        batch = pa.record_batch(
            {
                "uid": [row.file for row in rows], "split": [row.split for row in rows], "file": [p[0] for p in places],
                "offset": pa.array([p[1] for p in places], pa.int64()), "length": pa.array([p[2] for p in places], pa.int64()),
                "label": pa.array([row.label for row in rows], pa.int32()),
            }
        )  # fmt: skip
        run = tmp_path / "run"
        write_catalog(run / "catalog", [batch], plain_classes(names), layout="folder", options={}, root=photos)
        ordered = sorted(rows, key=lambda row: row.file.encode())
        write_verdicts(run / "03-verdicts", [row for row in ordered if row.label >= 0])
        write_held_out(run / "02-evidence" / "held_out", ordered, k=len(names))
        places_of = {"verdicts": "03-verdicts", "evidence": {"held_out": "02-evidence/held_out"}}
        data = {"path": str(photos), "layout": None, "options": {}, "state": ""}
        write_json(run / "run.json", {"data": data, "places": places_of})
        return run

    return make


def write_images(photos: Path, rows: Sequence[Row]) -> list[tuple[str, int | None, int | None]]:
    """(file, offset, length) of each image below the folder; those in a tar are members of images.tar."""
    photos.mkdir(parents=True)
    inside = [row for row in rows if row.in_tar]
    starts: dict[str, int] = {}
    with (photos / "images.tar").open("wb") as file:
        for row in inside:
            starts[row.file] = file.tell() + tarfile.BLOCKSIZE
            file.write(bytes(tarfile.BLOCKSIZE) + row.content)  # the catalog knows byte ranges and reads no header
    if not inside:
        (photos / "images.tar").unlink()
    places: list[tuple[str, int | None, int | None]] = []
    for row in rows:
        if row.in_tar:
            places.append(("images.tar", starts[row.file], len(row.content)))
            continue
        (photos / row.file).parent.mkdir(parents=True, exist_ok=True)
        (photos / row.file).write_bytes(row.content)
        places.append((row.file, None, None))
    return places


def write_verdicts(folder: Path, rows: Sequence[Row]) -> None:
    """verdicts.parquet: those flagged first in the order to look at, unreadable ones last."""
    folder.mkdir(parents=True)
    order = np.empty(len(rows), np.int32)
    order[sorted(range(len(rows)), key=lambda i: (rows[i].is_unreadable, not rows[i].is_wrong))] = np.arange(
        1, len(rows) + 1
    )
    right = [None if row.is_unreadable else 0.25 if row.is_wrong else 0.75 for row in rows]
    columns: dict[str, Any] = {
        "uid": [row.file for row in rows], "label": pa.array([row.label for row in rows], pa.int32()),
        "probability_right": pa.array(right, pa.float32()), "wrong": [row.is_wrong for row in rows],
        "suggested_label": pa.array([row.suggested for row in rows], pa.int32()),
        "probability_suggested": pa.array([0.5 if row.is_wrong else None for row in rows], pa.float32()),
        "also_plausible": pa.array([row.also for row in rows], pa.int32()), "none_of_the_classes": [row.is_none for row in rows],
        "review_order": order, "reason": ["cannot be read" if row.is_unreadable else "looks like its label" for row in rows],
    }  # fmt: skip
    pq.write_table(pa.table(columns), folder / "verdicts.parquet")


def write_held_out(folder: Path, rows: Sequence[Row], *, k: int) -> None:
    """Probabilities drawn at random, those of the training rows that can be read; rows without a label take part."""
    folder.mkdir(parents=True)
    at = np.array([i for i, row in enumerate(rows) if row.split == "train" and not row.is_unreadable], np.int64)
    labels = np.array([rows[i].label for i in at], np.int32)
    n = len(at)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(k), n).astype(np.float32)
    unknown = np.zeros(n, np.float32)
    record = HeldOut(
        rows=at, labels=labels, label_log_probability=unknown, label_position=np.zeros(n, np.int32), best_other=np.zeros(n, np.int32),
        best_other_log_probability=unknown, log_probabilities=compact(np.log(probabilities), m=None), fold=np.zeros(n, np.int8), k=k,
        l2=1.0, strength=None, held_out_loss=1.0,
    )  # fmt: skip
    save_held_out(record, folder)
