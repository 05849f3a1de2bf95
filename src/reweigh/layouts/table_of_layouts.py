"""The table of layouts, and `index`: a source of any of them into a catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

from reweigh.catalog.tables import Catalog, is_catalog
from reweigh.errors import ReweighError, look_up
from reweigh.layouts.aliproducts import index_aliproducts, recognise_aliproducts
from reweigh.layouts.animal_10n import index_animal_10n, recognise_animal_10n
from reweigh.layouts.cifar_n import index_cifar_n, recognise_cifar_n
from reweigh.layouts.cleannet import index_cleannet, recognise_cleannet
from reweigh.layouts.clothing1m import index_clothing1m, recognise_clothing1m
from reweigh.layouts.cnwl import index_cnwl, recognise_cnwl
from reweigh.layouts.folder import index_folder, recognise_folder, splits_of_folder
from reweigh.layouts.folder_doubts import doubt_about
from reweigh.layouts.folders import folders_in
from reweigh.layouts.food101n import index_food101n, recognise_food101n
from reweigh.layouts.hf_dataset import index_hf_dataset, recognise_hf_dataset
from reweigh.layouts.image_names import is_image
from reweigh.layouts.imagefolder import index_imagefolder, recognise_imagefolder
from reweigh.layouts.imagenet import index_imagenet, recognise_imagenet
from reweigh.layouts.img2dataset import index_img2dataset, recognise_img2dataset
from reweigh.layouts.links import FOLLOW, REFUSE
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.table import index_table, recognise_table
from reweigh.layouts.tiny_imagenet import index_tiny_imagenet, recognise_tiny_imagenet
from reweigh.layouts.webdataset import index_webdataset, recognise_webdataset
from reweigh.layouts.weblyfg import index_weblyfg, recognise_weblyfg
from reweigh.layouts.webvision import index_webvision, recognise_webvision
from reweigh.progress import Progress, silent

BELOW_CRAWLS = ("webvision", "clothing1m", "cnwl")
"""Whose folders of images are no classes."""
MOST_BELOW = 20
"""Folders of a source that are asked whether they are the data set that was meant."""

ARCHIVES = (".zip", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
MOST_ABOVE = 2
"""Folders above a file that are asked whether it is one of their lists."""


@dataclass(frozen=True)
class LayoutInfo:
    """A data set's form: how to index it, how to recognise it, and which options it takes."""

    description: str
    index: Callable[..., Catalog]
    """index(source, output, options, *, progress) -> Catalog"""
    recognise: Callable[[Path], Recognition | None]
    """Whether what lies there may be of this form; it reads names and first lines only, whatever is there."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Name -> what it does; beside those that every layout takes."""


COMMON = {
    "hash": "false: the images' bytes are not read, so that duplicates are not found",
    "classes": "CSV with a class's name and its synset, words or description",
    "links": "refuse: images that a link outside of the folder leads to are left out, not only counted",
    "wordnet": "true: a class without a synset gets the first noun sense of its name",
}
"""Options of every layout."""

LAYOUTS: dict[str, LayoutInfo] = {
    "webvision": LayoutInfo(
        "WebVision 1.0 or 2.0 with info/ and its lists", index_webvision, recognise_webvision,
        {"subset": "full, or mini: Google's images of the first 50 classes", "sources": "google,flickr or one of them",
         "images": "folder below which google/ and flickr/ lie"},
    ),
    "imagenet": LayoutInfo(
        "ILSVRC-2012 with train/<wnid>/, val/ and the devkit", index_imagenet, recognise_imagenet,
        {"devkit": "folder with meta.mat and the validation answers"},
    ),
    "tiny-imagenet": LayoutInfo("Tiny-ImageNet with wnids.txt", index_tiny_imagenet, recognise_tiny_imagenet),
    "cifar-n": LayoutInfo(
        "CIFAR-10 or CIFAR-100 with the labels of CIFAR-N", index_cifar_n, recognise_cifar_n,
        {"labels": "worse, aggre, random1, random2, random3 or clean; of CIFAR-100 noisy or clean"},
    ),
    "cleannet": LayoutInfo(
        "a list of CleanNet's code, with features", index_cleannet, recognise_cleannet,
        {"split": "train, val or all: which list it is (needed)", "images": "folder that the keys are relative to",
         "class_list": "file with a class name a line, in the order of the labels"},
    ),
    "aliproducts": LayoutInfo("AliProducts' lists, folders and product tree", index_aliproducts, recognise_aliproducts),
    "hf-dataset": LayoutInfo(
        "a data set of the library `datasets`: saved to disk, or Parquet with images in it", index_hf_dataset, recognise_hf_dataset,
        {"image": "column of the images", "label": "column of the labels"},
    ),
    "clothing1m": LayoutInfo(
        "Clothing1M with its key lists", index_clothing1m, recognise_clothing1m,
        {"labels": "both, noisy or clean: whose labels the training images have", "images": "folder that the lists' paths are relative to"},
    ),
    "imagefolder": LayoutInfo(
        "images beside metadata.csv, .jsonl or .parquet", index_imagefolder, recognise_imagefolder, {"label": "column of the labels"}
    ),
    "food101n": LayoutInfo(
        "Food-101N with meta/imagelist.tsv", index_food101n, recognise_food101n,
        {"test": "folder of Food-101, whose test images become the split test",
         "held_out": "list of classes whose verification labels are withheld, to measure transfer to them"},
    ),
    "img2dataset": LayoutInfo(
        "the output of img2dataset: files, tars or Parquet", index_img2dataset, recognise_img2dataset, {"label": "column of the labels"}
    ),
    "webdataset": LayoutInfo("tars of samples: key.jpg, key.cls, key.json, key.txt", index_webdataset, recognise_webdataset),
    "animal-10n": LayoutInfo("ANIMAL-10N with training/ and testing/", index_animal_10n, recognise_animal_10n),
    "cnwl": LayoutInfo(
        "mini-ImageNet with controlled noise: split/ with its lists", index_cnwl, recognise_cnwl,
        {"split": "the list of training images, such as red_noise_nl_0.4", "noise": "annotations or name: how wrong web images are told",
         "images": "folder below which all images lie"},
    ),
    "weblyfg": LayoutInfo(
        "WebFG-496 and WebiNat-5089, also with lists of path:label", index_weblyfg, recognise_weblyfg,
        {"images": "folder that the lists' paths are relative to"},
    ),
    "table": LayoutInfo(
        "a CSV, JSON-lines or Parquet file", index_table, recognise_table,
        {"columns": "{our column: theirs}", "tar": "tars that the images are members of", "hierarchy": "file with the tree of the classes"},
    ),
    "folder": LayoutInfo("a folder a class, in train, val and test or not", index_folder, recognise_folder),
}  # fmt: skip
"""A source is of the form that is surest of it, of equally sure ones the first; third parties add theirs by the entry point
reweigh.layouts."""


def index(
    source: Path | str,
    output: Path | str,
    *,
    layout: str | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Catalog:
    """Index `source` into a new catalog at `output`. layout None: recognised from what lies there.

    Options: those of the layout (LAYOUTS), and COMMON.
    Raises ReweighError in one line for whatever does not fit; nothing half-written is left.
    """
    source, output, options = Path(source).resolve(), Path(output), _typed(options or {})
    if not source.exists():
        raise ReweighError(f"No data at {source}: looked for a folder of images or a table; nothing is there.")
    if is_catalog(source):
        raise ReweighError(f"{source} is a catalog already; use it as it is.")
    if output.exists():
        raise ReweighError(f"{output} exists; a catalog is never rewritten in place. Give another -o, or remove it.")
    if layout is None:
        layout, recognition = recognise(source)
        progress("recognise", 1, 1, f"{layout}: {recognition.signs}")
    info = LAYOUTS.get(layout) or _third_party(layout)
    for option in options:
        if option not in info.options and option not in COMMON:
            raise ReweighError(f"Layout {layout} takes no {option!r}; it takes: {', '.join([*info.options, *COMMON])}.")
    return info.index(source, output, options, progress=progress)


def _typed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, those that are no texts made of the texts of a command line."""
    typed = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    if "links" in typed:
        look_up(str(typed["links"]), {FOLLOW: True, REFUSE: False}, kind="value of the option links")
    for name in ("hash", "wordnet"):
        if isinstance(typed.get(name), str):
            typed[name] = look_up(typed[name], {"true": True, "false": False}, kind=f"value of the option {name}")
    if "tar" in typed:
        tars = typed["tar"]
        typed["tar"] = [str(path) for path in ([tars] if isinstance(tars, str) else tars)]
    if isinstance(typed.get("columns"), str):
        raise ReweighError("The option columns is {ours: theirs}; on the command line: --column OURS=THEIRS.")
    return typed


def recognise(source: Path) -> tuple[str, Recognition]:
    """The layout of what lies there, and why. Raises ReweighError that says what was looked for."""
    found = [(name, info.recognise(source)) for name, info in LAYOUTS.items()]
    sure = [(name, recognition) for name, recognition in found if recognition is not None]
    best = max(sure, key=lambda pair: pair[1].certainty) if sure else None  # the first of equals
    if (best is None or best[1].certainty == Certainty.POSSIBLE) and source.is_dir():
        _check_below(source)
    if best is not None and best[0] == "folder":
        _refuse_doubtful(source)
    if best is not None:
        return best
    if source.is_dir():  # whose reader says what is missing in it
        return "folder", Recognition(Certainty.POSSIBLE, "a folder")
    raise ReweighError(_unknown_file(source))


def _unknown_file(source: Path) -> str:
    """What a file that no layout begins with is likely to be, and what to name in its place."""
    if source.suffix.lower() in ARCHIVES:
        return f"{source} is an archive: unpack it and name the folder. Plain tars are read in place, of samples or with a table and --tar."
    if is_image(source.name):
        return f"{source} is one image: name the folder of images that it belongs to."
    for folder in islice(source.resolve().parents, MOST_ABOVE):
        for name, info in LAYOUTS.items():
            try:
                found = info.recognise(folder)
            except (OSError, ReweighError):  # of a folder that nobody named; the message is a hint
                continue
            if found is not None and found.certainty == Certainty.CERTAIN:
                return f"{source} is a file of a data set: {folder} is {name} ({found.signs}). Name that folder."
    return (
        f"{source} is no form that is known: a file is a table (.csv, .jsonl, .parquet) or a tar of samples; everything else is a folder: "
        f"{'; '.join(info.description for info in LAYOUTS.values())}."
    )


def _check_below(source: Path) -> None:
    """Raises ReweighError where the source is the folder above a set that has a form of its own."""
    for folder in islice(sorted(path for path in source.iterdir() if path.is_dir()), MOST_BELOW):
        for name, info in LAYOUTS.items():
            found = info.recognise(folder)
            is_likely = found is not None and found.certainty == Certainty.LIKELY and _has_train(folder)
            if found is not None and (found.certainty == Certainty.CERTAIN or is_likely):
                raise ReweighError(
                    f"{source} holds a data set one level down: {folder.name} is {name} ({found.signs}). Name {folder}, or say "
                    "--layout folder if its folders are classes all the same."
                )


def _has_train(folder: Path) -> bool:
    """Whether its splits hold folders themselves: a class may have a folder named train, of locomotives."""
    train = splits_of_folder(folder).get("train", folder)
    return train != folder and bool(folders_in(train))


def _refuse_doubtful(source: Path) -> None:
    """Raises ReweighError where a folder of folders is hardly one of classes."""
    said = doubt_about(source, splits_of_folder(source))
    for name in BELOW_CRAWLS if said is None else ():
        found = LAYOUTS[name].recognise(source.parent)
        if found is not None and found.certainty == Certainty.CERTAIN:
            said = f"the folder above it is {name} ({found.signs}); name {source.parent}"
    if said is not None:
        raise ReweighError(
            f"{source} does not look like a folder a class: {said}. Where its folders are classes all the same: --layout folder."
        )


def _third_party(name: str) -> LayoutInfo:
    found = {entry.name: entry for entry in metadata.entry_points(group="reweigh.layouts")}
    if name not in found:
        look_up(name, {**LAYOUTS, **found}, kind="layout")
    return found[name].load()
