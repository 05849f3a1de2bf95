"""From a small clean catalog of PNGs to a webified one: same bytes, whole, and nothing that tells the truth beside it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from reweigh.catalog.tables import (
    Catalog,
    Classes,
    column_names,
    image_locations,
    plain_classes,
    read_classes,
    read_columns,
    read_copies,
    read_labels,
)
from reweigh.catalog.truth import read_kinds, read_truth
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError
from reweigh.images.reading import read_bytes
from reweigh.layouts.content import content_hash
from reweigh.webify.given import Given
from reweigh.webify.making import webify
from reweigh.webify.settings import WebifySettings

K, TRAIN, TEST = 8, 40, 3
NAMES = [f"class{c}" for c in range(K)]
SIMILARITY = 1 / (1 + np.abs(np.arange(K)[:, None] - np.arange(K)))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """Eight classes of forty training images and three test images, with a column that tells the truth."""
    folder = tmp_path_factory.mktemp("clean")
    rows = []
    for c in range(K):
        for number in range(TRAIN + TEST):
            name = f"{c}-{number:02d}.png"
            pixels = np.random.default_rng([c, number]).integers(0, 256, (6, 6, 3), np.uint8)
            data = io.BytesIO()
            Image.fromarray(pixels).save(data, "PNG")
            (folder / name).write_bytes(data.getvalue())
            split = "train" if number < TRAIN else "test"
            rows.append((name, split, c, content_hash(data.getvalue())))
    uids, splits, labels, content = zip(*rows, strict=True)
    batch = pa.record_batch(
        {"uid": list(uids), "split": list(splits), "file": list(uids), "label": pa.array(labels, pa.int32()), "content": list(content),
         "verified_label": pa.array(labels, pa.int32()), "telltale": [f"shows {c}" for c in labels]}
    )  # fmt: skip
    catalog = write_catalog(folder / "catalog", [batch], _classes(), layout="test", options={}, root=folder)
    return Given(catalog=catalog, truth=read_labels(catalog), similarity=SIMILARITY, notes=(("truth", "labels"),))


def _classes() -> Classes:
    return replace(plain_classes(NAMES), descriptions=tuple(f"a kind of thing{c}" for c in range(K)))


def make(clean: Given, path: Path, seed: int = 0, **settings: Any) -> tuple[Catalog, dict[str, str]]:
    made = webify(clean, path, WebifySettings(**settings), seed=seed)
    return made.catalog, dict(made.summary)


def column(catalog: Catalog, name: str, split: str = "train") -> np.ndarray:
    table = read_columns(catalog, [name, "split"]).to_pydict()
    return np.array([v for v, s in zip(table[name], table["split"], strict=True) if s == split], dtype=object)


def test_the_same_seed_gives_the_same_bytes_of_the_whole_catalog(clean: Given, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"pool_classes": 2, "duplicates": 0.2, "crossed": 0.2, "n_max": 25, "ratio": 2}
    one, _ = make(clean, tmp_path / "one", **settings)
    two, _ = make(clean, tmp_path / "two", **settings)
    files = sorted(p.relative_to(one.path) for p in one.path.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(two.path) for p in two.path.rglob("*") if p.is_file()) and len(files) > 4
    for name in files:
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes(), name
    other, _ = make(clean, tmp_path / "other", seed=1, **settings)
    assert other.fingerprint != one.fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "other", "two"]


def test_classes_of_the_pool_leave_and_the_others_are_numbered_anew(clean: Given, tmp_path: Path) -> None:
    catalog, summary = make(clean, tmp_path / "web", pool_classes=2, n_max=20)
    assert read_classes(catalog).names == tuple(NAMES[c] for c in (0, 1, 2, 4, 5, 6))
    truth, labels, kinds = read_truth(catalog), read_labels(catalog), read_kinds(catalog)
    assert truth is not None and kinds is not None
    uids = read_columns(catalog, ["uid"])["uid"].to_pylist()
    place = {0: 0, 1: 1, 2: 2, 4: 3, 5: 4, 6: 5}
    assert truth.tolist() == [place.get(int(uid[0]), -1) for uid in uids]
    assert all((kind == "right") == (t == y) for kind, t, y in zip(kinds, truth, labels, strict=True))
    assert {kind for kind, t in zip(kinds, truth, strict=True) if t == -1} == {"out_of_set"}
    assert summary["test images of the pool's classes"] == str(2 * TEST)


def test_test_rows_are_as_they_were_and_train_rows_tell_nothing(clean: Given, tmp_path: Path) -> None:
    catalog, summary = make(clean, tmp_path / "web", n_max=20)
    assert summary["side text made of"] == "other words than the name of 0 of 8 classes, descriptions of 8"
    assert column(catalog, "uid", "test").tolist() == column(clean.catalog, "uid", "test").tolist()
    assert column(catalog, "verified_label", "test").tolist() == column(clean.catalog, "label", "test").tolist()
    assert "telltale" not in column_names(catalog)
    assert set(column(catalog, "verified_label")) == {None} and set(column(catalog, "verified")) == {None}
    assert set(column(catalog, "source")) == {"search-1", "search-2"}
    assert summary["out of set"].startswith("no pool")


def test_duplicates_are_written_anew_or_point_to_the_same_bytes(clean: Given, tmp_path: Path) -> None:
    catalog, _ = make(clean, tmp_path / "web", n_max=25, ratio=2, duplicates=0.3, crossed=0.2)
    table = read_columns(catalog, ["uid", "content", "file"]).to_pydict()
    copies = read_copies(catalog)
    locations = image_locations(catalog, np.arange(catalog.n))
    assert all(content_hash(read_bytes(at)) == digest for at, digest in zip(locations, table["content"], strict=True))
    by_uid = {uid: row for row, uid in enumerate(table["uid"])}
    repeated = [uid for uid in by_uid if "#" in uid]
    same = [uid for uid in repeated if copies[by_uid[uid]] == copies[by_uid[uid.partition("#")[0]]]]
    assert {uid.partition("#")[2] for uid in repeated} == {"again", "crossed"} and 0 < len(same) < len(repeated)
    anew = {uid for uid in repeated if table["file"][by_uid[uid]].startswith("recompressed/")}
    assert anew == set(repeated) - set(same)
    data = read_bytes(locations[by_uid[min(anew)]])
    assert data[:2] == b"\xff\xd8"
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (6, 6)


def test_keep_side_changes_labels_and_nothing_else(clean: Given, tmp_path: Path) -> None:
    catalog, _ = make(clean, tmp_path / "web", keep_side=True)
    for name in ("uid", "file", "content", "title", "rank", "source"):
        assert column(catalog, name).tolist() == column(clean.catalog, name).tolist()
    assert 0.2 < (column(catalog, "label") != column(clean.catalog, "label")).mean() < 0.6
    assert set(read_kinds(catalog) or ()) == {"right", "near", "far"}


@pytest.mark.parametrize("corruption", ["uniform", "pair", "matrix"])
def test_a_corruption_flips_labels_and_nothing_else(clean: Given, tmp_path: Path, corruption: str) -> None:
    matrix = np.roll(np.eye(K), 3, axis=1)
    given = replace(clean, matrix=matrix, similarity=None)
    catalog, summary = make(given, tmp_path / "web", corruption=corruption)
    truth, labels = read_truth(catalog), read_labels(catalog)
    assert truth is not None and catalog.n == clean.catalog.n
    assert set(read_kinds(catalog) or ()) == {"right", corruption}
    if corruption == "matrix":
        train = column(catalog, "label").astype(int)
        np.testing.assert_array_equal(train, (column(clean.catalog, "label").astype(int) + 3) % K)
    assert (labels[truth != labels] != truth[truth != labels]).all() and "wrong labels" in summary


def test_an_image_with_the_bytes_of_a_test_image_is_not_drawn(clean: Given, tmp_path: Path) -> None:
    table = read_columns(clean.catalog, ["uid", "split", "file", "label", "content"])
    content = table["content"].to_pylist()
    content[0] = content[TRAIN]  # 0-00.png has the bytes of 0-40.png, a test image
    table = table.set_column(4, "content", pa.array(content))
    batches = table.combine_chunks().to_batches()
    catalog = write_catalog(tmp_path / "c", batches, _classes(), layout="t", options={}, root=clean.catalog.root)
    given = Given(catalog=catalog, truth=read_labels(catalog), similarity=SIMILARITY)
    made, summary = make(given, tmp_path / "web", n_max=40, ratio=1, noise=0.01)
    assert summary["training images with the bytes of another image"] == "1"
    assert "0-00.png" not in column(made, "uid").tolist()


def test_bad_sets_are_refused_before_anything_is_written(clean: Given, tmp_path: Path) -> None:
    nothing = replace(clean, truth=np.full(clean.catalog.n, -1, np.int32))
    with pytest.raises(ReweighError, match="has no training image with a label: looked at 320 rows"):
        make(nothing, tmp_path / "web")
    with pytest.raises(ReweighError, match="A pool of 8 classes leaves none"):
        make(clean, tmp_path / "web", pool_classes=8)
    with pytest.raises(ReweighError, match=r"shape \(8, 8\), found \(5, 5\)"):
        make(replace(clean, similarity=np.ones((5, 5))), tmp_path / "web")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "web").mkdir()
    with pytest.raises(ReweighError, match="web exists"):
        make(clean, tmp_path / "web")
