"""The door to all exports: what can be mended is said in one line, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from reweigh.catalog.tables import open_catalog
from reweigh.errors import ReweighError
from reweigh.runs.exports.judged_run import judged_run
from reweigh.runs.exports.table_of_exports import EXPORTS, export
from reweigh.runs.verdict_csv import write_verdicts_csv
from reweigh.whole_files import read_json, write_json

from .conftest import MakeRun, Row

ROWS = (Row(file="cat/1.jpg"), Row(file="cat/2.jpg", suggested=1), Row(file="dog/1.jpg", label=1))
OF_VERDICTS = [name for name, form in EXPORTS.items() if form.opens is judged_run]


def test_csv_is_the_table_that_check_leaves_in_the_run(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    write_verdicts_csv(run / "03-verdicts/verdicts.parquet", open_catalog(run / "catalog"), tmp_path / "expected.csv")

    export(run, "csv", tmp_path / "new" / "v.csv")

    assert (tmp_path / "new/v.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


@pytest.mark.parametrize("to", OF_VERDICTS)
def test_an_output_that_exists_is_refused_and_left_as_it_is(to: str, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    (tmp_path / "out").write_text("mine")

    with pytest.raises(ReweighError, match="out exists; give another -o, or remove it"):
        export(run, to, tmp_path / "out")

    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("to", OF_VERDICTS)
def test_nothing_is_written_among_the_images(to: str, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)

    with pytest.raises(ReweighError, match=r"lies inside of .*photos, the data itself, .* such as .*/out\.$"):
        export(run, to, tmp_path / "photos" / "out")

    assert sorted(p.name for p in (tmp_path / "photos").iterdir()) == ["cat", "dog"]


@pytest.mark.parametrize("to", OF_VERDICTS)
def test_verdicts_on_other_data_are_refused_and_nothing_is_left(to: str, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    verdicts = run / "03-verdicts/verdicts.parquet"
    pq.write_table(pq.read_table(verdicts).slice(1), verdicts)

    with pytest.raises(ReweighError):
        export(run, to, tmp_path / "out")

    assert not list(tmp_path.glob("out*"))


def test_verdicts_in_another_order_are_refused_naming_the_image(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    verdicts = run / "03-verdicts/verdicts.parquet"
    pq.write_table(pq.read_table(verdicts).take([0, 2, 1]), verdicts)

    with pytest.raises(ReweighError, match=r"uid dog/1.jpg beside cat/2.jpg"):
        export(run, "folder", tmp_path / "out")


def test_a_run_without_verdicts_says_how_to_get_them(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    (run / "03-verdicts/verdicts.parquet").unlink()
    with pytest.raises(ReweighError, match=f"has no verdicts yet .* go on with: reweigh check {run}$"):
        export(run, "csv", tmp_path / "out.csv")


def test_a_run_whose_catalog_is_gone_says_so(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    (run / "catalog").rename(tmp_path / "elsewhere")
    with pytest.raises(ReweighError, match=r"was made from .*photos, whose catalog is not there any more"):
        export(run, "csv", tmp_path / "out.csv")


def test_what_is_no_run_and_what_is_no_form_are_said_in_one_line(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    with pytest.raises(ReweighError, match=r"photos is not a run: there is no run.json in it"):
        export(tmp_path / "photos", "csv", tmp_path / "out.csv")
    with pytest.raises(ReweighError, match=r"No export named 'floder'; there are: csv, .* Did you mean 'folder'\?"):
        export(run, "floder", tmp_path / "out")
    with pytest.raises(ReweighError, match="--correct goes with --to folder only"):
        export(run, "csv", tmp_path / "out.csv", correct=True)


def test_the_last_round_is_the_one_that_is_exported(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    (run / "round-2").mkdir()
    (run / "03-verdicts").rename(run / "round-2/03-verdicts")
    record = read_json(run / "run.json")
    write_json(run / "run.json", {**record, "places": {**record["places"], "verdicts": "round-2/03-verdicts"}})

    export(run, "csv", tmp_path / "out.csv")

    assert (tmp_path / "out.csv").is_file()


def test_where_nothing_is_said_files_are_named_after_the_run(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(ROWS)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    made = [export(run, to).output for to in OF_VERDICTS]

    assert [str(path) for path in made] == ["run.csv", "run-cleanlab", "run-fiftyone", "run-folder"]
    assert (tmp_path / "here/run-folder/cat/1.jpg").read_bytes() == ROWS[0].content
