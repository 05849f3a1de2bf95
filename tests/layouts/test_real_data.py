"""The real data sets beside the repository, whose numbers are known from their own descriptions."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np

from reweigh.catalog.splits import resolve_splits
from reweigh.catalog.tables import column_names, image_locations, read_classes, read_columns, read_labels
from reweigh.catalog.truth import read_truth
from reweigh.images.reading import read_bytes
from reweigh.layouts.table_of_layouts import index


def test_fashion_web_with_checked_garments(shared_data: Path, tmp_path: Path) -> None:
    options = {"columns": {"verified_label": "verified"}, "tar": [shared_data / "fashion_web" / "fashion_web.tar"]}
    catalog = index(shared_data / "fashion_web" / "labels.csv", tmp_path / "c", options=options)
    verified = read_columns(catalog, ["verified"])["verified"]
    assert catalog.n == 3448 and read_classes(catalog).names == ("Dress", "Jeans", "Jumpsuit", "Pants", "Skirt")
    assert np.bincount(read_labels(catalog)).tolist() == [1055, 505, 76, 939, 873]
    assert [verified.to_pylist().count(value) for value in (True, False, None)] == [2972, 398, 78]
    assert catalog.counts["filled"]["title"] == 3448 - 278 and catalog.counts["duplicates"] == 0
    kept = ["source_verified", "label_shoes", "verified_shoes", "noisy_tags", "verified_tags"]
    assert column_names(catalog)[16:] == kept


def test_tiny_imagenet_40_with_its_classes(shared_data: Path, tmp_path: Path) -> None:
    catalog = index(
        shared_data / "tiny_imagenet_40" / "labels.csv", tmp_path / "c", options={"tar": ["tiny_imagenet_40.tar"]}
    )
    classes = read_classes(catalog)
    assert (catalog.n, catalog.k, catalog.counts["splits"]) == (8000, 40, {"train": 6000, "val": 2000})
    assert classes.synsets[0] == "n01774384" and classes.words[0] == ("black widow", "Latrodectus mactans")
    assert read_columns(catalog, ["wnid"], np.array([0])).to_pylist() == [{"wnid": classes.synsets[0]}]
    assert catalog.counts["duplicates"] == 1 and len(catalog.counts["warnings"]) == 1
    assert resolve_splits(catalog, test_fraction=0.1, seed=0).source == "val"


def test_web_actions_with_rank_text_and_checks(shared_data: Path, tmp_path: Path) -> None:
    catalog = index(shared_data / "web_actions" / "labels.csv", tmp_path / "c", options={"tar": ["web_actions.tar"]})
    assert (catalog.n, catalog.k, catalog.counts["splits"]) == (1483, 6, {"train": 1060, "test": 423})
    assert catalog.counts["sources"] == {"google": 1098, "flickr": 385} and catalog.counts["filled"]["rank"] == 1098
    verified = read_columns(catalog, ["verified"])["verified"].to_pylist()
    assert (verified.count(True), verified.count(False)) == (154, 6)


def test_cifar_10n_in_place(shared_data: Path, tmp_path: Path) -> None:
    catalog = index(shared_data / "cifar10n", tmp_path / "c", options={"labels": "worse", "hash": False})
    truth, labels = read_truth(catalog), read_labels(catalog)
    split = np.array(read_columns(catalog, ["split"])["split"].to_pylist())
    assert truth is not None and catalog.counts["splits"] == {"train": 25_000, "test": 5_000}
    assert round(float((truth != labels)[split == "train"].mean()), 4) == 0.4058
    assert (truth == labels)[split == "test"].all()
    assert read_bytes(image_locations(catalog, np.array([123]))[0])[:2] == b"\xff\xd8"
    (reason,) = catalog.counts["skipped"]
    assert catalog.counts["skipped"][reason]["count"] == 30_000


def test_webvisions_list_as_a_compressed_table(shared_data: Path, tmp_path: Path) -> None:
    listed = shared_data / "webvision_lists" / "train_cls0-9.csv.gz"
    with gzip.open(listed, "rt") as file:
        rows = list(csv.DictReader(file))[:500]
    with gzip.open(tmp_path / "part.csv.gz", "wt", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        (tmp_path / row["path"]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / row["path"]).write_bytes(row["path"].encode())
    catalog = index(tmp_path / "part.csv.gz", tmp_path / "c", options={"columns": {"file": "path"}})
    assert catalog.n == len({row["path"] for row in rows}) == 500
    assert dict(catalog.counts["sources"]).keys() == {row["source"] for row in rows}
    assert column_names(catalog)[16:] == ["subset"]


def test_webvisions_real_lists_and_query_map_agree(shared_data: Path, tmp_path: Path) -> None:
    with gzip.open(shared_data / "webvision_lists" / "train_cls0-9.csv.gz", "rt") as file:
        rows = [row for row in csv.DictReader(file) if int(row["label"]) < 3]
    info = tmp_path / "webvision" / "info"
    info.mkdir(parents=True)
    for name in ("synsets.txt", "queries_synsets_map.txt"):
        (info / name).write_bytes((shared_data / "webvision_lists" / name).read_bytes())
    for source in ("google", "flickr"):
        lines = [f"{row['path']} {row['label']}\n" for row in rows if row["source"] == source]
        (info / f"train_filelist_{source}.txt").write_text("".join(lines))
    for row in rows:
        (info.parent / row["path"]).parent.mkdir(parents=True, exist_ok=True)
        (info.parent / row["path"]).touch()
    catalog = index(info.parent, tmp_path / "c", options={"hash": False})
    classes = read_classes(catalog)
    assert (catalog.n, catalog.k) == (len(rows), 1000)
    assert classes.synsets[1] == "n01443537" and classes.words[1] == ("goldfish", "Carassius auratus")
    assert {name for name in classes.names if name.startswith("crane")} == {"crane (n02012849)", "crane (n03126707)"}
    assert not any("not their query's" in warning for warning in catalog.counts["warnings"])
    assert len(set(classes.names)) == 1000
