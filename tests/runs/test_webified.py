"""webify on real sets: where the truth comes from, which classes are near, and what is impossible."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from reweigh.catalog.tables import Catalog, open_catalog, plain_classes, read_classes, read_columns, read_labels
from reweigh.catalog.truth import read_kinds, read_truth
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError
from reweigh.layouts.table_of_layouts import index
from reweigh.runs.class_similarity import confusion_similarity
from reweigh.runs.source import Source
from reweigh.runs.webified import read_settings, run_webify
from reweigh.text.wordnet import find_wordnet
from reweigh.webify.settings import WebifySettings

PIXELS = ("backbone.name=pixels", "backbone.input_size=4", "threads=1")


@pytest.fixture(scope="module")
def tiny(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tar = {"tar": ["tiny_imagenet_40.tar"]}
    return index(shared_data / "tiny_imagenet_40" / "labels.csv", folder / "tiny", options=tar).path


@pytest.fixture(scope="module")
def actions(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("actions")
    return index(
        shared_data / "web_actions" / "labels.csv", folder / "actions", options={"tar": ["web_actions.tar"]}
    ).path


@pytest.fixture
def has_wordnet() -> None:
    try:
        find_wordnet()
    except ReweighError as missing:
        pytest.skip(f"needs WordNet 3.0's files: {missing}")


def written(path: Path, labels: list[int], k: int, truth: list[int] | None = None) -> Catalog:
    """A catalog of training rows whose images nobody reads."""
    uids = [f"i{i:03d}" for i in range(len(labels))]
    columns = {"uid": uids, "split": ["train"] * len(uids), "file": uids, "label": pa.array(labels, pa.int32())}
    if truth is not None:
        columns["truth"] = pa.array(truth, pa.int32())
    classes = plain_classes([f"c{i}" for i in range(k)])
    batch = pa.record_batch(columns)
    return write_catalog(path, [batch], classes, layout="t", options={}, root=path, with_truth=truth is not None)


@pytest.mark.usefixtures("has_wordnet")
def test_tiny_imagenet_becomes_the_set_of_the_goals(tiny: Path, tmp_path: Path) -> None:
    """32 classes and 8 of the pool, 1,265 rows, 1,600 test images."""
    shares, telling = [], []
    for seed in range(5):
        made = run_webify(
            Source(path=tiny), tmp_path / f"web-{seed}", WebifySettings(pool_classes=8, n_max=100), seed=seed
        )
        catalog, summary = made.catalog, dict(made.summary)
        assert (catalog.k, catalog.counts["splits"]) == (32, {"train": 1265, "val": 1600})
        assert summary["side text made of"].startswith("other words than the name of ")
        assert summary["near taken from"].startswith("WordNet") and summary["truth"] == "labels taken as the truth"
        shares.append(float(summary["wrong labels"].split("(")[1].rstrip("%)")))
        telling.append(float(summary["own text"].split()[1]))
    assert 36 < np.mean(shares) < 44 and 0.75 < np.mean(telling) < 0.87
    kinds, truth = read_kinds(catalog), read_truth(catalog)
    assert kinds is not None and truth is not None
    assert set(kinds) == {"right", "near", "far", "out_of_set"}
    assert (truth[[kind == "out_of_set" for kind in kinds]] == -1).all()
    assert read_classes(catalog).synsets[0] == "n01774384" and "spider" in str(read_classes(catalog).descriptions[0])
    split = np.array(read_columns(catalog, ["split"])["split"].to_pylist())
    assert (truth == read_labels(catalog))[split == "val"].all()


def test_real_titles_and_ranks_meet_known_errors(actions: Path, tmp_path: Path) -> None:
    made = run_webify(Source(path=actions), tmp_path / "web", WebifySettings(keep_side=True))
    summary = dict(made.summary)
    old, new = open_catalog(actions), made.catalog
    for name in ("uid", "title", "tags", "rank", "source", "query", "split"):
        assert read_columns(new, [name]) == read_columns(old, [name])
    assert summary["near taken from"].startswith("the order of the classes")
    assert summary["out of set"].startswith("no pool")
    assert abs(float(summary["rank"].split()[1]) - 0.5) < 0.06  # real ranks do not know of the errors
    assert float(summary["own text"].split()[1]) > 0.9  # real titles do


def test_wordnet_cannot_be_forced_on_classes_without_synsets(actions: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ReweighError, match=r"--near wordnet is impossible .* 6 of 6 classes have no synset, e\.g\. 'climbing'"
    ):
        run_webify(Source(path=actions), tmp_path / "web", WebifySettings(), near="wordnet")


def test_a_synset_that_wordnet_does_not_know_is_named(tmp_path: Path, has_wordnet: None) -> None:
    uids = ["a", "b"]
    batch = pa.record_batch({"uid": uids, "split": ["train"] * 2, "file": uids, "label": pa.array([0, 1], pa.int32())})
    classes = replace(plain_classes(["cat", "dog"]), synsets=("n02121808", "n99999999"))
    catalog = write_catalog(tmp_path / "c", [batch], classes, layout="t", options={}, root=tmp_path)
    with pytest.raises(ReweighError, match=r"1 of its synsets are not in WordNet 3\.0, e\.g\. 'n99999999'"):
        run_webify(Source(path=catalog.path), tmp_path / "web", WebifySettings(), near="wordnet")


def test_wordnet_that_is_not_there_is_said(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reweigh.text.wordnet.FOLDER", tmp_path / "nowhere")
    for name in ("WNSEARCHDIR", "WNHOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ReweighError, match=r"--near wordnet is impossible .* No WordNet: looked for data.noun"):
        run_webify(Source(path=tiny), tmp_path / "web", WebifySettings(), near="wordnet")
    made = dict(run_webify(Source(path=tiny), tmp_path / "web", WebifySettings(n_max=20)).summary)
    assert "order of the classes" in made["near taken from"] and "No WordNet" in made["near taken from"]


def test_confusion_is_taken_where_a_backbone_is_named_and_its_features_are_used_again(
    actions: Path, tmp_path: Path
) -> None:
    source, settings = Source(path=actions), WebifySettings(n_max=30)
    named = dict(run_webify(source, tmp_path / "named", settings, changes=PIXELS).summary)
    assert named["near taken from"].startswith("confusion of held-out predictions, features of pixels")
    stored = dict(run_webify(source, tmp_path / "stored", settings, near="confusion", changes=["threads=1"]).summary)
    assert named["near taken from"].startswith(stored["near taken from"])
    assert (tmp_path / "named" / "images.parquet").read_bytes() == (tmp_path / "stored" / "images.parquet").read_bytes()


def test_confusion_counts_both_ways_by_hand() -> None:
    # images of 0 look like 1 with .4, those of 1 like 0 with .2: .3
    made = confusion_similarity(np.array([[6.0, 4.0], [1.0, 4.0]]))
    np.testing.assert_allclose(made, [[0.6, 0.3], [0.3, 0.8]])


def test_a_file_of_similarities_is_read_and_checked(tmp_path: Path) -> None:
    source = Source(path=written(tmp_path / "c", [0, 1, 2] * 30, 3).path)
    np.save(tmp_path / "s.npy", np.array([[1, 0.9, 0], [0.9, 1, 0.1], [0, 0.2, 1]]))
    settings = WebifySettings(near=1, far=0, out_of_set=0, ratio=1, noise=0.7)
    made = run_webify(source, tmp_path / "web", settings, near=str(tmp_path / "s.npy"))
    truth, labels = read_truth(made.catalog), read_labels(made.catalog)
    assert truth is not None and dict(made.summary)["near taken from"] == "s.npy"
    assert set(truth[(labels == 0) & (truth != 0)].tolist()) == {1}
    np.save(tmp_path / "four.npy", np.ones((4, 4)))
    with pytest.raises(ReweighError, match=r"shape \(3, 3\), found \(4, 4\)"):
        run_webify(source, tmp_path / "other", WebifySettings(), near=str(tmp_path / "four.npy"))


def test_the_catalogs_own_truth_is_taken_where_it_has_one(tmp_path: Path) -> None:
    labels, truth = [0, 1, 2, 0, 1, 2] * 20, [1, 2, 0, 1, 2, 0] * 20
    source = Source(path=written(tmp_path / "c", labels, 3, truth).path)
    made = run_webify(source, tmp_path / "web", WebifySettings(corruption="pair", noise=1))
    assert dict(made.summary)["truth"] == "the catalog's own"
    found = read_truth(made.catalog)
    assert found is not None and found.tolist() == truth
    assert read_labels(made.catalog).tolist() == [(t + 1) % 3 for t in truth]


def test_a_catalog_without_labels_is_refused(tmp_path: Path) -> None:
    source = Source(path=written(tmp_path / "c", [-1] * 20, 3).path)
    with pytest.raises(ReweighError, match="has no training image with a label: looked at 20 rows"):
        run_webify(source, tmp_path / "web", WebifySettings(), near="order")


def test_a_near_that_is_no_way_is_named(tmp_path: Path) -> None:
    source = Source(path=written(tmp_path / "c", [0, 1] * 20, 2).path)
    with pytest.raises(
        ReweighError, match="No --near 'wordnte'; there are: auto, wordnet, confusion, order, or a file"
    ):
        run_webify(source, tmp_path / "web", WebifySettings(), near="wordnte")
    with pytest.raises(ReweighError, match="--near order has no part in a corruption"):
        run_webify(source, tmp_path / "web", WebifySettings(corruption="pair"), near="order")


def test_settings_are_read_from_words() -> None:
    settings, others = read_settings(
        ["text_signal=0", "webify.near=.6", "far=0.05", "source_noise=[1, 2]", "backbone.name=pixels"], noise=0.2
    )
    assert (settings.text_signal, settings.near, settings.source_noise, settings.noise) == (0, 0.6, (1, 2), 0.2)
    assert others == ["backbone.name=pixels"]


@pytest.mark.parametrize(
    ("change", "message"),
    [("txt_signal=1", "Did you mean 'text_signal'"), ("notext=much", "does not fit: Expected `float`"), ("noise=0.1", "given by an option"),
     ("notext", "takes KEY=VALUE"), ("corruption=pears", "Invalid enum value 'pears'")],
)  # fmt: skip
def test_a_wrong_setting_is_named(change: str, message: str) -> None:
    with pytest.raises(ReweighError, match=message):
        read_settings([change], noise=0.2)
