"""CIFAR-10N in its two forms: the published files, and images as JPEGs beside lists."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reweigh.catalog.tables import Catalog, image_locations, open_catalog, read_classes, read_columns, read_labels
from reweigh.catalog.truth import read_truth
from reweigh.errors import ReweighError
from reweigh.images.reading import read_bytes
from reweigh.layouts.cifar_pickles import NAMES, TEN
from reweigh.layouts.table_of_layouts import index

BATCHES, LABELS = TEN.files, TEN.label_sets
A_BATCH = 4


def official(folder: Path, *, order: slice = slice(None)) -> tuple[Path, dict[str, np.ndarray], np.ndarray]:
    """Six batches of four images and the human labels; returns the folder, the label sets and all pixels."""
    generator = np.random.default_rng(0)
    n = A_BATCH * 5
    pixels = generator.integers(0, 256, (n + A_BATCH, 3072), dtype=np.uint8)
    clean = generator.integers(0, 10, n + A_BATCH)
    (folder / "cifar-10-batches-py").mkdir(parents=True)
    for number, name in enumerate(BATCHES):
        rows = slice(A_BATCH * number, A_BATCH * (number + 1))
        # as Python 2 wrote them, the keys are bytes for a reader that asks for them
        value = {b"data": pixels[rows], b"labels": clean[rows].tolist(), b"filenames": [b"x.png"] * A_BATCH}
        (folder / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(value, protocol=2))
    sets = {key: generator.integers(0, 10, n) for key in LABELS.values()}
    sets["clean_label"] = clean[:n]
    (folder / "CIFAR-10_human.pt").write_bytes(pickle.dumps({k: v[order] for k, v in sets.items()}, protocol=2))
    return folder, {**sets, "test": clean[n:]}, pixels


def jpegs(folder: Path, *, packed: bool = True) -> Path:
    """Three training and two test images in the tar, one of each elsewhere."""
    folder.mkdir()
    rows = ["index,file,part,clean,aggre,worse,random1,random2,random3"]
    rows += [f"{i},train/{i:05d}.jpg,{'main' if i < 3 else 'rest'},{i},{i},{i + 1},{i},{i + 2},{i}" for i in range(4)]
    (folder / "train_labels.csv").write_text("\n".join(rows) + "\n")
    tests = ["index,file,part,clean", *(f"{i},test/{i:05d}.jpg,main,{i + 5}" for i in range(3))]
    (folder / "test_labels.csv").write_text("\n".join(tests) + "\n")
    with tarfile.open(folder / "cifar10n.tar", "w") as tar:
        for name in [f"train/{i:05d}.jpg" for i in range(3)] + [f"test/{i:05d}.jpg" for i in range(2)]:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    if packed:
        (folder / "cifar10n_rest.tar.gz").write_bytes(b"\x1f\x8b")
    return folder


def truth_of(catalog: Catalog) -> list[int]:
    truth = read_truth(catalog)
    assert truth is not None
    return truth.tolist()


@pytest.mark.parametrize("labels", sorted(LABELS))
def test_the_official_files_give_labels_truth_and_exact_pixels(tmp_path: Path, labels: str) -> None:
    source, sets, pixels = official(tmp_path / "cifar")
    catalog = index(source, tmp_path / "c", options={"labels": labels})
    assert catalog.layout == "cifar-n" and catalog.n == 24 and read_classes(catalog).names == NAMES
    # uids: test/00000.png .. test/00003.png, then train/00000.png .. train/00019.png
    assert read_labels(catalog).tolist() == [*sets["test"], *sets[LABELS[labels]]]
    assert truth_of(catalog) == [*sets["test"], *sets["clean_label"]]
    assert read_columns(catalog, ["uid"])["uid"].to_pylist()[3:5] == ["test/00003.png", "train/00000.png"]
    stored = [np.asarray(Image.open(io.BytesIO(read_bytes(p)))) for p in image_locations(catalog, np.arange(24))]
    expected = pixels[[*range(20, 24), *range(20)]].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    assert np.array_equal(np.stack(stored), expected)


def test_the_catalog_of_the_official_files_holds_its_images_and_can_move(tmp_path: Path) -> None:
    source, _, _ = official(tmp_path / "cifar")
    one, two = index(source, tmp_path / "one"), index(source, tmp_path / "two")
    inside = [p.relative_to(one.path) for p in sorted(one.path.rglob("*")) if p.is_file()]
    assert len(inside) == 24 + 4 and all((one.path / p).read_bytes() == (two.path / p).read_bytes() for p in inside)
    one.path.rename(tmp_path / "moved")
    assert (
        image_locations(open_catalog(tmp_path / "moved"), np.array([0]))[0].path
        == tmp_path / "moved/images/test/00000.png"
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cifar", "moved", "two"], "nothing half-written is left"


def test_labels_in_another_order_are_refused(tmp_path: Path) -> None:
    source, _, _ = official(tmp_path / "cifar", order=slice(None, None, -1))
    with pytest.raises(
        ReweighError,
        match=r"data_batch_1: its labels are not the clean_label of CIFAR-10N in rows 0\.\.3; .*of another order",
    ):
        index(source, tmp_path / "c")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cifar"]


def test_labels_may_be_a_npy_file(tmp_path: Path) -> None:
    source, sets, _ = official(tmp_path / "cifar")
    (source / "CIFAR-10_human.pt").unlink()
    np.save(source / "CIFAR-10_human.npy", np.array({k: v for k, v in sets.items() if k != "test"}, dtype=object))
    assert read_labels(index(source, tmp_path / "c")).tolist()[4:] == sets["worse_label"].tolist()


@pytest.mark.parametrize("missing", ["data_batch_3", "CIFAR-10_human.pt"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    source, _, _ = official(tmp_path / "cifar")
    next(source.rglob(missing)).unlink()
    with pytest.raises(ReweighError, match=f"(lacks|No) {missing}"):
        index(source, tmp_path / "c")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"data": np.zeros((4, 3072), np.uint8)}, "is no batch of CIFAR-10: looked for data"),
        ({"data": np.zeros((4, 3071), np.uint8), "labels": [0] * 4}, "is no batch of CIFAR-10"),
        ({"data": np.zeros((4, 3072), np.uint8), "labels": [0] * 3}, "is no batch of CIFAR-10"),
        ([1, 2], "is no batch of CIFAR-10"),
    ],
)
def test_a_batch_of_another_form_is_refused(tmp_path: Path, value: Any, message: str) -> None:
    source, _, _ = official(tmp_path / "cifar")
    (source / "cifar-10-batches-py" / "data_batch_1").write_bytes(pickle.dumps(value, protocol=2))
    with pytest.raises(ReweighError, match=message):
        index(source, tmp_path / "c")


def test_a_label_file_of_another_form_is_refused(tmp_path: Path) -> None:
    source, sets, _ = official(tmp_path / "cifar")
    (source / "CIFAR-10_human.pt").write_bytes(pickle.dumps({"noisy_label": sets["clean_label"]}, protocol=2))
    with pytest.raises(ReweighError, match="has no 'worse_label' and 'clean_label'; found noisy_label"):
        index(source, tmp_path / "c")
    (source / "CIFAR-10_human.pt").write_bytes(
        pickle.dumps({"worse_label": [1], "clean_label": sets["clean_label"]}, protocol=2)
    )
    with pytest.raises(ReweighError, match="as many for each; found 'worse_label' 1, 'clean_label' 20"):
        index(source, tmp_path / "c")


@pytest.mark.parametrize("labels", ["worse", "clean"])
def test_the_jpeg_form_is_read_in_place_and_clean_labels_are_the_truth(tmp_path: Path, labels: str) -> None:
    catalog = index(jpegs(tmp_path / "cifar"), tmp_path / "c", options={"labels": labels})
    rows = read_columns(catalog, ["uid", "split", "label", "file"]).to_pylist()
    assert [(r["uid"], r["split"]) for r in rows] == [
        ("test/00000.jpg", "test"), ("test/00001.jpg", "test"),
        ("train/00000.jpg", "train"), ("train/00001.jpg", "train"), ("train/00002.jpg", "train"),
    ]  # fmt: skip
    assert [r["label"] for r in rows] == [5, 6, *([1, 2, 3] if labels == "worse" else [0, 1, 2])]
    assert truth_of(catalog) == [5, 6, 0, 1, 2] and {r["file"] for r in rows} == {"cifar10n.tar"}
    assert [read_bytes(p).decode() for p in image_locations(catalog, np.arange(5))] == [r["uid"] for r in rows]
    reason = "missing file (cifar10n_rest.tar.gz is not unpacked)"
    assert catalog.counts["skipped"] == {reason: {"count": 2, "examples": ["train/00003.jpg", "test/00002.jpg"]}}


def test_the_rest_counts_once_unpacked_beside(tmp_path: Path) -> None:
    source = jpegs(tmp_path / "cifar", packed=False)
    (source / "train").mkdir()
    (source / "train" / "00003.jpg").write_bytes(b"unpacked")
    catalog = index(source, tmp_path / "c", options={"hash": False})
    assert catalog.n == 6 and catalog.counts["skipped"] == {
        "missing file": {"count": 1, "examples": ["test/00002.jpg"]}
    }
    assert read_bytes(image_locations(catalog, np.array([5]))[0]) == b"unpacked"


def test_no_image_at_all_is_an_error_that_counts_them(tmp_path: Path) -> None:
    source = jpegs(tmp_path / "cifar")
    (source / "cifar10n.tar").unlink()
    with pytest.raises(
        ReweighError,
        match=r"No image to index.*7 missing file \(cifar10n_rest.tar.gz is not unpacked\), e\.g\. train/00000\.jpg",
    ):
        index(source, tmp_path / "c")


def test_an_unknown_label_set_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(
        ReweighError, match=r"No label set of CIFAR-10N named 'worst'; there are: .*Did you mean 'worse'"
    ):
        index(jpegs(tmp_path / "cifar"), tmp_path / "c", options={"labels": "worst"})


def test_a_file_outside_of_the_folder_is_left_out(tmp_path: Path) -> None:
    source = jpegs(tmp_path / "set")
    path = source / "train_labels.csv"
    before = index(source, tmp_path / "c", options={"labels": "worse"}).n
    rows = path.read_text().splitlines(keepends=True)
    (tmp_path / "secret.jpg").write_bytes(b"x")
    fields = rows[0].strip().split(",")
    for name in ("../secret.jpg", str(tmp_path / "secret.jpg")):
        values = dict(zip(fields, rows[1].strip().split(","), strict=True)) | {"file": name}
        rows.append(",".join(values.values()) + "\n")
    path.write_text("".join(rows))
    catalog = index(source, tmp_path / "d", options={"labels": "worse"})
    assert catalog.n == before and catalog.counts["skipped"]["path that leads out of the folder"]["count"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index,file,part,clean,aggre,random1\n0,a.jpg,main,1,1,1\n", "has no column 'worse'; it has: index, file"),
        (
            "index,file,part,clean,aggre,worse\n0,a.jpg,main,1,1,cat\n",
            "worse 'cat' of 'a.jpg' is no label; they are 0..9",
        ),
        (
            "index,file,part,clean,aggre,worse\n0,train/00000.jpg,main,1,1,10\n",
            "label 10 of 'train/00000.jpg' is out of range: the 10 classes",
        ),
        ("", "train_labels.csv lists no image"),
    ],
)
def test_what_is_wrong_with_a_list_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    source = jpegs(tmp_path / "cifar")
    (source / "train_labels.csv").write_text(text)
    with pytest.raises(ReweighError, match=message):
        index(source, tmp_path / "c", layout="cifar-n")
