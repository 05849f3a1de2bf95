"""CIFAR-100 as published with CIFAR-100N's labels: fine and coarse classes, and one order for images and labels."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.catalog.schema import HIERARCHY
from reweigh.catalog.tables import Catalog, read_classes, read_columns, read_labels
from reweigh.catalog.truth import read_truth
from reweigh.errors import ReweighError
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise

FINE = np.array([0, 5, 99, 7, 6])
NOISY = np.array([0, 6, 99, 8, 6])


def coarse_of(fine: np.ndarray) -> np.ndarray:
    return fine % 20


def cifar(folder: Path) -> Path:
    """Five training and two test images; the workers took two for other classes."""
    batches = folder / "cifar-100-python"
    batches.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (7, 3072), dtype=np.uint8)
    for name, rows, fine in (("train", slice(0, 5), FINE), ("test", slice(5, 7), np.array([3, 99]))):
        dump(batches / name, {
            b"filenames": [b"x_s_000001.png"] * len(fine), b"batch_label": b"training batch 1 of 1", b"fine_labels": fine.tolist(),
            b"coarse_labels": coarse_of(fine).tolist(), b"data": pixels[rows],
        })  # fmt: skip
    names = {
        b"fine_label_names": [b"fine_%d" % i for i in range(100)],
        b"coarse_label_names": [b"coarse_%d" % i for i in range(20)],
    }
    dump(batches / "meta", names)
    dump(folder / "CIFAR-100_human.pt", human())
    return folder


def human() -> dict[str, Any]:
    return {
        "clean_label": FINE, "noisy_label": NOISY, "clean_coarse_label": coarse_of(FINE).tolist(),
        "noisy_coarse_label": coarse_of(NOISY).tolist(),
    }  # fmt: skip


def dump(path: Path, value: Any) -> None:
    path.write_bytes(pickle.dumps(value, protocol=2))


def truth_of(catalog: Catalog) -> list[int]:
    truth = read_truth(catalog)
    assert truth is not None
    return truth.tolist()


@pytest.mark.parametrize("labels", [None, "noisy", "clean"])
def test_fine_and_coarse_classes_and_the_truth(tmp_path: Path, labels: str | None) -> None:
    source = cifar(tmp_path / "cifar")
    found = recognise(source)
    assert found[0] == "cifar-n" and found[1].certainty is Certainty.CERTAIN
    catalog = index(source, tmp_path / "c", options={"labels": labels} if labels else {})
    given = FINE if labels == "clean" else NOISY
    assert catalog.k == 100 and read_labels(catalog).tolist() == [3, 99, *given]
    assert truth_of(catalog) == [3, 99, *FINE]
    assert read_classes(catalog).names[:2] == ("fine_0", "fine_1") and read_classes(catalog).words[5] == ("fine 5",)
    coarse = read_columns(catalog, ["coarse"])["coarse"].to_pylist()
    assert coarse == [f"coarse_{i % 20}" for i in [3, 99, *given]]
    pairs = pq.read_table(catalog.path / HIERARCHY).to_pylist()
    assert {"child": "fine_99", "parent": "coarse_19"} in pairs and len(pairs) == 5


def test_labels_of_the_other_order_are_refused(tmp_path: Path) -> None:
    source = cifar(tmp_path / "cifar")
    dump(source / "CIFAR-100_human.pt", {key: np.asarray(value)[::-1] for key, value in human().items()})
    with pytest.raises(
        ReweighError, match=r"train: its labels are not the clean_label of CIFAR-100N in rows 0\.\.4; .*`_ordered`"
    ):
        index(source, tmp_path / "c")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cifar"]


def test_the_ordered_file_is_never_taken_for_the_other(tmp_path: Path) -> None:
    source = cifar(tmp_path / "cifar")
    (source / "CIFAR-100_human.pt").rename(source / "CIFAR-100_human_ordered.npy")
    with pytest.raises(
        ReweighError, match=r"No CIFAR-100_human\.pt .*_ordered\.npy is there, but in the order of TensorFlow"
    ):
        index(source, tmp_path / "c")


def test_an_empty_file_of_labels_is_said_to_be_empty(tmp_path: Path) -> None:
    source = cifar(tmp_path / "cifar")
    (source / "CIFAR-100_human.pt").write_bytes(b"")
    with pytest.raises(ReweighError, match=r"is empty \(0 bytes\)"):
        index(source, tmp_path / "c")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CIFAR-100_human.pt", {"clean_label": FINE, "noise_label": NOISY}, "has no 'noisy_label' and 'clean_label'"),
        ("CIFAR-100_human.pt", {**human(), "noisy_label": ["a"] * 5}, "found 'noisy_label' no whole numbers"),
        ("CIFAR-100_human.pt", {**human(), "noisy_coarse_label": [20] * 5}, r"'noisy_coarse_label' has labels outside of 0\.\.19"),
        ("CIFAR-100_human.pt", {**human(), "noisy_label": FINE + 1}, r"label 100 of 'train/00002.png' is out of range: the 100"),
        ("CIFAR-100_human.pt", {k: [*v, 1] for k, v in human().items()}, "has 5 training images, the workers' file 6 labels"),
        ("cifar-100-python/meta", {b"fine_label_names": [b"x"]}, "looked for 100 fine_label_names, all different; found fine_label_names"),
        ("cifar-100-python/train", {b"data": 1}, r"is no batch of CIFAR-100: looked for data \(n, 3072\) and n fine_labels and coarse_labels"),
        ("cifar-100-python/train", [1], "is no batch of CIFAR-100: .*found no dict"),
    ],
)  # fmt: skip
def test_files_of_another_form_are_refused(tmp_path: Path, name: str, value: Any, message: str) -> None:
    source = cifar(tmp_path / "cifar")
    dump(source / name, value)
    with pytest.raises(ReweighError, match=message):
        index(source, tmp_path / "c", layout="cifar-n")


def test_a_class_with_two_coarse_classes_is_refused(tmp_path: Path) -> None:
    source = cifar(tmp_path / "cifar")
    data = {"data": np.zeros((2, 3072), np.uint8), "fine_labels": [1, 1], "coarse_labels": [1, 2]}
    dump(source / "cifar-100-python" / "train", data)
    with pytest.raises(ReweighError, match="a class of CIFAR-100 has one coarse class"):
        index(source, tmp_path / "c")


def test_a_label_set_of_the_other_set_is_refused_and_missing_files_are_named(tmp_path: Path) -> None:
    source = cifar(tmp_path / "cifar")
    with pytest.raises(ReweighError, match="No label set of CIFAR-100N named 'worse'; there are: noisy, clean"):
        index(source, tmp_path / "c", options={"labels": "worse"})
    (source / "cifar-100-python" / "meta").unlink()
    (source / "cifar-100-python.tar.gz").write_bytes(b"x")
    with pytest.raises(
        ReweighError, match=r"lacks meta of CIFAR-100's python version .*cifar-100-python\.tar\.gz is not unpacked"
    ):
        index(source, tmp_path / "c", layout="cifar-n")


def test_of_both_sets_the_labels_decide(tmp_path: Path) -> None:
    source = cifar(tmp_path / "cifar")
    (source / "data_batch_1").write_bytes(b"x")
    catalog = index(source, tmp_path / "c", options={"labels": "noisy"})
    assert catalog.k == 100 and "read is CIFAR-100" in catalog.counts["notes"][0]
    with pytest.raises(ReweighError, match="lacks data_batch_2"):
        index(source, tmp_path / "d")


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["CIFAR-100_human.pt", "cifar-100-python/meta", "cifar-100-python/train"]),
    value=st.recursive(
        st.none() | st.integers() | st.binary(max_size=8) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=6) | st.dictionaries(
            st.sampled_from(["data", "fine_labels", "coarse_labels", "clean_label", "noisy_label", "noisy_coarse_label", b"data", 3]), inner, max_size=6
        ),
        max_leaves=12,
    ),
)  # fmt: skip
def test_pickles_of_anything_give_a_catalog_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: Any
) -> None:
    place = tmp_path_factory.mktemp("any")
    source = cifar(place / "cifar")
    dump(source / name, value)
    try:
        assert index(source, place / "c", layout="cifar-n").n == 7
    except ReweighError as error:
        assert "\n" not in str(error)
