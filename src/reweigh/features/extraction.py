"""Features of all images, in fixed blocks of rows that are written, synced and marked: a killed extraction goes on."""

from __future__ import annotations

import collections
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib import format as npy
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.features.decoding_ahead import Batch, available_workers, decoded_batches, decodes_beside
from reweigh.features.networks import Backbone
from reweigh.features.settings import FeatureSettings
from reweigh.features.store import (
    BLOCKS,
    FORMAT,
    RECORD,
    UNREADABLE,
    UNREADABLE_COLUMNS,
    VALUES,
    Features,
    is_complete,
    open_features,
)
from reweigh.images.decoding import LEAST_FACTOR
from reweigh.images.settings import ImageSettings
from reweigh.images.views import EvaluationView
from reweigh.progress import Progress, silent
from reweigh.ranks import ALONE, Ranks, agreed, together
from reweigh.whole_files import read_json, write_json

if TYPE_CHECKING:
    from reweigh.catalog.tables import ImageLocation

Rows = NDArray[np.int64]
Locate = Callable[[Rows], Sequence["ImageLocation"]]
Uids = Callable[[Rows], Sequence[str]]

PLAN, FAILURES, LOCK, STOP, CARRIED = "extraction.json", "unreadable.jsonl", "lock", "stop", "carried.bin"
"""STOP: one of several ranks has an error; the others end after the block that they are at."""
LARGEST = float(np.finfo(np.float16).max)
SAMPLE = 1024
"""Images that are decoded before a long extraction begins, spread over all rows."""
LONG = 20 * SAMPLE
"""Rows from which on that sample is worth its while."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a started extraction has settled; a later process takes it over, so that blocks stay what they were."""

    n: int
    d: int
    key: str
    block_rows: int
    batch_size: int

    @property
    def n_blocks(self) -> int:
        return -(-self.n // self.block_rows)

    def rows(self, block: int) -> range:
        """Row numbers of a block."""
        return range(block * self.block_rows, min((block + 1) * self.block_rows, self.n))


def feature_key(backbone: Backbone, *, fingerprint: str, rows: Rows | None, images: ImageSettings) -> str:
    """Hash of all that features depend on: network, weights, view, precision, kind of device, decoders, image rows.

    fingerprint: of the catalog; rows: which of its rows, None for all. Batch and block sizes are not part of it.
    """
    chosen = None
    if rows is not None:
        chosen = hashlib.blake2b(np.asarray(rows, "<i8").tobytes(), digest_size=16).hexdigest()
    return key_of(made_with(backbone, images), fingerprint=fingerprint, rows=chosen)


def made_with(backbone: Backbone, images: ImageSettings) -> dict[str, Any]:
    """All that an image's features depend on besides the image."""
    return {
        "format": FORMAT,
        "backbone": backbone.identity,
        "view": _said(backbone.view),
        "precision": backbone.precision,
        "memory_format": backbone.memory_format,
        "device": backbone.device.partition(":")[0],
        "versions": {name: metadata.version(name) for name in ("simplejpeg", "pillow", "torch")},
        "least_factor": LEAST_FACTOR,
        "max_pixels": images.max_pixels,
    }


def key_of(made_with: Mapping[str, Any], *, fingerprint: str, rows: str | None = None) -> str:
    """The key of features made with this, of a catalog; rows: hash of their numbers, None for all."""
    text = json.dumps({**made_with, "fingerprint": fingerprint, "rows": rows}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _said(view: EvaluationView) -> dict[str, Any]:
    """The view's fields; those of a part that is not the middle only where they say something."""
    usual = {"place": (0.5, 0.5), "mirrored": False, "scale": 1.0}
    return {name: value for name, value in asdict(view).items() if name not in usual or value != usual[name]}


def extract(
    backbone: Backbone, n: int, locate: Locate, uids: Uids, *, folder: Path,
    settings: FeatureSettings | None = None, images: ImageSettings | None = None, progress: Progress = silent, ranks: Ranks = ALONE,
) -> Features:  # fmt: skip
    """Features of images 0..n-1 in `folder`, whose name is their key; made now, gone on with, or opened as they stand.

    locate(rows) and uids(rows) give place and name of images. Stored as float16; an unreadable image's row is zero and
    is listed in unreadable.parquet with its reason. Of several ranks, which see the same folder, each does every so-manyth block.
    Raises ReweighError: more than `images.unreadable_limit` unreadable (found early by a sample), a feature that is
    NaN, infinite or beyond float16 (naming the uid; nothing is clipped), the folder in use by another process.
    """
    settings, images = settings or FeatureSettings(), images or ImageSettings()
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with together(ranks):
            if ranks.is_first:
                stack.enter_context(_locked(folder))
                (folder / STOP).unlink(missing_ok=True)
                if not is_complete(folder):
                    _prepare(folder, backbone, n, settings)
        if not agreed(ranks, is_complete(folder)):
            plan = Plan(**read_json(folder / PLAN))
            carried = np.fromfile(folder / CARRIED, np.bool_) if (folder / CARRIED).is_file() else np.zeros(n, bool)
            work = _Work(
                backbone, plan, locate, uids, folder, images, available_workers(settings.workers), carried, ranks
            )
            marks, known = np.fromfile(folder / BLOCKS, np.uint8), {}
            with together(ranks):
                if ranks.is_first:
                    known = _known_failures(folder, plan, marks)
            with together(ranks):
                try:
                    _extract_blocks(work, marks, known, progress)
                except ReweighError:
                    if ranks.world > 1:
                        (folder / STOP).touch()
                    raise
            with together(ranks):
                if ranks.is_first:
                    _finish(work)
    features = open_features(folder)
    if (features.n, features.d) != (n, backbone.d):
        raise ReweighError(
            f"{folder} holds features of shape {(features.n, features.d)}, not {(n, backbone.d)}; "
            "it belongs to other images or another backbone. Remove it to extract anew."
        )
    return features


@dataclass(frozen=True)
class _Work:
    backbone: Backbone
    plan: Plan
    locate: Locate
    uids: Uids
    folder: Path
    images: ImageSettings
    workers: int
    carried: NDArray[np.bool_]
    """(n,) rows whose features another catalog's extraction left here; they are not made again."""
    ranks: Ranks = ALONE


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; the system lets go of it when the process ends, however it ends."""
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            raise ReweighError(
                f"Another process is extracting features into {folder}; wait for it, or stop it."
            ) from cause
        yield


def _prepare(folder: Path, backbone: Backbone, n: int, settings: FeatureSettings) -> None:
    """Lay out the files of the extraction, unless one of the same shape was begun here."""
    wanted = Plan(n=n, d=backbone.d, key=folder.name, block_rows=settings.block_rows, batch_size=settings.batch_size)
    if (folder / PLAN).is_file():
        begun = Plan(**read_json(folder / PLAN))
        if (begun.n, begun.d) == (wanted.n, wanted.d):
            return
        (folder / PLAN).unlink()
        (folder / CARRIED).unlink(missing_ok=True)
    lay_out(folder, wanted)


def lay_out(folder: Path, plan: Plan, *, carried: NDArray[np.bool_] | None = None) -> None:
    """The files of an extraction of which nothing is done yet, but the values of the `carried` (n,) rows, if any.

    The caller writes these into features.npy, which is there when this returns, before the folder is used.
    """
    if plan.n:
        npy.open_memmap(folder / VALUES, mode="w+", dtype=np.float16, shape=(plan.n, plan.d)).flush()
    (folder / BLOCKS).write_bytes(bytes(plan.n_blocks))
    (folder / FAILURES).write_bytes(b"")
    if carried is not None:
        (folder / CARRIED).write_bytes(carried.tobytes())
    write_json(folder / PLAN, asdict(plan))  # last: what it names is there


def _extract_blocks(work: _Work, marks: NDArray[np.uint8], known: dict[int, str], progress: Progress) -> None:
    """Fill those of this rank's blocks that are not marked yet; `known`: the images that are known to be unreadable."""
    plan, folder = work.plan, work.folder
    pending = np.flatnonzero(marks == 0)[work.ranks.rank :: work.ranks.world]
    failures = dict(known)
    done = sum(len(plan.rows(int(block))) for block in np.flatnonzero(marks))
    _check_share(work, len(failures), failures)
    if not len(pending):
        return
    if plan.n - int(work.carried.sum()) >= LONG and not done:
        _check_sample(work)
    begun, start = done, time.perf_counter()
    with (
        (folder / VALUES).open("r+b") as values,
        (folder / BLOCKS).open("r+b") as blocks,
        (folder / FAILURES).open("ab") as log,
    ):
        first_byte = _header_length(folder / VALUES)
        for block, features, found in _feature_blocks(work, pending):
            rows = plan.rows(block)
            _check_values(features, rows, {row for row, _ in found}, work.uids)
            log.write(b"".join(json.dumps([block, row, reason]).encode() + b"\n" for row, reason in found))
            _sync(log)
            os.pwrite(values.fileno(), features.astype("<f2").tobytes(), first_byte + rows.start * plan.d * 2)
            _sync(values)
            os.pwrite(blocks.fileno(), b"\x01", block)  # only now does the block exist
            _sync(blocks)
            failures.update(found)
            _check_share(work, len(failures), failures)
            done = min(done + work.ranks.world * len(rows), plan.n)  # the others are about as far
            rate = (done - begun) / (time.perf_counter() - start)
            progress("features", done, plan.n, f"{rate:,.0f} images/s, {len(failures)} unreadable")
            if work.ranks.world > 1 and (folder / STOP).exists():
                return


def _feature_blocks(
    work: _Work, pending: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.float32], list[tuple[int, str]]]]:
    """(block, its features (rows, d), its unreadable rows) of each pending block. Batches never cross a block's end."""
    import torch

    plan, backbone = work.plan, work.backbone
    wanted = {int(block): _wanted(work, int(block)) for block in pending if work.carried.any()}
    whole = [block for block, rows in wanted.items() if not len(rows)]
    for block in whole:
        yield block, _stored(work, block), []
    todo = [int(block) for block in pending if int(block) not in whole]
    split = (
        rows[start : start + plan.batch_size]
        for rows in (wanted.get(block, np.arange(plan.rows(block).start, plan.rows(block).stop)) for block in todo)
        for start in range(0, len(rows), plan.batch_size)
    )
    made: list[torch.Tensor] = []
    failures: list[tuple[int, str]] = []
    pinned = backbone.device.startswith("cuda")
    batches = decoded_batches(
        split, work.locate, backbone.view, images=work.images, workers=work.workers, pinned=pinned,
        beside=decodes_beside(backbone),
    )  # fmt: skip
    for batch in batches:
        # On a GPU this only queues the work; the one wait is at the end of a block.
        made.append(_features(backbone, batch))
        failures.extend(batch.failures)
        block = int(batch.rows[0]) // plan.block_rows
        own = wanted.get(block)
        if batch.rows[-1] == (plan.rows(block).stop - 1 if own is None else own[-1]):
            features = torch.cat(made).cpu().numpy()
            if own is not None:
                stored = _stored(work, block)
                stored[own - plan.rows(block).start] = features
                features = stored
            features[[row - plan.rows(block).start for row, _ in failures]] = 0
            yield block, features, failures
            made, failures = [], []


def _wanted(work: _Work, block: int) -> Rows:
    """Rows of the block that are to be made."""
    rows = work.plan.rows(block)
    return rows.start + np.flatnonzero(~work.carried[rows.start : rows.stop])


def _stored(work: _Work, block: int) -> NDArray[np.float32]:
    """The block as it stands on disk, with the rows that were carried over."""
    rows = work.plan.rows(block)
    values = np.load(work.folder / VALUES, mmap_mode="r")[rows.start : rows.stop]
    return np.asarray(values, np.float32)


def _features(backbone: Backbone, batch: Batch) -> Any:
    import torch

    if len(batch.failures) == len(batch.rows):
        return torch.zeros((len(batch.rows), backbone.d), device=backbone.device)
    return backbone.forward(batch.images)


def _check_values(features: NDArray[np.float32], rows: range, unreadable: set[int], uids: Uids) -> None:
    largest = np.abs(features).max(axis=1, initial=0)  # NaN where a value is NaN
    bad = np.flatnonzero(~(largest <= LARGEST))
    if not len(bad):
        return
    row, value = rows.start + int(bad[0]), float(largest[bad[0]])
    (uid,) = uids(np.array([row], np.int64))
    what = f"{value:.3g}, beyond float16 ({LARGEST:g})" if np.isfinite(value) else "NaN or infinite"
    raise ReweighError(
        f"A feature of image {uid!r} is {what}; {len(bad)} such images in rows {rows.start}..{rows.stop - 1}. "
        "Try --set precision=float32, or another backbone."
    )


def _check_sample(work: _Work) -> None:
    """Stop where a sample of the images says that too many are unreadable, before hours have gone by."""
    plan = work.plan
    rows = np.unique(np.linspace(0, plan.n - 1, SAMPLE).astype(np.int64))
    batches = decoded_batches(
        np.array_split(rows, 16),
        work.locate,
        work.backbone.view,
        images=work.images,
        workers=work.workers,
        pinned=False,
    )
    found = dict(failure for batch in batches for failure in batch.failures)
    limit = work.images.unreadable_limit
    # Three standard deviations above what the limit itself would show by chance.
    if len(found) > limit * len(rows) + 3 * np.sqrt(len(rows) * limit * (1 - limit)):
        raise _too_many(work, found, of=f"{len(rows):,} sampled images")


def _check_share(work: _Work, count: int, failures: dict[int, str]) -> None:
    if count > work.images.unreadable_limit * work.plan.n:
        raise _too_many(work, failures, of=f"{work.plan.n:,} images")


def _too_many(work: _Work, failures: dict[int, str], *, of: str) -> ReweighError:
    counts = collections.Counter(failures.values()).most_common(3)
    first = {reason: row for row, reason in sorted(failures.items(), reverse=True)}
    named = work.uids(np.array([first[reason] for reason, _ in counts], np.int64))
    reasons = "; ".join(f"{count} {reason} (first: {uid})" for (reason, count), uid in zip(counts, named, strict=True))
    limit = work.images.unreadable_limit
    return ReweighError(
        f"At least {len(failures):,} of {of} cannot be read, more than images.unreadable_limit = {limit:g}: {reasons}. "
        "Mend the files, or set images.unreadable_limit higher."
    )


def _known_failures(folder: Path, plan: Plan, marks: NDArray[np.uint8]) -> dict[int, str]:
    """Unreadable rows of finished blocks; lines of blocks that were never marked are dropped from the file."""
    kept = []
    for line in (folder / FAILURES).read_bytes().split(b"\n")[:-1]:  # what follows the last line's end was cut
        block, row, reason = json.loads(line)
        if marks[block]:
            kept.append((block, row, reason))
    with (folder / FAILURES).open("wb") as file:
        file.write(b"".join(json.dumps(entry).encode() + b"\n" for entry in kept))
    return {row: reason for _, row, reason in kept}


def _finish(work: _Work) -> None:
    """Write the table of unreadable images and, last, the record that makes the folder whole."""
    folder, plan, backbone, uids = work.folder, work.plan, work.backbone, work.uids
    failures = sorted(_known_failures(folder, plan, np.fromfile(folder / BLOCKS, np.uint8)).items())
    _check_share(work, len(failures), dict(failures))
    rows = np.array([row for row, _ in failures], np.int64)
    columns = [
        pa.array(rows),
        pa.array(list(uids(rows)) if len(rows) else [], pa.string()),
        pa.array([r for _, r in failures], pa.string()),
    ]
    beside = folder / f"{UNREADABLE}.partial"
    pq.write_table(pa.Table.from_arrays(columns, schema=UNREADABLE_COLUMNS), beside)
    beside.replace(folder / UNREADABLE)
    record = {
        "format": FORMAT,
        **asdict(plan),
        "unreadable": len(failures),
        "made_with": made_with(backbone, work.images),
        "backbone": {
            "name": backbone.name,
            "identity": backbone.identity,
            "precision": backbone.precision,
            "memory_format": backbone.memory_format,
            "device": backbone.device.partition(":")[0],
            "view": asdict(backbone.view),
        },
    }
    write_json(folder / RECORD, record)
    for name in (PLAN, FAILURES, CARRIED):
        (folder / name).unlink(missing_ok=True)


def _header_length(path: Path) -> int:
    with path.open("rb") as file:
        npy.read_array_header_1_0(file) if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0(file)
        return file.tell()


def _sync(file: Any) -> None:
    file.flush()
    os.fdatasync(file.fileno())
