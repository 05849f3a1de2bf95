"""Layout `cifar-n`: CIFAR-10 or CIFAR-100 with the crowd workers' labels of CIFAR-10N and CIFAR-100N (Wei et al., ICLR 2022).

Two forms: the official files, whose images are written as PNGs into the catalog (`cifar_files`); and, of CIFAR-10, images as
JPEGs, in `cifar10n.tar` or as files, beside `train_labels.csv` and `test_labels.csv`. `clean` labels are the truth of both splits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, plain_classes
from reweigh.errors import ReweighError, look_up
from reweigh.images.tar_members import read_members
from reweigh.layouts.cifar_files import find_file, has_images, index_official
from reweigh.layouts.cifar_pickles import HUNDRED, NAMES, TEN, CifarSet
from reweigh.layouts.content import MISSING
from reweigh.layouts.csv_rows import read_csv_rows
from reweigh.layouts.folders import files_in, is_file
from reweigh.layouts.indexing import index_rows, row_batches
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.text_lists import OUTSIDE, is_inside
from reweigh.progress import Progress, silent


def index_cifar_n(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """One of the two sets with one of its label sets: option `labels`, where not said `worse` (CIFAR-10) or `noisy` (CIFAR-100).

    Where both sets are there, the option says which; CIFAR-10 where it does not. Images that are not there are counted.
    """
    if not source.is_dir():
        raise ReweighError(f"{source} is a file; the layout cifar-n reads the folder of its files.")
    asked = options.get("labels")
    findings = Findings()
    is_jpegs = (source / "train_labels.csv").is_file()
    cifar = TEN if is_jpegs else _which(source, asked, findings)
    labels = next(iter(cifar.label_sets)) if asked is None else str(asked)
    look_up(labels, cifar.label_sets, kind=f"label set of {cifar.name}N")
    options = {**options, "labels": labels}
    if is_jpegs:
        return _index_jpegs(source, output, options, findings, progress=progress)
    return index_official(source, output, options, cifar, findings, progress=progress)


def recognise_cifar_n(source: Path) -> Recognition | None:
    """A folder that holds one of the forms."""
    if not source.is_dir():
        return None
    if (source / "train_labels.csv").is_file():
        with (source / "train_labels.csv").open(encoding="utf-8-sig", errors="replace") as file:
            is_ours = {"clean", "worse", "aggre"} <= set(file.readline(10_000).strip().split(","))
        return Recognition(Certainty.CERTAIN, "train_labels.csv with CIFAR-10N's columns") if is_ours else None
    for cifar in (TEN, HUNDRED):
        human = find_file(source, cifar.human)
        if has_images(source, cifar) or (human and find_file(source, (cifar.train[0],))):
            return Recognition(Certainty.CERTAIN, f"{cifar.train[0]} of {cifar.name}")
    return None


def _which(source: Path, asked: Any, findings: Findings) -> CifarSet:
    """The set that is there; of both the one that has the labels asked for."""
    there = [cifar for cifar in (TEN, HUNDRED) if has_images(source, cifar) or find_file(source, cifar.human)]
    if len(there) == 2:
        chosen = HUNDRED if asked in HUNDRED.label_sets and asked not in TEN.label_sets else TEN
        findings.notes.append(f"both CIFAR-10 and CIFAR-100 are there; read is {chosen.name} (labels=noisy: CIFAR-100)")
        return chosen
    return there[0] if there else TEN


def _index_jpegs(
    source: Path, output: Path, options: Mapping[str, Any], findings: Findings, *, progress: Progress
) -> Catalog:
    """Rows of both lists whose image is a member of a tar beside them, or a file."""
    missing = _missing(source)
    members = {m.name: (tar.name, m.offset, m.length) for tar in files_in(source, "*.tar") for m in read_members(tar)}

    def rows() -> Iterator[tuple[Any, ...]]:
        for split in ("train", "test"):
            for row in _read_rows(source / f"{split}_labels.csv", options["labels"] if split == "train" else "clean"):
                file = row["file"]
                if not is_inside(file):
                    findings.skip(OUTSIDE, [file])
                    continue
                place = members.get(file) or ((file, None, None) if is_file(source / file) else None)
                if place is None:
                    findings.skip(missing, [file])
                else:
                    yield file, split, *place, row["label"], row["clean"]

    columns = ("uid", "split", "file", "offset", "length", "label", "truth")
    return index_rows(
        output, row_batches(rows(), columns), plain_classes(NAMES), findings, layout="cifar-n", options=options, source=source,
        root=source, are_found=True, with_truth=True, progress=progress,
    )  # fmt: skip


def _missing(source: Path) -> str:
    """Why an image is not there; half of the JPEG form lies in an archive that has to be unpacked first."""
    packed = [path.name for path in files_in(source, "*.tar.gz")]
    return f"{MISSING} ({', '.join(packed)} is not unpacked)" if packed else MISSING


def _read_rows(path: Path, labels: str) -> list[dict[str, Any]]:
    if not path.is_file():
        raise ReweighError(
            f"No {path.name} in {path.parent}: the JPEG form of CIFAR-10N has train_labels.csv and test_labels.csv."
        )
    rows = read_csv_rows(path, what="image")
    for name in ("file", labels, "clean"):
        if name not in rows[0]:
            raise ReweighError(f"{path} has no column {name!r}; it has: {', '.join(rows[0])}.")
    for row in rows:
        for name in (labels, "clean"):
            if not row[name].isdecimal():
                raise ReweighError(
                    f"{path}: {name} {row[name]!r} of {row['file']!r} is no label; they are 0..{len(NAMES) - 1}."
                )
    return [{"file": row["file"], "label": int(row[labels]), "clean": int(row["clean"])} for row in rows]
