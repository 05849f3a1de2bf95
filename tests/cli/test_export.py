"""`reweigh export` at the command line: on a real run, each form, and one line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Call, files_below


def test_a_folder_of_links_is_written_and_told_of(reweigh: Call, finished: Path, tmp_path: Path) -> None:
    said = reweigh("export", "run", "--to", "folder", "-o", "corrected")

    assert said.status == 0, said.err
    assert said.out.splitlines()[-1] == "written: corrected"
    made = [p for p in (tmp_path / "corrected").rglob("*") if p.is_symlink()]
    assert len(made) == 36
    assert all(p.resolve().is_relative_to(finished.resolve()) for p in made)
    assert len({p.resolve() for p in made}) == 36


@pytest.mark.parametrize(
    ("to", "files"),
    [
        ("csv", {"run.csv"}),
        ("cleanlab", {"class_names.json", "label_issues.parquet", "labels.npy", "pred_probs.npy"}),
        ("fiftyone", {"metadata.json", "samples.json"}),
    ],
)
def test_every_form_is_written_beside_and_the_run_stays_as_it_was(
    to: str, files: set[str], reweigh: Call, finished: Path, tmp_path: Path
) -> None:
    before = files_below(tmp_path / "run")

    said = reweigh("export", "run", "--to", to)

    assert said.status == 0, said.err
    assert files_below(tmp_path / "run") == before
    assert (files_below(tmp_path / f"run-{to}") if to != "csv" else {"run.csv"}) == files
    assert f"written: run{'.csv' if to == 'csv' else f'-{to}'}" in said.out.splitlines()


def test_the_model_is_written_as_one_file_and_told_of(reweigh: Call, finished: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    before = files_below(tmp_path / "run")

    said = reweigh("export", "run", "--to", "onnx")

    assert said.status == 0, said.err
    assert files_below(tmp_path / "run") == before
    assert "written: run.onnx" in said.out.splitlines()
    assert "8 images: largest difference" in said.out
    assert "note: images go in prepared: RGB" in said.err
    assert "Warning" not in said.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "run.onnx"]


def test_the_card_of_a_runs_model_says_data_labels_and_figures(finished: Path, tmp_path: Path) -> None:
    card = (tmp_path / "run/model/README.md").read_text(encoding="utf-8")

    assert "- **Data**: `photos`, " in card
    assert "- **Labels**: each image counted the same" in card
    assert "- test: agreement: " in card
    assert str(finished.parent) not in card


def test_mistakes_are_one_line(reweigh: Call, finished: Path, tmp_path: Path) -> None:
    assert reweigh("export", "run", "--to", "cvs").error.endswith("Did you mean 'csv'?")
    assert "is not a run" in reweigh("export", finished, "--to", "csv").error
    assert "--to folder only" in reweigh("export", "run", "--to", "csv", "--correct").error
    assert "the data itself" in reweigh("export", "run", "--to", "folder", "-o", finished / "out").error
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]
