"""The whole way on real photos with a pretrained network: every form that `predict` reads, and timm's own answer."""

from __future__ import annotations

import csv
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from .conftest import Call, half_written

CLASSES, TRAIN, VAL, SIDE = 8, 12, 4, 64


@pytest.fixture(scope="session")
def photos_of_tiny_imagenet(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """{train,val}/<wnid>/*.JPEG: the first photos of every fifth class."""
    folder = tmp_path_factory.mktemp("tiny_imagenet")
    with tarfile.open(shared_data / "tiny_imagenet_40" / "tiny_imagenet_40.tar") as tar:
        members = sorted((m for m in tar.getmembers() if m.isfile()), key=lambda m: m.name)
        classes = sorted({m.name.split("/")[1] for m in members})[::5][:CLASSES]
        taken: dict[tuple[str, str], int] = {}
        for member in members:
            split, name, _ = member.name.split("/")
            taken[split, name] = taken.get((split, name), 0) + 1
            if name in classes and taken[split, name] <= (TRAIN if split == "train" else VAL):
                tar.extract(member, folder, filter="data")
    return folder


def predictions(path: Path) -> list[dict[str, str]]:
    """The rows of a table of predictions."""
    if path.suffix == ".parquet":
        return [{k: "" if v is None else str(v) for k, v in row.items()} for row in pq.read_table(path).to_pylist()]
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_whole_way_on_real_photos(
    reweigh: Call, photos_of_tiny_imagenet: Path, lite0: Path, tmp_path: Path
) -> None:
    data = photos_of_tiny_imagenet
    val, n = data / "val", CLASSES * VAL

    assert "128 (train 96, val 32)" in reweigh("index", data, "-o", "catalog").out
    changes = (f"backbone.name=local-dir:{lite0}", f"backbone.input_size={SIDE}", "precision=float32", "threads=1")
    ran = reweigh("run", "catalog", "-o", "run", *(part for change in changes for part in ("--set", change)))
    assert ran.status == 0, ran.err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["source"] == "val"
    assert metrics["test"]["agreement"]["n"] == n
    assert metrics["test"]["agreement"]["top_1"] > 0.5  # of eight classes
    assert not half_written(tmp_path)

    some = sorted(val.rglob("*.JPEG"))[:3]
    (tmp_path / "list.txt").write_text("".join(f"{path}\n" for path in some))
    with tarfile.open(tmp_path / "val.tar", "w") as tar:
        tar.add(val, arcname="val")
    forms = {
        "one": (some[0], 1),
        "folder": (val, n),
        "list": ("list.txt", 3),
        "tar": ("val.tar", n),
        "all": ("catalog", 128),
    }
    for name, (path, count) in forms.items():
        said = reweigh("predict", "run", path, "-o", f"{name}.csv", "--top", 2)
        assert (said.status, len(predictions(tmp_path / f"{name}.csv"))) == (0, count), said.err
    assert reweigh("predict", "run", val, "-o", "folder.parquet", "--top", 2).status == 0

    folder = {Path(row["file"]).name: row["label"] for row in predictions(tmp_path / "folder.csv")}
    for name in ("one.csv", "list.csv", "tar.csv", "folder.parquet"):
        rows = predictions(tmp_path / name)
        assert {Path(row["file"]).name: row["label"] for row in rows}.items() <= folder.items()
    hits = sum(Path(row["file"]).parent.name == row["label"] for row in predictions(tmp_path / "folder.csv"))
    assert hits / n == metrics["test"]["agreement"]["top_1"]

    assert "test with weights: agreement" in reweigh("evaluate", "run").out
    on = reweigh("evaluate", "run", "--on", val)
    assert on.status == 0, on.err
    assert f"{100 * hits / n:.1f}" in next(line for line in on.out.splitlines() if "all labelled" in line)
    page = (tmp_path / "run" / "report.html").read_bytes()
    assert reweigh("report", "run").status == 0
    assert (tmp_path / "run" / "report.html").read_bytes() == page

    said = predictions(tmp_path / "folder.csv")
    theirs = timm_answers(tmp_path / "run" / "model", [val / row["file"] for row in said])
    lead = [float(row["probability"]) - float(row["probability_2"]) for row in said]
    other = [lead[i] for i, row in enumerate(said) if row["label"] != theirs[i]]
    assert all(by < 0.03 for by in other), f"timm's decoding and float32 change only what is nearly a tie: {other}"
    assert len(other) <= n // 10


def timm_answers(model_folder: Path, files: list[Path]) -> list[str]:
    """The classes that timm alone gives: its model, its transform, its arg-max."""
    import torch
    from PIL import Image

    from reweigh.timm_import import timm

    library = timm()
    model = library.create_model(f"local-dir:{model_folder}", pretrained=True).eval()
    transform = library.data.create_transform(**library.data.resolve_model_data_config(model))
    names = model.pretrained_cfg["label_names"]
    with torch.inference_mode():
        logits = model(torch.stack([transform(Image.open(file).convert("RGB")) for file in files]))
    return [names[i] for i in np.asarray(logits.argmax(1))]
