"""Features made for CleanNet's code are arrays that weights and verdicts take; what could run code is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import reweigh
from reweigh.errors import ReweighError
from reweigh.layouts.cleannet_features import read_cleannet, read_references

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
NAMES = ["soup", "pie", "waffles"]


def made(n: int = 90, d: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features around the corner of each class, labels of which every seventh is wrong, and what a person said of the first third."""
    rng = np.random.default_rng(0)
    truth = np.arange(n) % 3
    labels = np.where(np.arange(n) % 7 == 0, (truth + 1) % 3, truth)
    features = (np.eye(3, d)[truth] * 4 + rng.normal(size=(n, d))).astype(np.float32)
    return features, labels, np.where(np.arange(n) < n // 3, labels == truth, -1)


def write(folder: Path) -> Path:
    features, labels, said = made()
    lines = [
        f"{NAMES[y]}/{i}.jpg\t{NAMES[y]}\t{s}\t{','.join(map(repr, x.tolist()))}\n"
        for i, (x, y, s) in enumerate(zip(features, labels.tolist(), said.tolist(), strict=True))
    ]
    (folder / "train.tsv").write_text("".join(lines))
    (folder / "classes.txt").write_text("\n".join(NAMES))
    np.save(folder / "train.npy", np.column_stack([features, labels, said]).astype(np.float64))
    np.save(folder / "ref.npy", np.arange(3 * 32 * 6, dtype=np.float64).reshape(3, 32, 6))
    return folder


@pytest.mark.parametrize("name", ["train.tsv", "train.npy"])
def test_a_list_and_the_array_made_of_it_are_the_same(tmp_path: Path, name: str) -> None:
    features, labels, said = made()
    found = read_cleannet(write(tmp_path) / name, split="train", class_list=tmp_path / "classes.txt")
    assert found.features.dtype == np.float32 and np.array_equal(found.features, features)
    assert np.array_equal(found.labels, labels) and found.class_names == tuple(NAMES)
    assert np.array_equal(found.verified, np.where(said < 0, np.nan, said), equal_nan=True)
    assert found.keys is None or found.keys[1] == "pie/1.jpg"


def test_without_a_list_of_classes_names_are_in_their_order_and_an_array_has_numbers(tmp_path: Path) -> None:
    found = read_cleannet(write(tmp_path) / "train.tsv", split="train")
    assert found.class_names == ("pie", "soup", "waffles")
    assert [found.class_names[y] for y in found.labels] == [NAMES[y] for y in made()[1]]
    assert read_cleannet(tmp_path / "train.npy").class_names == ("0", "1", "2")
    assert np.isnan(read_cleannet(all_of(tmp_path), split="all").verified).all()


def all_of(folder: Path) -> Path:
    lines = [line.split("\t") for line in (folder / "train.tsv").read_text().splitlines()]
    (folder / "all.tsv").write_text("".join("\t".join([*line[:2], line[3]]) + "\n" for line in lines))
    return folder / "all.tsv"


def test_references_are_vectors_by_class(tmp_path: Path) -> None:
    references = read_references(write(tmp_path) / "ref.npy")
    assert references.shape == (3, 32, 6) and references.dtype == np.float32 and references[2, 31, 5] == 575


def test_the_lines_of_the_page_run_and_wrong_labels_weigh_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path))
    page = DOCS.read_text()
    lines = next(block for block in re.findall("```python\n(.*?)```", page, re.DOTALL) if "read_cleannet" in block)
    space: dict[str, object] = {}
    exec(lines, space)
    credibility = space["made"].credibility  # type: ignore[attr-defined]
    is_wrong = np.arange(90) % 7 == 0
    assert isinstance(space["made"], reweigh.Weights)
    assert np.nanmean(credibility[is_wrong]) < np.nanmean(credibility[~is_wrong]) / 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("\tpie\t", "\tpies\t", 1), r"line 1: 'pies' is not in the list of classes\. Did you mean 'pie'"),
        (lambda t: t + "pie/x.jpg\tpie\t1\t0.5,0.25\n", r"line 91: 2 features, where the first line has 6; was the file cut"),
        (lambda t: t + "pie/x.jpg\tpie\t1\t0.5,a,1,1,1,1\n", "line 91: features are numbers with commas between"),
        (lambda t: t + "pie/x.jpg\tpie\t1\t0.5,1,nan,1,1,1\n", "line 91: feature 2 is not finite"),
        (lambda t: t + "pie/x.jpg\tpie\t2\t0.5,1,1,1,1,1\n", "line 91: verification label '2' is none of"),
        (lambda t: "", "is empty"),
    ],
)  # fmt: skip
def test_a_line_of_another_form_is_named(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    path = write(tmp_path) / "train.tsv"
    path.write_text(change(path.read_text()))
    with pytest.raises(ReweighError, match=message):
        read_cleannet(path, split="train", class_list=tmp_path / "classes.txt")


def test_a_list_needs_its_split(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ReweighError, match="needs split='train', 'val' or 'all'"):
        read_cleannet(tmp_path / "train.tsv")
    with pytest.raises(ReweighError, match="Did you mean 'train'"):
        read_cleannet(tmp_path / "train.tsv", split="tran")


def test_arrays_of_another_form_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    good = np.load(tmp_path / "train.npy")

    def refused(values: np.ndarray, message: str, *, reader=read_cleannet) -> None:  # type: ignore[no-untyped-def]
        np.save(tmp_path / "x.npy", values, allow_pickle=True)
        with pytest.raises(ReweighError, match=message) as caught:
            reader(tmp_path / "x.npy")
        assert "\n" not in str(caught.value)

    def changed(row: int, column: int, value: float) -> np.ndarray:
        values = good.copy()
        values[row, column] = value
        return values

    refused(changed(4, -1, 3), "row 4: verification label 3 is none of 1, 0 and -1")
    refused(changed(5, -2, 0.5), r"row 5: class 0\.5 is none of 0\.\.2")
    refused(changed(6, -2, -1), r"row 6: class -1 is none of 0\.\.2")
    refused(changed(7, 0, np.nan), "row 7 is not finite, and 0 more")
    refused(np.zeros((2, 32, 6)), r"has the shape \(2, 32, 6\).*Is it ref\.npy")
    refused(good, r"has the shape \(90, 8\).*Is it train\.npy or val\.npy", reader=read_references)
    refused(np.full((3, 2, 2), np.inf), "references of class 0 are not finite, and of 2 more", reader=read_references)
    ragged = np.empty(2, dtype=object)
    ragged[:] = [[1.0], [2.0, 3.0]]
    refused(ragged, r"holds pickled objects, as all\.npy does: read the list")
    refused(np.array([["a", "b", "c"]]), r"is no \.npy file of numbers")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "train.npy").read_bytes()[:200])
    for name in ("cut.npy", "nowhere.npy"):
        with pytest.raises(ReweighError, match=r"no whole \.npy|No file"):
            read_cleannet(tmp_path / name)
    (tmp_path / "odd.npy").write_bytes(b"GIF89a not an array")
    with pytest.raises(ReweighError, match=r"odd\.npy is no"):
        read_references(tmp_path / "odd.npy")
