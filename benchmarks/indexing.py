"""Claim: a table is indexed at 200,000 rows a second or more (bytes of images not read), on two cores; and writing a
catalog takes, beyond one block of rows, about 16 bytes of memory a row, so that 16 million images fit where 16 do.

    python benchmarks/indexing.py [--rows 200000] [--synthetic 1000000] [--webvision 1000000] [--folder SCRATCH]

Each measurement runs in a process of its own, as the peak of memory is the process's. `file`: a CSV whose files lie in
folders; `tar`: the same, members of a tar; `synthetic`: rows handed to `write_catalog` in random order with content
hashes, at two sizes, whose difference in peak memory is the memory a row. `webvision`: a tree of
WebVision 2.0's form with lists, empty images and a JSON file a query, at a third of the rows and at all of them. Baseline: the csv module of Python with one
`stat` a row, into a list of dicts that is sorted, which writes nothing. CPU seconds, of all threads, stand beside the
seconds: where they are fewer, the process waited for other processes or the disk.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

PER_FOLDER = 1000
CLASSES = 1000


def names(rows: int) -> list[str]:
    """Paths as in a web set: source, query, id; in random order."""
    order = np.random.default_rng(0).permutation(rows)
    return [f"google/q{i // PER_FOLDER:05d}/{i * 2654435761 % 2**32:010d}.jpg" for i in order.tolist()]


def write_table(path: Path, files: list[str]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "rank", "title", "tags", "source"])
        writer.writerows(
            [name, i % CLASSES, i % 400 + 1, f"photo {i} of some thing, with words", "red|small|thing", "google"]
            for i, name in enumerate(files)
        )


def prepare(folder: Path, rows: int) -> None:
    """The table twice: beside empty files, and beside a tar of members of one byte."""
    files = names(rows)
    for name in sorted({name.rpartition("/")[0] for name in files}):
        (folder / "file" / name).mkdir(parents=True, exist_ok=True)
    for name in files:
        os.close(os.open(folder / "file" / name, os.O_CREAT | os.O_WRONLY))
    (folder / "tar").mkdir()
    with (folder / "tar" / "images.tar").open("wb") as file:
        for name in files:
            info = tarfile.TarInfo(name)
            info.size = 1
            file.write(info.tobuf(tarfile.USTAR_FORMAT) + b"x" + bytes(511))
        file.write(bytes(1024))
    for form in ("file", "tar"):
        write_table(folder / form / "labels.csv", files)


def prepare_webvision(folder: Path, rows: int) -> None:
    """WebVision 2.0's form: a query of 1,000 images after the other, its JSON file with 1,100 objects."""
    root, classes = folder / f"webvision-{rows}", max(rows // PER_FOLDER // 3, 1)
    (root / "info").mkdir(parents=True)
    (root / "meta" / "google").mkdir(parents=True)
    words = [f"word{i}" for i in range(5000)]
    generator = np.random.default_rng(0)
    with (
        (root / "info/train_filelist_google.txt").open("w") as list_,
        (root / "info/train_meta_list_google.txt").open("w") as meta,
    ):
        for query in range(1, rows // PER_FOLDER + 1):
            images = root / f"google_images_resized/q{query:05d}"
            images.mkdir(parents=True)
            entries = []
            for place in range(1, PER_FOLDER + 101):
                name = f"{query:05d}{place * 2654435761 % 2**32:010d}M"
                text = " ".join(words[i] for i in generator.integers(0, 5000, 40).tolist())
                entries.append(
                    {
                        "id": name,
                        "rank": str(place),
                        "title": text[:60],
                        "description": text,
                        "url": f"http://host/{name}",
                    }
                )
                if place <= PER_FOLDER:
                    os.close(os.open(images / f"{name}.jpg", os.O_CREAT | os.O_WRONLY))
                    list_.write(f"google/q{query:05d}/{name}.jpg {query % classes}\n")
                    meta.write(f"google/q{query:05d}.json {place}\n")
            (root / f"meta/google/q{query:05d}.json").write_text(json.dumps(entries))
    (root / "info/synsets.txt").write_text("".join(f"n{i:08d} class {i}\n" for i in range(classes)))
    (root / "info/queries.txt").write_text("".join(f"{q} query {q}\n" for q in range(1, rows // PER_FOLDER + 1)))
    (root / "info/queries_synsets_map.txt").write_text(
        "".join(f"{q} {q % classes + 1}\n" for q in range(1, rows // PER_FOLDER + 1))
    )


def synthetic(rows: int, block: int = 65_536) -> Iterator[pa.RecordBatch]:
    """Rows in random order of uid, each with its own content hash."""
    for start in range(0, rows, block):
        numbers = np.arange(start, min(start + block, rows), dtype=np.uint64)
        mixed = (numbers * np.uint64(0x9E3779B97F4A7C15)).astype(">u8")
        uids = pa.array([f"google/q{m >> 50:05d}/{m:020d}.jpg" for m in mixed.tolist()])
        content = pa.array([m.tobytes().hex() * 2 for m in mixed])
        label = pa.array((numbers % CLASSES).astype(np.int32))
        yield pa.record_batch(
            {"uid": uids, "split": ["train"] * len(uids), "file": uids, "label": label, "content": content}
        )


def measure(what: str, folder: Path, rows: int) -> dict[str, float]:
    """Seconds and peak memory (MiB above that after the imports) of one way."""
    from reweigh.catalog.tables import plain_classes
    from reweigh.catalog.writing import write_catalog
    from reweigh.layouts.table_of_layouts import index

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    output = folder / f"{what}-{rows}.catalog"
    if what == "baseline":
        with (folder / "file" / "labels.csv").open(newline="") as file:
            read = [row for row in csv.DictReader(file) if (folder / "file" / row["file"]).stat()]
        read.sort(key=lambda row: row["file"])
    elif what == "synthetic":
        classes = plain_classes([str(i) for i in range(CLASSES)])
        write_catalog(output, synthetic(rows), classes, layout="synthetic", options={}, root=folder)
    elif what == "webvision":
        index(folder / f"webvision-{rows}", output, options={"hash": False})
    else:
        options = {"hash": False, **({"tar": [folder / "tar" / "images.tar"]} if what == "tar" else {})}
        index(folder / what / "labels.csv", output, options=options)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "cpu_seconds": time.process_time() - cpu, "peak_mib": (peak - before) / 1024}


def apart(what: str, folder: Path, rows: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--measure", what, "--folder", str(folder), "--rows", str(rows)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--synthetic", type=int, default=1_000_000)
    parser.add_argument("--webvision", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.folder, options.rows)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        folder, rows, small, large = Path(scratch), options.rows, options.synthetic, 3 * options.synthetic
        if rows:
            prepare(folder, rows)
        print(
            f"python {sys.version.split()[0]}, pyarrow {pa.__version__}, numpy {np.__version__}, {os.cpu_count()} cores"
        )
        if rows:
            for what in ("baseline", "file", "tar"):
                tell(what, folder, rows)
        if options.synthetic:
            tell_growth("synthetic", folder, small, large)
        if options.webvision:
            for count in (options.webvision // 3, options.webvision):
                prepare_webvision(folder, count)
            tell_growth("webvision", folder, options.webvision // 3, options.webvision)


def tell(what: str, folder: Path, rows: int) -> float:
    """Print what was measured; the peak of memory in MiB."""
    found = apart(what, folder, rows)
    speed, cpu, peak = rows / found["seconds"], found["cpu_seconds"], found["peak_mib"]
    print(
        f"{what:10}{rows:>10,} rows {speed:>9,.0f} rows/s, {cpu:6.1f} s CPU, {peak:6,.0f} MiB at the peak", flush=True
    )
    return peak


def tell_growth(what: str, folder: Path, small: int, large: int) -> None:
    """Print both sizes, and what the difference of their peaks means for 16 million rows."""
    first, second = (tell(what, folder, rows) for rows in (small, large))
    a_row = (second - first) * 2**20 / (large - small)
    print(f"memory: {a_row:.1f} bytes a row; 16 million rows: {first + a_row * (16e6 - small) / 2**20:,.0f} MiB")


if __name__ == "__main__":
    main()
