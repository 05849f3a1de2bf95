"""Each set's miniature is taken for what it is, and no other form claims it as surely."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.layouts.test_aliproducts import aliproducts
from tests.layouts.test_animal_10n import animals
from tests.layouts.test_cifar_100n import cifar
from tests.layouts.test_cleannet import lists
from tests.layouts.test_clothing1m import clothing
from tests.layouts.test_cnwl import cnwl
from tests.layouts.test_food101n import food
from tests.layouts.test_hf_dataset import save_dict
from tests.layouts.test_imagefolder import photos
from tests.layouts.test_imagenet import imagenet, kaggle
from tests.layouts.test_img2dataset import download
from tests.layouts.test_tiny_imagenet import tiny
from tests.layouts.test_webdataset import shards
from tests.layouts.test_weblyfg import web_bird
from tests.layouts.webvision_miniature import make_webvision, make_webvision_2

from reweigh.errors import ReweighError
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import LAYOUTS, index, recognise

MAKERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "WebVision 1.0": ("webvision", make_webvision),
    "WebVision 2.0": ("webvision", make_webvision_2),
    "ImageNet": ("imagenet", imagenet),
    "ImageNet of Kaggle": ("imagenet", kaggle),
    "Tiny ImageNet": ("tiny-imagenet", tiny),
    "CIFAR-100N": ("cifar-n", cifar),
    "CleanNet": ("cleannet", lambda root: lists(root) / "train.tsv"),
    "AliProducts": ("aliproducts", aliproducts),
    "datasets": ("hf-dataset", save_dict),
    "Clothing1M": ("clothing1m", clothing),
    "ImageFolder": ("imagefolder", photos),
    "Food-101N": ("food101n", food),
    "img2dataset, files": ("img2dataset", lambda root: download(root, "files")),
    "img2dataset, tars": ("img2dataset", lambda root: download(root, "tars")),
    "img2dataset, Parquet": ("img2dataset", lambda root: download(root, "bytes")),
    "WebDataset": ("webdataset", shards),
    "ANIMAL-10N": ("animal-10n", animals),
    "mini-ImageNet with controlled noise": ("cnwl", cnwl),
    "WebFG": ("weblyfg", web_bird),
}


@pytest.mark.parametrize("case", MAKERS)
def test_a_set_is_recognised_as_itself_alone(case: str, tmp_path: Path) -> None:
    name, make = MAKERS[case]
    source = make(tmp_path / "set")
    assert recognise(source)[0] == name
    claims = {other: info.recognise(source) for other, info in LAYOUTS.items()}
    sure = {other for other, found in claims.items() if found is not None and found.certainty == Certainty.CERTAIN}
    assert sure == {name}


def test_every_layout_is_here() -> None:
    assert {name for name, _ in MAKERS.values()} | {"table", "folder"} == set(LAYOUTS)


@pytest.mark.parametrize("case", MAKERS)
def test_read_as_any_other_form_a_set_is_a_catalog_or_one_line(case: str, tmp_path: Path) -> None:
    MAKERS[case][1](tmp_path / "set")
    for name in LAYOUTS:
        try:
            index(tmp_path / "set", tmp_path / "catalog", layout=name)
            shutil.rmtree(tmp_path / "catalog")
        except ReweighError as error:
            assert "\n" not in str(error)
        assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_folders_and_pipes_in_the_place_of_files_are_told(name: str, tmp_path: Path) -> None:
    signs = (
        "train.json",
        "metadata.csv",
        "state.json",
        "dataset_info.json",
        "wnids.txt",
        "classes.txt",
        "0.tar",
        "00000.parquet",
        "a.jpg",
    )
    for sign in signs:
        (tmp_path / "folders" / sign).mkdir(parents=True)
    (tmp_path / "pipes").mkdir()
    for sign in signs:
        os.mkfifo(tmp_path / "pipes" / sign)
    for source in ("folders", "pipes"):
        recognise_all = [info.recognise(tmp_path / source) for info in LAYOUTS.values()]
        assert all(found is None or found.certainty < Certainty.CERTAIN for found in recognise_all)
        with pytest.raises(ReweighError):
            index(tmp_path / source, tmp_path / "catalog", layout=name)
