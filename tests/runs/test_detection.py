"""`evaluate --detection` on a finished run whose verdicts and truth are known: sets, evidence, the rival, the tables, refusals."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from reweigh.catalog.tables import open_catalog, plain_classes, read_labels, read_uids
from reweigh.catalog.truth import read_truth
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError
from reweigh.evidence.held_out import load_held_out
from reweigh.runs.detection import OWN, RIVAL, evaluate_detection, stored_verdicts
from reweigh.runs.detection_lines import HEADER, detection_notes, detection_tables
from reweigh.runs.page import catalog_of_run, predictions
from reweigh.runs.plain_rival import NO_OTHER, rival_of_held_out, rival_of_plain_probe
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source
from reweigh.whole_files import read_json, write_json

N, K, N_TEST = 90, 3, 15
PIXELS = ["backbone.name=pixels", "backbone.input_size=6", "threads=1", "evaluation.n_draws=100"]
Changed = Callable[..., Path]


def write_data(folder: Path, *, known: bool = True) -> Path:
    """90 grey images of three levels, the last 15 of split test; every sixth label wrong, every fifth answer checked."""
    generator = np.random.default_rng(0)
    truth = np.arange(N) % K
    wrong = np.arange(N) % 6 == 1
    truth[1::12] = -1  # half of the wrong ones show none of the classes
    labels = np.where(wrong, (np.arange(N) + 1) % K, np.arange(N) % K)
    files = [f"{i:03d}.png" for i in range(N)]
    folder.mkdir(parents=True)
    for i, name in enumerate(files):
        pixels = np.clip(50 + 75 * (i % K) + 15 * generator.standard_normal((8, 8, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
    checked = np.arange(N) % 5 == 0
    columns: dict[str, Any] = {
        "uid": files,
        "split": ["train"] * (N - N_TEST) + ["test"] * N_TEST,
        "file": files,
        "label": pa.array(labels, pa.int32()),
    }
    if known:
        columns["verified_label"] = pa.array(truth, pa.int32(), mask=~checked)
        columns["verified"] = pa.array(~wrong, pa.bool_(), mask=~checked)
        columns["truth"] = pa.array(truth, pa.int32())
        columns["kind"] = np.where(truth == -1, "out_of_set", np.where(wrong, "near", "right")).tolist()
    write_catalog(
        folder / "c", [pa.record_batch(columns)], plain_classes(["dark", "grey", "light"]), layout="t", options={}, root=folder,
        with_truth=known, with_kinds=known,
    )  # fmt: skip
    return folder / "c"


def write_verdicts(folder: Path) -> None:
    """Verdicts that find the wrong labels but every fourth of them, flag row 0, and cannot read row 2."""
    catalog = catalog_of_run(folder)
    labels, truth = read_labels(catalog), read_truth(catalog)
    answer = labels if truth is None else truth
    wrong = answer != labels
    flagged = wrong.copy()
    flagged[np.flatnonzero(wrong)[::4]] = False
    flagged[0] = True
    probability = np.where(flagged, 0.1, 0.9).astype(np.float32)
    probability[2] = np.nan
    suggested = np.where(flagged, np.where(answer >= 0, answer, 0), -1)
    place = folder / "03-verdicts"
    place.mkdir(exist_ok=True)
    table = {
        "uid": pa.array(read_uids(catalog, np.arange(N)), pa.string()),
        "label": pa.array(labels, pa.int32()),
        "probability_right": pa.array(probability, pa.float32(), from_pandas=True),
        "wrong": pa.array(flagged),
        "suggested_label": pa.array(suggested, pa.int32(), mask=suggested < 0),
        "none_of_the_classes": pa.array(answer == -1),
        "review_order": pa.array(np.argsort(np.argsort(probability, kind="stable")) + 1, pa.int32()),
    }
    pq.write_table(pa.table(table), place / "verdicts.parquet")
    classes = {"noise": [0.2, None, 0.1], "low": [0.1, None, None], "high": [0.3, None, None]}
    write_json(place / "verdicts.json", {"noise_rate": 0.15, "classes": classes})
    record = read_json(folder / "run.json")
    record["places"]["verdicts"] = "03-verdicts"
    write_json(folder / "run.json", record)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data `data` and a finished run on it, `run`."""
    folder = tmp_path_factory.mktemp("detection")
    catalog = write_data(folder / "data")
    run(Source(path=catalog), read_recipe("baseline", PIXELS), output=folder / "run", preview=False)
    write_verdicts(folder / "run")
    return folder


@pytest.fixture
def changed(made: Path, tmp_path: Path) -> Changed:
    """The run anew, with parts of run.json or settings changed."""

    def change(*, places: dict[str, Any] | None = None, setting: tuple[str, str] | None = None) -> Path:
        folder = tmp_path / "run"
        shutil.copytree(made / "run", folder)
        record = read_json(folder / "run.json")
        record["places"] |= places or {}
        write_json(folder / "run.json", record)
        if setting is not None:
            recipe = folder / "recipe.toml"
            before = recipe.read_text()
            assert setting[0] in before
            recipe.write_text(before.replace(*setting))
        return folder

    return change


def test_training_images_and_those_set_aside_are_measured_apart(made: Path) -> None:
    quality = evaluate_detection(made / "run")
    assert list(quality["sets"]) == ["training", "set_aside"]
    training, aside = (quality["sets"][name]["truth"] for name in quality["sets"])
    # rows 0..74: wrong are 1, 7, 13, ..., 73, of them 1, 13, ... show none; rows 75..89: wrong are 79, 85
    assert (training["n"], training["n_wrong"], training["n_none_of_the_classes"]) == (75, 13, 7)
    assert (aside["n"], aside["n_wrong"], aside["kinds"]) == (15, 2, {"near": 1, "out_of_set": 1})
    assert training["kinds"] == {"near": 6, "out_of_set": 7}
    own = training["methods"][OWN]
    # row 2 has no verdict; of 13 wrong ones 4 are missed (1, 25, 49, 73), row 0 is flagged though right
    assert (own["n"], own["n_flagged"]) == (74, 10)
    assert own["flags"]["recall"]["value"] == pytest.approx(9 / 13)
    assert own["flags"]["precision"]["value"] == pytest.approx(0.9)
    assert own["none_of_the_classes"]["recall"]["value"] == 1
    assert own["stated_rate"]["error"]["value"] == pytest.approx(0.15 - 13 / 74)
    assert own["class_rates"]["n_classes"] == 2 and own["class_rates"]["n_ranges"] == 1
    assert aside["methods"][OWN]["stated_rate"] is None and aside["methods"][OWN]["class_rates"] is None
    assert aside["methods"][OWN]["rate"]["estimated"] > 0


def test_the_figures_are_written_into_the_run(made: Path) -> None:
    assert read_json(made / "run" / "detection.json") == evaluate_detection(made / "run")


def test_people_are_asked_beside_the_truth(made: Path) -> None:
    found = evaluate_detection(made / "run")["sets"]["training"]
    assert list(found) == ["truth", "verified_label"]
    # every fifth of 75, wrong where i % 6 = 1 too: 25, 55
    assert (found["verified_label"]["n"], found["verified_label"]["n_wrong"]) == (15, 2)


def test_what_served_as_evidence_is_left_out(changed: Changed) -> None:
    quality = evaluate_detection(changed(setting=("verified = 0", "verified = 6")))
    assert quality["n_left_out"] == 6
    training = quality["sets"]["training"]
    assert (training["truth"]["n"], training["verified_label"]["n"]) == (69, 9)
    assert quality["sets"]["set_aside"]["truth"]["n"] == 15
    assert any("6 images whose answer served as evidence" in note for note in detection_notes(quality))


def test_all_answers_used_as_evidence_leave_the_truth_alone(changed: Changed) -> None:
    quality = evaluate_detection(changed(setting=("verified = 0", "verified = 1000")))
    assert list(quality["sets"]["training"]) == ["truth"]


def test_the_rival_is_the_held_out_arg_max(made: Path) -> None:
    folder = made / "run"
    held_out = load_held_out(folder / read_json(folder / "run.json")["places"]["evidence"]["held_out"])
    rows = held_out.rows[::2]
    rival = rival_of_held_out(held_out, rows)
    predicted = predictions(held_out)[::2]
    np.testing.assert_array_equal(rival.flagged, predicted != held_out.labels[::2])
    np.testing.assert_array_equal(rival.suggested_label[rival.flagged], predicted[rival.flagged])
    assert (rival.suggested_label[~rival.flagged] == -1).all()
    absent = rival_of_held_out(held_out, np.array([0, N - 1, 10**6]))
    assert np.isnan(absent.ranking).tolist() == [False, True, True]
    assert not absent.flagged[1:].any()


def test_the_rival_of_images_set_aside_is_the_plain_probe(made: Path) -> None:
    folder, rows = made / "run", np.arange(N - N_TEST, N)
    labels = read_labels(catalog_of_run(folder))[rows]
    rival = rival_of_plain_probe(folder, read_recipe("baseline", PIXELS), rows, labels)
    assert rival is not None
    agreement = read_json(folder / "metrics.json")["test"]["agreement"]["top_1"]
    assert np.mean(~rival.flagged) == pytest.approx(agreement)
    assert evaluate_detection(folder)["sets"]["set_aside"]["truth"]["methods"][RIVAL]["n"] == N_TEST


def test_a_run_without_a_classifier_has_no_rival_of_images_set_aside(changed: Changed) -> None:
    folder = changed()
    shutil.rmtree(folder / "04-training")
    quality = evaluate_detection(folder)
    assert list(quality["sets"]["set_aside"]["truth"]["methods"]) == [OWN]
    assert quality["sets"]["set_aside"]["truth"]["differences"] == {}
    assert any("images set aside: no predictions" in note for note in detection_notes(quality))
    for _, rows in detection_tables(quality):
        assert {len(row) for row in rows} == {len(HEADER)}


def test_features_that_are_gone_leave_no_rival_of_images_set_aside(changed: Changed, tmp_path: Path) -> None:
    folder = changed()
    write_json(folder / "01-features" / "pointer.json", {"features": str(tmp_path / "gone"), "key": ""})
    assert list(evaluate_detection(folder)["sets"]["set_aside"]["truth"]["methods"]) == [OWN]


def test_one_class_has_a_finite_margin(made: Path) -> None:
    folder = made / "run"
    held_out = load_held_out(folder / read_json(folder / "run.json")["places"]["evidence"]["held_out"])
    held_out.best_other_log_probability[:] = -np.inf
    held_out.best_other[:] = -1
    rival = rival_of_held_out(held_out, held_out.rows)
    assert (rival.ranking == NO_OTHER).all() and not rival.flagged.any()


def test_tables_hold_every_figure_once(made: Path) -> None:
    quality = evaluate_detection(made / "run")
    tables = detection_tables(quality)
    assert [title for title, _ in tables][:2] == [
        "Wrong labels, training images against the known truth: 13 of 75 are wrong, 7 of none of the classes",
        "Wrong labels, training images against checked labels: 2 of 15 are wrong, 1 of none of the classes",
    ]
    rows = {row[0]: row for row in tables[0][1]}
    assert {len(row) for row in rows.values()} == {len(HEADER)}
    assert rows["images"][1] == "74" and rows["images"][3] == "75"
    assert rows["precision"][1] == "0.900" and rows["recall (1 - miss rate)"][1] == "0.692"
    assert rows["F1"][5][0] in "+-"
    assert rows["stated for all images"][1] == "0.150"
    assert rows["ranges that hold (1)"][3] == "-"
    assert rows["none of classes: found"][1] == "1.000" and rows["none of classes: found"][3] == "-"
    assert rows["found: near (6)"][1] == "1.000" and rows["found: out of set (7)"][1] == "0.429"
    assert max(len(name) for name in rows) <= 25
    notes = detection_notes(quality)
    assert "training images, the known truth: only 13 wrong labels are known; the figures say little" in notes
    assert "training images, the known truth: of 75 images 1 cannot be read and has no verdict" in notes


def test_verdicts_of_other_rows_or_labels_are_refused(changed: Changed, made: Path) -> None:
    folder, catalog = changed() / "03-verdicts", open_catalog(made / "data" / "c")
    table = pq.read_table(folder / "verdicts.parquet")
    pq.write_table(table.slice(1), folder / "verdicts.parquet")
    with pytest.raises(ReweighError, match=r"has 89 rows that are not the 90 labelled ones"):
        stored_verdicts(folder, catalog)
    pq.write_table(table.set_column(1, "label", pa.array([0] * N, pa.int32())), folder / "verdicts.parquet")
    with pytest.raises(ReweighError, match=r"has 90 rows that are not the 90 labelled ones"):
        stored_verdicts(folder, catalog)


@pytest.mark.parametrize("places", [{"verdicts": None}, {"verdicts": "gone"}])
def test_a_run_without_verdicts_says_how_to_get_them(changed: Changed, places: dict[str, Any]) -> None:
    folder = changed(places=places)
    with pytest.raises(ReweighError, match=r"has no verdicts .* go on with: reweigh run"):
        evaluate_detection(folder)


def test_data_without_answers_says_what_is_needed(tmp_path: Path) -> None:
    catalog = write_data(tmp_path / "data", known=False)
    run(Source(path=catalog), read_recipe("baseline", PIXELS), output=tmp_path / "run", preview=False)
    write_verdicts(tmp_path / "run")
    with pytest.raises(ReweighError, match="--detection needs a column verified_label, verified or truth") as raised:
        evaluate_detection(tmp_path / "run")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run" / "detection.json").exists()


def test_other_data_is_refused(made: Path) -> None:
    with pytest.raises(ReweighError, match=r"--on elsewhere cannot go with it; .* reweigh check elsewhere"):
        evaluate_detection(made / "run", Path("elsewhere"))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReweighError):
        evaluate_detection(tmp_path)
